# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Fields whose surface is known, and a checker of meshes that shares no code with the library."""

from collections import Counter, defaultdict

import numpy as np

from fourview.surface.field import Field

BOX = np.array([[-1, -1, -1], [1, 1, 1]], np.float32)


def sphere(radius, centre=(0, 0, 0), bounds=BOX):
    return Field(lambda p: radius - np.linalg.norm(p - np.float32(centre), axis=1), bounds)


def torus(large, small):
    return Field(lambda p: small - np.hypot(np.hypot(p[:, 0], p[:, 1]) - large, p[:, 2]), BOX)


def cuboid(half, bounds=BOX):
    """Distances are exact inside only."""
    return Field(lambda p: (np.float32(half) - np.abs(p)).min(axis=1), bounds)


def union(*fields):
    return Field(lambda p: np.max([field(p) for field in fields], axis=0), fields[0].bounds)


def without(field, hole):
    return Field(lambda p: np.minimum(field(p), -hole(p)), field.bounds)


def occupancy(field):
    """1 inside, -1 outside: says nothing of the distance."""
    return Field(lambda p: np.where(field(p) >= 0, np.float32(1), np.float32(-1)), field.bounds)


def lattice(values):
    """A field that has these values at the nodes of its grid, and the resolution at which the grid is met."""
    values = np.asarray(values, np.float32)
    cells = np.array(values.shape) - 1
    bounds = np.array([-cells / cells.max(), cells / cells.max()], np.float32)

    def value(points):
        at = (points - bounds[0]) * cells.max() / 2
        assert np.abs(at - np.rint(at)).max() < 1e-3, "asked between the nodes"
        return values[tuple(np.rint(at).astype(int).T)]

    return Field(value, bounds), int(cells.max())


def faults(mesh):
    """What keeps the mesh, its vertices merged by position, from being closed, 2-manifold and consistently wound."""
    number = {}
    merged = [number.setdefault(tuple(v), len(number)) for v in mesh.vertices.tolist()]
    faces = [tuple(merged[v] for v in face) for face in mesh.faces.tolist()]
    found = []
    if any(len(set(face)) < 3 for face in faces):
        found.append("a face has a vertex twice")
    ways = Counter((face[k], face[(k + 1) % 3]) for face in faces for k in range(3))
    if any(count != 1 or ways[b, a] != 1 for (a, b), count in ways.items()):
        found.append("an edge has not exactly two faces, one each way")
    rims = defaultdict(dict)
    for face in faces:
        for k in range(3):
            rims[face[k]][face[(k + 1) % 3]] = face[(k + 2) % 3]
    for rim in rims.values():
        walk = [next(iter(rim))]
        while (following := rim.get(walk[-1])) not in (None, walk[0]) and len(walk) <= len(rim):
            walk.append(following)
        if following != walk[0] or len(walk) != len(rim):
            found.append("the faces around a vertex are not one closed fan")
            break
    if set(merged) != set(rims):
        found.append("a vertex has no face")
    return found


def euler(mesh):
    """Vertices - edges + faces of a closed mesh."""
    return len(mesh.vertices) - len(mesh.faces) // 2


def volume(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(float) for k in range(3))
    return float(np.einsum("ij,ij", a, np.cross(b, c)) / 6)


def area(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(float) for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def windings(mesh, points):
    """How often the mesh winds around each point: the solid angle of its faces / 4 pi (van Oosterom, Strackee 1983)."""
    corners = mesh.vertices[mesh.faces].astype(float)  # (f, 3, 3)
    a, b, c = np.moveaxis(corners[None] - np.asarray(points, float)[:, None, None], 2, 0)  # (n, f, 3) each
    la, lb, lc = (np.linalg.norm(x, axis=2) for x in (a, b, c))
    above = (a * np.cross(b, c)).sum(axis=2)
    below = la * lb * lc + (a * b).sum(2) * lc + (b * c).sum(2) * la + (c * a).sum(2) * lb
    return np.arctan2(above, below).sum(axis=1) / (2 * np.pi)
