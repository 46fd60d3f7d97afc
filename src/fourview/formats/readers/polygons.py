# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Polygons become triangles on the same corners.

Owns      the cut, also of polygons that are not convex. Not here: where polygons come from (`obj`, `ply`).

A fan from a corner is right where none of its triangles is turned over; all polygons of one size are tried at once. The
others, few in real files, are cut ear by ear (Meisters, "Polygons Have Ears", 1975).

Why our own code: earcut leaves out corners on a straight edge, and that opens a closed mesh.
"""

import numpy as np

from fourview.arrays import Bool, Float, Int

FANS_MAX = 16  # corners from which a fan is tried
EARS_MAX = 1000  # corners of a polygon that is cut ear by ear: larger ones would take minutes


def triangulate(points: Float, corners: Int) -> tuple[Int, int]:
    """Triangles `(k, n - 2, 3)` as numbers 0..n-1 of the corners of polygons `corners (k, n)`, and how many are rough.

    `points (p, 3)`. Rough are those that cross themselves or have more than `EARS_MAX` corners: they become plain fans.
    """
    count, size = corners.shape
    fan = np.stack([np.zeros(size - 2, np.int64), np.arange(1, size - 1), np.arange(2, size)], axis=1)
    triangles = np.broadcast_to(fan, (count, size - 2, 3)).copy()
    if size == 3:
        return triangles, 0
    left = np.arange(count)
    for start in range(min(size, FANS_MAX)):
        turned = (fan + start) % size
        good = _is_upright(points[corners[left]].astype(np.float64), turned)
        triangles[left[good]] = turned
        left = left[~good]
        if not len(left):
            return triangles, 0
    rough = 0
    for polygon in left:
        ears = _ears(points[corners[polygon]].astype(np.float64)) if size <= EARS_MAX else None
        triangles[polygon] = fan if ears is None else ears
        rough += ears is None
    return triangles, rough


def _newell(corner: Float) -> Float:
    """Normals `(k, 3)` of polygons `corner (k, n, 3)`, as long as twice their area."""
    arm = corner - corner[:, :1]
    normal: Float = np.cross(arm, np.roll(arm, -1, axis=1)).sum(axis=1)
    return normal


def _is_upright(corner: Float, triangles: Int) -> Bool:
    """Whether all `triangles (n - 2, 3)` look the way of their polygon, for `corner (k, n, 3)`."""
    normal = _newell(corner)
    a, b, c = (corner[:, triangles[:, k]] for k in range(3))
    facing = np.einsum("ktx,kx->kt", np.cross(b - a, c - a), normal)
    upright: Bool = (facing >= -1e-9 * (normal**2).sum(axis=1, keepdims=True)).all(axis=1)
    return upright


def _ears(corner: Float) -> Int | None:
    """Triangles `(n - 2, 3)` of one polygon `corner (n, 3)`; None where it crosses itself."""
    normal = _newell(corner[None])[0]
    axis = int(np.argmax(np.abs(normal)))
    flat = np.delete(corner, axis, axis=1) * ([1, -1] if (normal[axis] < 0) != (axis == 1) else [1, 1])
    ring = list(range(len(corner)))
    triangles = []
    while len(ring) > 3:
        at = next((k for k in range(len(ring)) if _is_ear(flat[ring], k)), None)
        if at is None:
            return None
        triangles.append((ring[at - 1], ring[at], ring[(at + 1) % len(ring)]))
        del ring[at]
    a, b, c = flat[ring]
    return None if _cross(b - a, c - a) < 0 else np.array([*triangles, ring])


def _is_ear(flat: Float, at: int) -> bool:
    """Whether the corner `at` of the ring `flat (n, 2)` can be cut off: it is convex, and its triangle is empty."""
    a, b, c = flat[at - 1], flat[at], flat[(at + 1) % len(flat)]
    if _cross(b - a, c - a) <= 0:
        return False
    inside = (_cross(b - a, flat - a) >= 0) & (_cross(c - b, flat - b) >= 0) & (_cross(a - c, flat - c) >= 0)
    is_corner = ((flat == a) | (flat == b) | (flat == c)).all(axis=1)
    return not (inside & ~is_corner).any()


def _cross(one: Float, other: Float) -> Float:
    cross: Float = one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
    return cross
