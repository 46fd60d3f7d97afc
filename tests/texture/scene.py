# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Meshes and pictures made by code: solids of known colours, drawn from the four sides."""

import numpy as np

from fourview.mesh.mesh import Mesh
from fourview.texture.rasterize import interpolate, rasterize
from fourview.texture.texture import srgb_from_linear
from fourview.views.camera import AZIMUTH_DEG, project, side_camera
from fourview.views.view import View

HALF_EXTENT = 1.2


def sphere(radius=0.9, rings=40, centre=(0.0, 0.0, 0.0)):
    """A ball of `2 rings (2 rings - 2)` faces."""
    polar = np.linspace(0, np.pi, rings + 1)[1:-1]
    around = np.arange(2 * rings) * np.pi / rings
    p, a = np.meshgrid(polar, around, indexing="ij")
    body = np.stack([np.sin(p) * np.sin(a), np.cos(p), np.sin(p) * np.cos(a)], axis=-1).reshape(-1, 3)
    points = np.concatenate([[[0.0, 1, 0]], body, [[0.0, -1, 0]]]) * radius + centre
    grid = 1 + np.arange(len(body)).reshape(rings - 1, 2 * rings)
    here, right = grid, np.roll(grid, -1, axis=1)
    quads = np.stack([here[:-1], here[1:], right[1:], right[:-1]], axis=-1).reshape(-1, 4)
    last = len(points) - 1
    top = np.stack([np.zeros(2 * rings, int), here[0], right[0]], axis=-1)
    bottom = np.stack([np.full(2 * rings, last), right[-1], here[-1]], axis=-1)
    return Mesh(
        points.astype(np.float32), np.concatenate([top, quads[:, :3], quads[:, [0, 2, 3]], bottom]).astype(np.int32)
    )


def box(size=(1.6, 1.2, 0.8), centre=(0.0, 0.0, 0.0)):
    """A box of 12 faces."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * np.array(size) / 2 + centre
    quads = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces = [f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))]
    return Mesh(corners.astype(np.float32), np.array(faces, np.int32))


def both(one, other):
    """Two meshes as one."""
    return Mesh(
        np.concatenate([one.vertices, other.vertices]), np.concatenate([one.faces, other.faces + len(one.vertices)])
    )


def draw(mesh, light, names=tuple(AZIMUTH_DEG), size=(256, 256), backdrop=(255, 0, 255)):
    """Views of `mesh`, its linear light given by `light(points (n, 3)) -> (n, 3)`; exact mattes, a magenta backdrop."""
    views = []
    for name in names:
        camera = side_camera(AZIMUTH_DEG[name], (HALF_EXTENT, HALF_EXTENT * size[1] / size[0]))
        xy, depth = project(camera, mesh.vertices, size)
        seen = rasterize(xy, depth, mesh.faces, size)
        inside = seen.face >= 0
        image = np.empty((size[1], size[0], 3), np.uint8)
        image[:] = backdrop
        image[inside] = srgb_from_linear(light(interpolate(seen, mesh.faces, mesh.vertices)[inside]))
        views.append(View(name, image, inside.astype(np.float32), camera))
    return views


def plain(red, green, blue):
    """The same linear light everywhere."""
    return lambda points: np.tile(np.array([red, green, blue], np.float32), (len(points), 1))


def waves(points):
    """Smooth coloured waves in space."""
    return 0.45 + 0.3 * np.sin(points @ np.array([[5.0, 2, 1], [1, 4, 3], [2, 1, 6]]) + [0, 1, 2])


def texel_points(mesh, texture_size):
    """Face `(t, t)` and surface point `(t, t, 3)` of each texel, by the mesh's uv."""
    xy = np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], axis=1) * texture_size
    seen = rasterize(xy, None, mesh.faces, (texture_size, texture_size))
    return seen.face, interpolate(seen, mesh.faces, mesh.vertices)


def seams(mesh):
    """The uv of points along seam edges, `(n, 2)` in the one chart and `(n, 2)` in the other."""
    corner = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    place = np.round(mesh.vertices[corner].astype(np.float64), 6)  # (e, 2, 3)
    swap = np.array([tuple(a) > tuple(b) for a, b in place])
    corner = np.where(swap[:, None], corner[:, ::-1], corner)
    place = np.where(swap[:, None, None], place[:, ::-1], place).reshape(len(corner), 6)
    _, edge = np.unique(place, axis=0, return_inverse=True)
    order = np.argsort(edge.ravel(), kind="stable")
    one, other = order[:-1], order[1:]
    twin = (edge.ravel()[one] == edge.ravel()[other]) & (corner[one] != corner[other]).any(axis=1)
    t = np.linspace(0.1, 0.9, 5)[:, None, None]
    return tuple(
        (mesh.uv[corner[k[twin], 0]] * (1 - t) + mesh.uv[corner[k[twin], 1]] * t).reshape(-1, 2) for k in (one, other)
    )
