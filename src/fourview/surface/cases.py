# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The 256 cases of a cell: which triangles go with which corners inside.

Owns      the numbering of a cell's corners and edges, and the table of triangles, computed from one rule.
Not here  where on an edge a vertex lies, and which cells are looked at (`extract`).

Marching cubes (Lorensen and Cline, "Marching cubes: a high resolution 3D surface construction algorithm", 1987) with
the ambiguous faces decided by their own four signs: inside corners that face each other across a diagonal are joined.
Both cells beside a face see the same signs, so they agree (Nielson and Hamann, "The asymptotic decider", 1991, show
the holes of tables that do not). Why the result is 2-manifold, for any signs:

1. every edge of the grid whose ends differ carries one vertex, and in each of the four cells around it exactly one
   loop passes through it, so the four fans close to one disc;
2. every segment of a loop lies in a face of the cell, where exactly one loop of the cell beyond follows it backwards;
3. no loop is cut along a diagonal whose two ends lie in one face: the cell beyond might draw the same diagonal.

Why our own table: the 2-manifold promise needs it proven for all signs; tables with 15 or 33 cases are not.
"""

import math
from collections.abc import Iterator
from functools import cache

import numpy as np

from fourview.arrays import Int

# Corner c of a cell lies at (c >> 2 & 1, c >> 1 & 1, c & 1); bit c of a case says that it is inside.
CORNERS = np.array([(c >> 2 & 1, c >> 1 & 1, c & 1) for c in range(8)])  # (8, 3)
# Edge e runs along axis e // 4 and starts at this corner.
EDGE_STARTS = [c for axis in range(3) for c in range(8) if not CORNERS[c, axis]]  # (12,)

Loop = tuple[int, ...]  # edges of a cell in the order in which the surface's rim passes them
Triangle = tuple[int, int, int]


@cache
def triangles() -> tuple[Int, Int]:
    """`counts (256,)` and `edges (256, most, 3) uint8`: the triangles of each case, by the edges of their corners.

    Wound counter-clockwise as seen from outside. A loop is cut into triangles so that their total area, with all
    vertices half-way, is least.
    """
    cuts: dict[Loop, list[Triangle]] = {}
    cases = []
    for case in range(256):
        loops = _loops(case)
        for loop in loops:
            if loop not in cuts:
                cuts[loop] = min(_triangulations(loop), key=lambda cut: round(sum(map(_area, cut)), 6))
        cases.append([triangle for loop in loops for triangle in cuts[loop]])
    counts = np.array([len(case) for case in cases])
    edges = np.zeros((256, counts.max(), 3), np.uint8)
    for case, drawn in enumerate(cases):
        edges[case, : len(drawn)] = np.reshape(drawn, (-1, 3))
    return counts, edges


def _loops(case: int) -> list[Loop]:
    """The closed loops that the surface draws on the six faces of a cell."""
    follower = {}
    for ring in _FACES:
        inside = [case >> c & 1 for c in ring]
        leaves = [i for i in range(4) if inside[i] and not inside[(i + 1) % 4]]
        enters = [i for i in range(4) if not inside[i] and inside[(i + 1) % 4]]
        for i in leaves:  # joined to the next entry: each run of outside corners is cut off for itself
            j = min(enters, key=lambda k: (k - i) % 4)
            follower[_edge(ring[i], ring[(i + 1) % 4])] = _edge(ring[j], ring[(j + 1) % 4])
    loops = []
    while follower:
        loop = [min(follower)]
        while (following := follower.pop(loop[-1])) != loop[0]:
            loop.append(following)
        loops.append(tuple(loop))
    return loops


def _triangulations(loop: Loop) -> Iterator[list[Triangle]]:
    """All ways to cut a loop into triangles without a diagonal that lies in a face of the cell."""
    if len(loop) < 3:
        yield []
        return
    first, last = loop[0], loop[-1]
    for i in range(1, len(loop) - 1):
        middle = loop[i]
        if (i > 1 and _share_a_face(first, middle)) or (i < len(loop) - 2 and _share_a_face(middle, last)):
            continue
        for before in _triangulations(loop[: i + 1]):
            for after in _triangulations(loop[i:]):
                yield [*before, (first, middle, last), *after]


@cache
def _area(triangle: Triangle) -> float:
    (x, y, z), b, c = (_MIDDLES[e] for e in triangle)
    (p, q, r), (s, t, u) = ((e[0] - x, e[1] - y, e[2] - z) for e in (b, c))
    return math.hypot(q * u - r * t, r * s - p * u, p * t - q * s)


def _edge(a: int, b: int) -> int:
    return _EDGES.index((a ^ b, min(a, b)))


def _ring(axis: int, side: int) -> list[int]:
    """The corners of a face in turn, clockwise as seen from outside the cell."""
    u, v = 4 >> (axis + 1) % 3, 4 >> (axis + 2) % 3
    start = side * (4 >> axis)
    ring = [start, start + v, start + u + v, start + u]
    return ring if side else ring[::-1]


def _share_a_face(d: int, e: int) -> bool:
    return any(p == q != 1 for p, q in zip(_MIDDLES[d], _MIDDLES[e], strict=True))


_FACES = [_ring(axis, side) for axis in range(3) for side in range(2)]
_EDGES = [(4 >> e // 4, start) for e, start in enumerate(EDGE_STARTS)]  # (the bit that changes, the corner)
_MIDDLES = [tuple(2 * CORNERS[start] + np.eye(3, dtype=int)[e // 4]) for e, start in enumerate(EDGE_STARTS)]  # x 2
