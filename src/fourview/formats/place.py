# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A mesh in box units becomes a mesh in a file's units and axes.

Owns      size, origin and up axis of what is written (the table "Files" of CONVENTIONS.md).
Not here  bytes (`glb`, `obj`, `ply`, `stl`).
"""

import dataclasses

import numpy as np

from fourview.arrays import Float
from fourview.file_types import FILE_TYPES
from fourview.mesh.mesh import Mesh, merge_vertices
from fourview.recipe import ExportRecipe


def place(mesh: Mesh, recipe: ExportRecipe) -> Mesh:
    """`mesh` as the file holds it: in the unit of its file type, around its origin, turned to its up axis."""
    file_type = FILE_TYPES[recipe.file_type]
    points: Float = mesh.vertices.astype(np.float64)  # (v, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    origin = (low + high) / 2
    if recipe.origin == "bottom":
        origin[1] = low[1]
    if recipe.height_m is None:
        measured, wanted = (high - low).max(), 1.0
    else:
        measured, wanted = high[1] - low[1], recipe.height_m
    points = (points - origin) / measured * (wanted * file_type.units_per_m)
    if (recipe.up or file_type.up) == "z":
        points = z_up_from_y_up(points)
    return dataclasses.replace(mesh, vertices=_keep_apart(mesh, points.astype(np.float32)))


def z_up_from_y_up(points: Float) -> Float:
    """`points (n, 3)` turned a quarter around x: up +Y becomes +Z, the front +Z becomes -Y."""
    return np.stack([points[:, 0], -points[:, 2], points[:, 1]], axis=1)


def y_up_from_z_up(points: Float) -> Float:
    """The inverse of `z_up_from_y_up`."""
    return np.stack([points[:, 0], points[:, 2], -points[:, 1]], axis=1)


def _keep_apart(mesh: Mesh, placed: Float) -> Float:
    """`placed (v, 3)` with as many distinct positions as `mesh` has.

    Rounding to float32 after a scale or a shift can bring two vertices to one position; a reader that merges
    positions would then find a pinched surface. Such vertices are moved apart by single steps of float32.
    """
    welded, vertex = merge_vertices(mesh)
    first = np.zeros(len(welded.vertices), np.int64)
    first[vertex] = np.arange(len(vertex))
    points = placed[first] + np.float32(0)  # (positions, 3); -0.0 becomes 0.0
    while True:
        _, at, group = np.unique(points, axis=0, return_index=True, return_inverse=True)
        crowded = at[group.reshape(-1)] != np.arange(len(points))
        if not crowded.any():
            return points[vertex]
        points[crowded, 0] = np.nextafter(points[crowded, 0], np.float32(np.inf))
