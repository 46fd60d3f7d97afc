# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Closed meshes made by code."""

import numpy as np

from fourview.mesh.mesh import Mesh
from fourview.surface.extract import extract
from fourview.surface.field import Field
from fourview.surface.octree import sample

BOX = np.array([[-1, -1, -1], [1, 1, 1]], np.float32)


def solid(value, cells):
    """The surface of `value` (points -> how far inside) on `cells` cells along the box."""
    return extract(sample(Field(lambda p: value(p).astype(np.float32), BOX), cells))


def ball(points, radius=0.8, centre=(0, 0, 0)):
    return radius - np.linalg.norm(points - np.array(centre), axis=1)


def ring(points, large=0.6, small=0.25):
    return small - np.hypot(np.hypot(points[:, 0], points[:, 1]) - large, points[:, 2])


def block(points, half=(0.7, 0.5, 0.3)):
    return (np.array(half) - abs(points)).min(axis=1)


def spiky_hull(points):
    """What two outlines with thin rods, spikes and holes leave of a box: the hard case of a visual hull."""
    x, y, z = points.T
    front = np.maximum(0.55 - np.hypot(x, y), np.minimum(0.02 - abs(x), 0.95 - abs(y)))  # a disc on a rod
    front = np.maximum(front, np.minimum(0.8 - abs(x) - 8 * abs(y - 0.3), 0.9 - abs(x)))  # with two spikes
    front = np.minimum(front, np.hypot((x + 0.2) % 0.24 - 0.12, (y + 0.2) % 0.24 - 0.12) - 0.05)  # and a grid of holes
    side = np.maximum(0.4 - abs(z) - 0.2 * np.sin(9 * y), np.minimum(0.015 - abs(z), 0.95 - abs(y)))
    return np.minimum(front, np.minimum(side, np.hypot(z, y) - 0.07))


def soup(mesh):
    """The mesh with three vertices of its own for each face, as an STL file has it."""
    return Mesh(mesh.vertices[mesh.faces.ravel()], np.arange(mesh.faces.size, dtype=np.int32).reshape(-1, 3))


def together(*meshes):
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]
    return Mesh(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces).astype(np.int32))


def moved(mesh, by):
    return Mesh((mesh.vertices + np.array(by)).astype(np.float32), mesh.faces)


def inside_out(mesh):
    return Mesh(mesh.vertices, mesh.faces[:, ::-1])


TETRAHEDRON = Mesh(
    np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32),
    np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32),
)
