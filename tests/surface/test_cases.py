# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np

from fourview.surface.cases import CORNERS, EDGE_STARTS, triangles


def ends(edge):
    start = EDGE_STARTS[edge]
    return start, start + (4, 2, 1)[edge // 4]


def faces_of(edge):
    """The faces of the cell, as (axis, side), in which an edge lies."""
    a, b = (CORNERS[c] for c in ends(edge))
    return {(axis, int(a[axis])) for axis in range(3) if a[axis] == b[axis]}


def test_each_case_uses_just_the_edges_whose_ends_differ():
    counts, edges = triangles()

    for case in range(256):
        used = set(edges[case, : counts[case]].ravel().tolist())
        crossed = {e for e in range(12) if len({case >> c & 1 for c in ends(e)}) == 2}
        assert used == crossed


def test_no_diagonal_lies_in_a_face_of_the_cell():
    """Sides of triangles that have no partner in the cell lie in a face, all others in none."""
    counts, edges = triangles()

    for case in range(256):
        drawn = edges[case, : counts[case]].tolist()
        sides = [(t[k], t[(k + 1) % 3]) for t in drawn for k in range(3)]
        for a, b in sides:
            assert sides.count((a, b)) == 1
            assert bool(faces_of(a) & faces_of(b)) == ((b, a) not in sides)


def test_cells_side_by_side_draw_the_same_rim_on_the_face_between_them_the_other_way_round():
    counts, edges = triangles()
    for axis in range(3):
        rims = ({}, {})
        for case in range(256):
            for side in range(2):
                signs = tuple(case >> c & 1 for c in range(8) if CORNERS[c, axis] == side)
                drawn = edges[case, : counts[case]].tolist()
                rim = set()
                for t in drawn:
                    for k in range(3):
                        if (axis, side) in faces_of(t[k]) & faces_of(t[(k + 1) % 3]):
                            pair = [(*np.delete(CORNERS[EDGE_STARTS[e]], axis), e // 4) for e in (t[k], t[(k + 1) % 3])]
                            rim.add(tuple(pair if side else pair[::-1]))
                assert rims[side].setdefault(signs, rim) == rim
        assert rims[0] == rims[1]
        assert len(rims[0]) == 16
