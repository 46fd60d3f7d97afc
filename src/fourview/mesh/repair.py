"""Make a closed but pinched mesh 2-manifold again.

Owns      doubly covered faces, edges with four faces, vertices with two fans; distinct positions for all vertices.
Not here  holes: a mesh with an open border stays as it is.

Fast simplifiers collapse edges without asking for the topology. Where a thin wall, a narrow neck or a small hole
collapsed, two faces may cover each other back to back, four faces may share an edge, two surfaces a vertex. The remedy
is that of Guéziec, Taubin, Lazarus, Horn (Cutting and stitching, IEEE TVCG 2001): remove what cancels out, pair the faces
around each edge, give each fan of faces its own vertex. Pairs are made across the empty side of an edge: necks stay
connected and squeezed holes close.
"""

import numpy as np

from fourview.arrays import Float, Int
from fourview.mesh.topology import edge_keys, fans, half_edges, next_corner

RETREAT = 0.05  # how far a vertex that was split moves towards its own neighbours, share of their distance
GRID = 2.0**-18  # step of the final positions, of the mesh's size: no change of unit or origin in float32 merges two


def make_manifold(vertices: Float, faces: Int) -> tuple[Float, Int] | None:
    """The mesh with two faces an edge and one fan a vertex, without vertices that no face uses; None if it is not closed.

    `vertices (v, 3) float64`, `faces (f, 3)`.
    """
    faces = cancel_doubles(faces[(faces != faces[:, [1, 2, 0]]).all(axis=1)])
    while True:
        pairs = pair_across_empty(vertices, faces)
        if pairs is None:
            return None
        up, down = pairs
        vertices, faces = split_fans(vertices, faces, up, down)
        start, end = half_edges(faces)
        _, first = np.unique(edge_keys(start[up], end[up]), return_index=True)
        crowded = np.ones(len(up), bool)
        crowded[first] = False
        if not crowded.any():
            return vertices, faces
        vertices, faces = insert_middles(vertices, faces, up[crowded], down[crowded])


def cancel_doubles(faces: Int) -> Int:
    """The faces without those that cover each other back to back."""
    low = faces.argmin(axis=1)
    rows = np.arange(len(faces))
    a, b, c = (faces[rows, (low + k) % 3] for k in range(3))  # the smallest vertex first, winding kept
    key = np.stack([a, np.minimum(b, c), np.maximum(b, c)])
    order = np.lexsort(key[::-1])
    new = (key[:, order[1:]] != key[:, order[:-1]]).any(axis=0)
    group = np.concatenate([[0], np.cumsum(new)])
    side = np.where(b < c, 1, -1)[order]
    surplus = np.bincount(group, side)[group]  # faces more on one side than on the other
    stays = side == np.sign(surplus)
    count = np.cumsum(stays)
    nth = count - (count - stays)[np.concatenate([[0], np.flatnonzero(new) + 1])][group]
    return faces[np.sort(order[stays & (nth <= abs(surplus))])]


def pair_across_empty(vertices: Float, faces: Int) -> tuple[Int, Int] | None:
    """Half-edges `up (p,)`, `down (p,)` that belong together, each once; None where an edge has an odd one out.

    Of several faces around an edge those are paired that see each other across empty space.
    """
    start, end = half_edges(faces)
    is_down = start > end
    keys = edge_keys(start, end)
    order = np.lexsort((is_down, keys))
    keys, is_down = keys[order], is_down[order]
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    size = np.diff(np.append(first, len(keys)))
    if not np.array_equal(np.add.reduceat(is_down, first, dtype=int) * 2, size):
        return None
    ups, downs = [], []
    for many in np.unique(size) // 2:
        edge = first[size == 2 * many, None] + np.arange(many)
        up, down = order[edge], order[edge + many]  # (edges, many)
        if many > 1:
            apex_up, apex_down = (vertices[faces.ravel()[next_corner(next_corner(h))]] for h in (up, down))
            angle_up, angle_down = angles_around(vertices[start[up[:, 0]]], vertices[end[up[:, 0]]], apex_up, apex_down)
            up = np.take_along_axis(up, np.argsort(angle_up, axis=1, kind="stable"), axis=1)
            down = np.take_along_axis(down, np.argsort(angle_down, axis=1, kind="stable"), axis=1)
            angle_up, angle_down = np.sort(angle_up, axis=1), np.sort(angle_down, axis=1)
            gaps = [((np.roll(angle_down, -k, axis=1) - angle_up) % (2 * np.pi)).sum(axis=1) for k in range(many)]
            shift = (np.argmin(gaps, axis=0)[:, None] + np.arange(many)) % many
            down = np.take_along_axis(down, shift, axis=1)
        ups.append(up.ravel())
        downs.append(down.ravel())
    return np.concatenate(ups), np.concatenate(downs)


def angles_around(a: Float, b: Float, *apexes: Float) -> list[Float]:
    """Angles `(n, m)` of `apexes (n, m, 3)` around the axes from `a (n, 3)` to `b (n, 3)`, counter-clockwise."""
    axis = (b - a) / np.maximum(np.linalg.norm(b - a, axis=1, keepdims=True), 1e-300)
    across = np.cross(axis, np.eye(3)[abs(axis).argmin(axis=1)])
    upward = np.cross(axis, across)
    arms = [apex - a[:, None] for apex in apexes]
    return [np.arctan2(np.einsum("nmk,nk->nm", arm, upward), np.einsum("nmk,nk->nm", arm, across)) for arm in arms]


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


def insert_middles(vertices: Float, faces: Int, up: Int, down: Int) -> tuple[Float, Int]:
    """Pairs of half-edges `up (p,)`, `down (p,)` bent over a vertex of their own, as many as share no face."""
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
    return np.concatenate([vertices, edge + RETREAT * (apex - edge)]), np.concatenate([faces[kept], *halves])


def settle(vertices: Float) -> Float:
    """The positions `(v, 3)` on a fine grid, float32, no two the same."""
    step = GRID * 2.0 ** np.ceil(np.log2(max(float(abs(vertices).max()), 1e-30)))
    cells = np.rint(vertices / step).astype(np.int64)
    for turn in range(len(cells)):
        key = (cells + 2**20) @ np.array([1 << 42, 1 << 21, 1])
        again = np.ones(len(cells), bool)
        again[np.unique(key, return_index=True)[1]] = False
        if not again.any():
            break
        cells[again, turn % 3] += 1
    return (cells * step).astype(np.float32)
