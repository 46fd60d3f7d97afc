"""Collapse edges until a closed mesh has as many faces as asked for, and never tear or pinch it.

Owns      which edges go, in which order, and where the merged vertex lies.
Not here  the fast first part of the way (`simplify`), meshes that are not manifold (`repair`).

The cost of an edge is the quadric error of Garland & Heckbert (Surface simplification using quadric error metrics,
SIGGRAPH 1997). Only edges that fulfil the link condition go (Dey, Edelsbrunner, Guha, Nekhayev, Topology preserving
edge contraction, 1999), so what is closed and 2-manifold stays so, with its genus. Not one edge after another but a
round of edges that do not touch each other at once, which suits numpy: in each round the cheapest edges among their
neighbours, and only as cheap as the best edges still needed (after Luby, A simple parallel algorithm for the maximal
independent set problem, 1986).
"""

from dataclasses import dataclass

import numpy as np

from fourview.arrays import Bool, Float, Int
from fourview.mesh.topology import half_edges
from fourview.progress import Tick, no_tick

FLATTEN = 1e-5  # pulls the new vertex to the edge's middle where the planes leave it free; share of the quadric's trace
SHORTER_FIRST = 1e-5  # cost of an edge's length, so that flat regions keep a good grid: a third of a percent of it
STRICTNESS = (0.2, -1.0)  # a face may turn up to acos of this; the second lets it fold over where nothing else is left
THIN = 0.01  # twice a face's area over its longest side squared: below it counts as folded
CROWD = 64  # at least so many edges compete in a round, so that the last rounds are not single steps
SWEEPS = 3  # times a round looks for further edges beside those it has chosen


@dataclass
class _Work:
    """A mesh in the making. Vertices keep their number, so a dead one is simply no longer used.

    `cost` and `place` belong to half-edges and are kept from round to round: of an edge, the half-edge from the smaller
    vertex number carries them, the other one and an edge that may not go costs infinity.
    """

    vertices: Float  # (v, 3)
    quadrics: Float  # (10, v): xx xy xz yy yz zz, x y z, 1 of the sum of squared distances to planes
    faces: Int  # (f, 3)
    cost: Float  # (f, 3)
    place: Float  # (f, 3 half-edges, 3)


def collapse(vertices: Float, faces: Int, target: int, tick: Tick = no_tick) -> tuple[Float, Int]:
    """A closed 2-manifold of at most `target` faces, or of as few as its genus and its parts allow.

    `vertices (v, 3) float64`, `faces (f, 3)` in and out; vertices that no face uses stay in the list.
    """
    shape = faces.shape
    work = _Work(vertices.copy(), _quadrics(vertices, faces), faces, np.empty(shape), np.empty((*shape, 3)))
    for min_cosine in STRICTNESS:
        _price(work, np.ones(work.faces.shape, bool))
        fruitless = False  # nothing went since all edges were priced
        while (excess := (len(work.faces) - target + 1) // 2) > 0:
            tick(1 - (len(work.faces) - target) / max(len(faces) - target, 1))
            tried, gone = _round(work, excess, min_cosine)
            if tried == 0:
                if fruitless:
                    break
                _price(work, np.ones(work.faces.shape, bool))
            fruitless = gone == 0 and (fruitless or tried == 0)
    return work.vertices, work.faces


def _price(work: _Work, which: Bool) -> None:
    """Set cost and place of the half-edges where `which (f, 3)` is true."""
    up = work.faces < work.faces[:, [1, 2, 0]]
    work.cost[which & ~up] = np.inf
    face, corner = np.nonzero(which & up)
    a, b = work.faces[face, corner], work.faces[face, (corner + 1) % 3]
    place, work.cost[face, corner] = _best_places(work, a, b)
    work.place[face, corner] = place.T


def _round(work: _Work, excess: int, min_cosine: float) -> tuple[int, int]:
    """Collapse up to `excess` edges that do not touch each other; how many were tried and how many went."""
    cost = work.cost.ravel()
    crowd = min(max(excess, CROWD), len(cost))
    cheap = np.argpartition(cost, crowd - 1)[:crowd]
    cheap = cheap[np.isfinite(cost[cheap])]
    cheap = cheap[np.lexsort((cheap, cost[cheap]))]
    start, end = half_edges(work.faces)
    chosen = cheap[_independent(start, end, cheap, len(work.vertices))][:excess]
    a, b, place = start[chosen], end[chosen], work.place.reshape(-1, 3)[chosen]
    allowed = _judge(work, a, b, place, min_cosine)
    cost[chosen[~allowed]] = np.inf  # until something beside it changes
    _apply(work, a[allowed], b[allowed], place[allowed])
    return len(chosen), int(allowed.sum())


def _quadrics(vertices: Float, faces: Int) -> Float:
    """Quadrics `(10, v)`: each vertex has the planes of its faces, weighted by their areas."""
    p, q, r = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(q - p, r - p)
    double_area = np.linalg.norm(normal, axis=1)
    n = normal / np.maximum(double_area, 1e-300)[:, None]
    plane = np.column_stack([n, -np.einsum("ij,ij->i", n, p)])
    x, y, z, w = plane.T
    products = (x * x, x * y, x * z, y * y, y * z, z * z, x * w, y * w, z * w, w * w)
    corners = faces.ravel()
    return np.stack([np.bincount(corners, np.repeat(k * double_area, 3), len(vertices)) for k in products])


def _best_places(work: _Work, a: Int, b: Int) -> tuple[Float, Float]:
    """Where edges `a - b (e,)` would shrink to, `(3, e)`, and what that costs, `(e,)`."""
    at, to = work.vertices[a].T, work.vertices[b].T
    middle, along = (at + to) / 2, to - at
    length2 = (along * along).sum(axis=0)
    xx, xy, xz, yy, yz, zz, x, y, z, one = work.quadrics[:, a] + work.quadrics[:, b]
    trace = xx + yy + zz
    # The quadric around the middle: gradient g and constant c there. Solve (A + free I) step = -g.
    gx = xx * middle[0] + xy * middle[1] + xz * middle[2] + x
    gy = xy * middle[0] + yy * middle[1] + yz * middle[2] + y
    gz = xz * middle[0] + yz * middle[1] + zz * middle[2] + z
    c = middle[0] * (gx + x) + middle[1] * (gy + y) + middle[2] * (gz + z) + one
    free = FLATTEN * trace + 1e-300
    sx, sy, sz = xx + free, yy + free, zz + free
    axx, axy, axz = sy * sz - yz * yz, xz * yz - xy * sz, xy * yz - xz * sy
    ayy, ayz, azz = sx * sz - xz * xz, xy * xz - sx * yz, sx * sy - xy * xy
    det = sx * axx + xy * axy + xz * axz
    scale = -1 / np.maximum(det, 1e-300)
    step = np.stack([axx * gx + axy * gy + axz * gz, axy * gx + ayy * gy + ayz * gz, axz * gx + ayz * gy + azz * gz])
    step *= scale
    far = np.sqrt((step * step).sum(axis=0) / np.maximum(length2, 1e-300))
    step /= np.maximum(far, 1)  # never further from the middle than the edge is long
    px, py, pz = step
    error = c + 2 * (gx * px + gy * py + gz * pz)
    error += xx * px * px + yy * py * py + zz * pz * pz + 2 * (xy * px * py + xz * px * pz + yz * py * pz)
    return middle + step, np.maximum(error, 0) + SHORTER_FIRST * trace * length2


def _independent(a: Int, b: Int, cheap: Int, vertex_count: int) -> Int:
    """Positions in `cheap` (edges, best first) whose edges have no end equal or next to an end of another, ascending."""
    free = np.arange(len(cheap))
    taken = np.zeros(vertex_count, bool)  # ends of chosen edges and their neighbours
    chosen = []
    for _ in range(SWEEPS):
        one, other = a[cheap[free]], b[cheap[free]]
        best = np.full(vertex_count, len(cheap), np.int32)
        best[one[::-1]] = free[::-1]  # the last one written is the best
        best[other[::-1]] = np.minimum(free, best[other])[::-1]
        near = best.copy()
        np.minimum.at(near, a, best[b])
        np.minimum.at(near, b, best[a])
        wins = (near[one] == free) & (near[other] == free)
        chosen.append(free[wins])
        ends = np.zeros(vertex_count, bool)
        ends[one[wins]] = ends[other[wins]] = True
        taken |= ends
        taken[a[ends[b]]] = True
        taken[b[ends[a]]] = True
        beside = taken.copy()  # an end next to a chosen end's neighbour is fine, an end that is one is not
        free = free[~(beside[one] | beside[other])]
        if not len(free):
            break
    return np.sort(np.concatenate(chosen))


def _judge(work: _Work, a: Int, b: Int, place: Float, min_cosine: float) -> Bool:
    """Which of the edges `a - b (n,)` may shrink to `place (n, 3)` without a change of topology or a folded face."""
    edge_of = np.full(len(work.vertices), -1, np.int32)
    edge_of[a] = edge_of[b] = np.arange(len(a), dtype=np.int32)
    corner_edge = edge_of[work.faces]  # (f, 3)
    near = np.flatnonzero((corner_edge >= 0).any(axis=1))
    faces, hit = work.faces[near], corner_edge[near] >= 0
    edge = corner_edge[near].max(axis=1)
    # Link condition: exactly two vertices are neighbours of both ends, and the merged vertex keeps three faces.
    keys = [
        edge[out].astype(np.int64) << 32 | faces[out, (k + 1) % 3]
        for k in range(3)
        if len(out := np.flatnonzero(hit[:, k] & ~hit[:, (k + 1) % 3])) or True
    ]
    neighbours = np.sort(np.concatenate(keys))
    shared = neighbours[1:][neighbours[1:] == neighbours[:-1]] >> 32
    stays = hit.sum(axis=1) == 1
    edge, faces, hit = edge[stays], faces[stays], hit[stays]
    good = (np.bincount(shared, minlength=len(a)) == 2) & (np.bincount(edge, minlength=len(a)) >= 3)
    if min_cosine <= -1:
        return good
    old = work.vertices[faces]  # (s, 3 corners, 3)
    new = np.where(hit[:, :, None], place[edge][:, None], old)
    before, after = (np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]) for t in (old, new))
    size = np.sqrt((before * before).sum(axis=1) * (after * after).sum(axis=1))
    folded = (before * after).sum(axis=1) < min_cosine * size
    longest2 = ((new - np.roll(new, 1, axis=1)) ** 2).sum(axis=2).max(axis=1)
    folded |= np.linalg.norm(after, axis=1) < THIN * longest2
    return good & (np.bincount(edge[folded], minlength=len(a)) == 0)


def _apply(work: _Work, a: Int, b: Int, place: Float) -> None:
    """Shrink edges `a - b (n,)` to vertices `a` at `place (n, 3)`."""
    work.vertices[a] = place
    work.quadrics[:, a] += work.quadrics[:, b]
    became = np.arange(len(work.vertices), dtype=work.faces.dtype)
    became[b] = a
    faces = became[work.faces]
    p, q, r = faces.T
    stays = (p != q) & (q != r) & (r != p)
    work.faces, work.cost, work.place = faces[stays], work.cost[stays], work.place[stays]
    moved = np.zeros(len(work.vertices), bool)
    moved[a] = True
    moved_corner = moved[work.faces]
    _price(work, moved_corner | moved_corner[:, [1, 2, 0]])
