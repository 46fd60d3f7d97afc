# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The topology of a mesh: its edges, its components, the fans of faces around each vertex.

Owns      what follows from the faces alone, without positions.
Not here  what is done with it (`crumbs`, `measure`, `simplify`).

Components are found by hooking each label to a smaller neighbour's and following the chain to its end, in
rounds (Shiloach & Vishkin, An O(log n) parallel connectivity algorithm, 1982); in practice a few rounds suffice.
"""

import numpy as np

from fourview.arrays import Int


def connected(a: Int, b: Int, count: int) -> Int:
    """For each of `count` items the smallest one that links `a (l,) - b (l,)` connect it to, `(count,)`."""
    label = np.arange(count, dtype=np.int32)
    while len(a):
        label[np.maximum(a, b)] = np.minimum(a, b)  # of several hooks the last one stays; any of them is downward
        while not np.array_equal(jumped := label[label], label):
            label = jumped
        a, b = label[a], label[b]
        apart = a != b
        a, b = a[apart], b[apart]
    return label


def label_parts(faces: Int, vertex_count: int) -> Int:
    """The component of each face, `(f,)` from 0. Faces that share a vertex are connected."""
    a, b, c = faces.T
    label = connected(np.concatenate([a, b]), np.concatenate([b, c]), vertex_count)[a]
    return number(label, vertex_count)


def number(label: Int, count: int) -> Int:
    """The labels `(n,)`, each below `count`, replaced by 0, 1, 2 ... in their order."""
    used = np.zeros(count, bool)
    used[label] = True
    rank: Int = (np.cumsum(used) - 1).astype(np.int32)[label]
    return rank


def half_edges(faces: Int) -> tuple[Int, Int]:
    """Where the half-edges `(3f,)` start and end; half-edge `3 i + k` leaves corner `k` of face `i`."""
    return faces.ravel(), faces[:, [1, 2, 0]].ravel()


def edge_keys(start: Int, end: Int) -> Int:
    """One int64 for each pair of vertices, the same in both directions."""
    return np.minimum(start, end).astype(np.int64) << 32 | np.maximum(start, end)


def next_corner(corner: Int) -> Int:
    """The corner after `corner` in its face, counter-clockwise."""
    return np.where(corner % 3 == 2, corner - 2, corner + 1)


def fans(faces: Int, one: Int, other: Int) -> Int:
    """Which fan each corner belongs to, `(3f,)`, fans counted from 0.

    Two corners of a vertex are in one fan if their faces are connected across edges at that vertex; the half-edges
    `one (p,)` and `other (p,)` share these edges.
    """
    start, _ = half_edges(faces)
    after_one, after_other = next_corner(one), next_corner(other)
    same = start[one] == start[other]  # the two faces are wound against each other
    a = np.concatenate([one, after_one])
    b = np.concatenate([np.where(same, other, after_other), np.where(same, after_other, other)])
    return number(connected(a, b, faces.size), faces.size)


def pair_half_edges(faces: Int) -> tuple[Int, Int, Int]:
    """Half-edges `one (p,)`, `other (p,)` of the edges with exactly two faces; how many faces each edge has, `(e,)`."""
    keys = edge_keys(*half_edges(faces))
    order = np.argsort(keys)
    keys = keys[order]
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    faces_of_edge = np.diff(np.append(first, len(keys)))
    twice = first[faces_of_edge == 2]
    return order[twice], order[twice + 1], faces_of_edge
