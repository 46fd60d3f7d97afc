# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The type of a mesh, and what follows directly from its triangles.

Owns      the `Mesh` type, normals, areas, merging vertices at one position.
Not here  components (`crumbs`), health (`measure`), files (`formats/`).
"""

from dataclasses import dataclass

import numpy as np

from fourview.arrays import Bool, Float, Int


@dataclass(frozen=True)
class Mesh:
    """Triangles. Box units, +Y up, front +Z; counter-clockwise seen from outside.

    `vertices (v, 3) float32`, `faces (f, 3) int32`; `uv (v, 2) float32`, origin bottom left as in OBJ, or None.
    Where `uv` is given, a vertex on a seam stands once for each chart.
    """

    vertices: Float
    faces: Int
    uv: Float | None = None


def face_normals(mesh: Mesh) -> Float:
    """Normals `(f, 3)` times twice the area of each face: longer where the face is larger."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    return np.cross(b - a, c - a)


def face_areas(mesh: Mesh) -> Float:
    """Area of each face `(f,)`, box units^2."""
    areas: Float = np.linalg.norm(face_normals(mesh), axis=1) / 2
    return areas


def vertex_normals(mesh: Mesh) -> Float:
    """Unit normals `(v, 3) float32`, the faces' normals averaged by area over all corners at one position."""
    welded, vertex = merge_vertices(mesh)
    sums = np.zeros((len(welded.vertices), 3))
    weighted = face_normals(welded)
    for k in range(3):
        for axis in range(3):
            sums[:, axis] += np.bincount(welded.faces[:, k], weighted[:, axis], len(sums))
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    unit = np.where(lengths > 0, sums / np.maximum(lengths, 1e-30), [0.0, 1.0, 0.0])
    return unit.astype(np.float32)[vertex]


def merge_vertices(mesh: Mesh) -> tuple[Mesh, Int]:
    """The mesh with one vertex a position, and which of them each old vertex became, `(v,) int`. Drops `uv`."""
    positions = np.ascontiguousarray(mesh.vertices, np.float32) + np.float32(0)  # -0.0 becomes 0.0
    bits = positions.view(np.uint32).astype(np.uint64)
    for_xy = np.unique(bits[:, 0] << np.uint64(32) | bits[:, 1], return_inverse=True)[1].reshape(-1).astype(np.uint64)
    # Sorting integers twice is five times faster than sorting triples of floats once.
    _, first, vertex = np.unique(for_xy << np.uint64(32) | bits[:, 2], return_index=True, return_inverse=True)
    vertex = vertex.reshape(-1).astype(np.int32)
    return Mesh(positions[first], vertex[mesh.faces]), vertex


def keep_faces(mesh: Mesh, keep: Bool) -> Mesh:
    """The mesh of the faces where `keep (f,)` is true, without vertices that no face uses."""
    faces = mesh.faces[keep]
    used = np.unique(faces)
    renumber = np.full(len(mesh.vertices), -1, np.int32)
    renumber[used] = np.arange(len(used), dtype=np.int32)
    return Mesh(mesh.vertices[used], renumber[faces], None if mesh.uv is None else mesh.uv[used])
