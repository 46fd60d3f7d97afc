# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Make a closed but pinched mesh 2-manifold again.

Owns      doubly covered faces, edges with four faces, vertices with two fans, two vertices at one position.
Not here  holes: a mesh with an open border is beyond this repair.

Fast simplifiers collapse edges without asking for the topology. Where a thin wall, a narrow neck or a small hole
collapsed, two faces may cover each other back to back, four faces may share an edge, two surfaces a vertex. The remedy
is that of Guéziec, Taubin, Lazarus, Horn (Cutting and stitching, IEEE TVCG 2001): remove what cancels out, pair the
faces around each edge, give each fan of faces its own vertex. Faces are paired that see each other across empty space:
so necks stay connected, and squeezed holes close and leave at most a splinter inside.

Why our own code: trimesh reports such faults and mends few of them; `pymeshfix` is GPL.
"""

import numpy as np

from fourview.arrays import Float, Int
from fourview.mesh.topology import edge_keys, fans, half_edges, next_corner
from fourview.progress import Tick, no_tick

RETREAT = 0.05  # how far a vertex that was split moves towards its own neighbours, share of their distance
GRID = 2.0**-18  # step of the final positions, of the mesh's size: no change of unit or origin in float32 merges two


def make_manifold(vertices: Float, faces: Int, cut: bool = False, tick: Tick = no_tick) -> tuple[Float, Int] | None:
    """The mesh with two faces an edge and one fan a vertex; None if it is not closed.

    `vertices (v, 3) float64`, `faces (f, 3)`. Squeezed necks stay connected and squeezed holes close; with `cut` it is
    the other way round.
    """
    faces = cancel_doubles(faces)
    tick(0.3)
    while (pairs := pair_all(vertices, faces, cut)) is not None:
        tick(0.5)
        up, down, alone = pairs
        vertices, faces = split_fans(vertices, faces, up, down)
        tick(0.9)
        start, end = half_edges(faces)
        _, first = np.unique(edge_keys(start[up[alone:]], end[up[alone:]]), return_index=True)
        crowded = np.ones(len(up), bool)
        crowded[:alone] = False
        crowded[alone + first] = False
        if not crowded.any():
            return vertices, faces
        vertices, faces = insert_middles(vertices, faces, up[crowded], down[crowded])
    return None


def cancel_doubles(faces: Int) -> Int:
    """The faces without those that cover each other back to back."""
    p, q, r = faces.T
    low, high = np.minimum(np.minimum(p, q), r), np.maximum(np.maximum(p, q), r)
    # Three vertices are the same if the smallest, the greatest and their sum are.
    sums = p.astype(np.int64) + q + r
    order = np.argsort(low.astype(np.int64) << 32 | high)
    twice = np.flatnonzero((low[order[1:]] == low[order[:-1]]) & (high[order[1:]] == high[order[:-1]]))
    few = np.unique(order[np.concatenate([twice, twice + 1])])  # the only ones that may have a double
    a, b, c = low[few], (sums - low - high)[few], high[few]
    group = np.unique(np.stack([a, b, c]), axis=1, return_inverse=True)[1].reshape(-1)
    upward = ((p[few] < q[few]).astype(int) + (q[few] < r[few]) + (r[few] < p[few])) == 2
    side = np.where(upward, 1, -1)
    surplus = np.bincount(group, side)[group]  # faces more on one side than on the other
    stays = np.zeros(len(few), bool)
    for nth in range(int(abs(surplus).max(initial=0))):
        left = np.flatnonzero(~stays & (side == np.sign(surplus)) & (abs(surplus) > nth))
        stays[left[np.unique(group[left], return_index=True)[1]]] = True
    keep = np.ones(len(faces), bool)
    keep[few[~stays]] = False
    kept: Int = faces[keep]
    return kept


def pair_all(vertices: Float, faces: Int, cut: bool = False) -> tuple[Int, Int, int] | None:
    """Half-edges `up (p,)` and `down (p,)` that belong together, the first `alone` of them alone on their edge.

    Of several faces around an edge those are paired that see each other across empty space, or with `cut` those that
    have solid between them. None where an edge does not have as many half-edges up as down.
    """
    start, end = half_edges(faces)
    keys = edge_keys(start, end) << 1 | (start > end)
    order = np.argsort(keys)
    keys = keys[order]
    first = np.flatnonzero(np.concatenate([[True], keys[1:] >> 1 != keys[:-1] >> 1]))
    size = np.diff(np.append(first, len(keys)))
    if not np.array_equal(np.add.reduceat(keys & 1, first) * 2, size):
        return None
    ups, downs = [], []
    for many in np.unique(size) // 2:
        edge = first[size == 2 * many, None] + np.arange(many)
        up, down = np.sort(order[edge], axis=1), np.sort(order[edge + many], axis=1)  # (edges, many)
        if many > 1:
            down = partners(vertices, faces, up, down, cut)
        ups.append(up.ravel())
        downs.append(down.ravel())
    return np.concatenate(ups), np.concatenate(downs), int((size == 2).sum())


def partners(vertices: Float, faces: Int, up: Int, down: Int, cut: bool) -> Int:
    """The half-edges `down (n, m)` of `n` edges in the order in which they belong to `up (n, m)`.

    Counter-clockwise around an edge, a face that runs up is followed by empty space, until the next that runs down.
    """
    start, end = half_edges(faces)
    foot, top = vertices[start[up[:, 0]]], vertices[end[up[:, 0]]]
    across = np.cross(top - foot, np.eye(3)[abs(top - foot).argmin(axis=1)])
    upward = np.cross(top - foot, across) / np.maximum(np.linalg.norm(top - foot, axis=1, keepdims=True), 1e-300)
    arms = [vertices[end[next_corner(half)]] - foot[:, None] for half in (up, down)]  # to the faces' third corners
    angle_up, angle_down = (
        np.arctan2(np.einsum("nmk,nk->nm", arm, upward), np.einsum("nmk,nk->nm", arm, across)) for arm in arms
    )
    by_up, by_down = (np.argsort(angle, axis=1, kind="stable") for angle in (angle_up, angle_down))
    turns = []  # (m, n, m) which to take, turned by so many steps; the least sum of the gaps nests the pairs
    gaps = []
    for step in range(up.shape[1]):
        turned = np.empty_like(by_down)
        np.put_along_axis(turned, by_up, np.roll(by_down, -step, axis=1), axis=1)
        turns.append(turned)
        turn = np.take_along_axis(angle_down, turned, axis=1) - angle_up
        gaps.append(((-turn if cut else turn) % (2 * np.pi)).sum(axis=1))
    best = np.stack(turns)[np.argmin(gaps, axis=0), np.arange(len(up))]
    ordered: Int = np.take_along_axis(down, best, axis=1)
    return ordered


def split_fans(vertices: Float, faces: Int, up: Int, down: Int) -> tuple[Float, Int]:
    """One vertex a fan; fans that shared one step back from it, each towards its own neighbours."""
    fan = fans(faces, up, down)  # (3f,)
    old = np.empty(fan.max() + 1, faces.dtype)
    old[fan] = faces.ravel()
    placed = vertices[old]
    shares = np.bincount(old)[old] > 1
    _, end = half_edges(faces)
    steps = np.flatnonzero(shares[fan])
    for axis in range(3):
        sums = np.bincount(fan[steps], vertices[end[steps], axis], len(old))
        mean = sums / np.maximum(np.bincount(fan[steps], minlength=len(old)), 1)
        placed[shares, axis] += RETREAT * (mean - placed[:, axis])[shares]
    return placed, fan.reshape(-1, 3)


def insert_middles(vertices: Float, faces: Int, up: Int, down: Int, bend: float = RETREAT) -> tuple[Float, Int]:
    """Pairs of half-edges `up (p,)`, `down (p,)` halved by a vertex of their own, as many as share no face.

    The vertex is moved towards the two faces' third corners by `bend` of the way.
    """
    touched = np.stack([up // 3, down // 3], axis=1).ravel()
    first = np.zeros(len(touched), bool)
    first[np.unique(touched, return_index=True)[1]] = True
    alone = first.reshape(-1, 2).all(axis=1)
    up, down = up[alone], down[alone]
    half = np.concatenate([up, down])
    face, corner = half // 3, half % 3
    a, b, c = (faces[face, (corner + k) % 3] for k in range(3))
    middle = len(vertices) + np.tile(np.arange(len(up)), 2).astype(faces.dtype)
    apex = (vertices[c[: len(up)]] + vertices[c[len(up) :]]) / 2
    edge = (vertices[a[: len(up)]] + vertices[b[: len(up)]]) / 2
    kept = np.ones(len(faces), bool)
    kept[face] = False
    halves = np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)
    return np.concatenate([vertices, edge + bend * (apex - edge)]), np.concatenate([faces[kept], *halves])


def settle(vertices: Float) -> Float:
    """The positions `(v, 3)` on a fine grid, float32, no two the same."""
    size = float(abs(vertices).max()) or 1.0
    step = GRID * 2.0 ** np.ceil(np.log2(size))
    cells = np.rint(vertices / step).astype(np.int64)
    for turn in range(len(cells)):
        key = (cells + 2**20) @ np.array([1 << 42, 1 << 21, 1])
        again = np.ones(len(cells), bool)
        again[np.unique(key, return_index=True)[1]] = False
        if not again.any():
            break
        cells[again, turn % 3] += 1
    settled: Float = (cells * step).astype(np.float32)
    return settled
