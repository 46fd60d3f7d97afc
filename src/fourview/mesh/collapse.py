# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Collapse edges until a closed mesh has as many faces as asked for, and never tear or pinch it.

Owns      which edges go, in which order, and where the merged vertex lies.
Not here  the fast first part of the way (`simplify`), meshes that are not manifold (`repair`).

The cost of an edge is the quadric error of Garland & Heckbert (Surface simplification using quadric error metrics,
SIGGRAPH 1997). Only edges that fulfil the link condition go (Dey, Edelsbrunner, Guha, Nekhayev, Topology preserving
edge contraction, 1999), so what is closed and 2-manifold stays so, with its genus. Edges
collapse in rounds of edges that do not touch each other, which suits numpy (after Luby, A simple parallel algorithm for
the maximal independent set problem, 1986):

    while there are more faces than asked for:
        cost[e] = quadric error of each edge that fulfils the link condition and turns no face over
        limit = the cost of the last edge that is still needed, were all independent
        collapse every edge with cost <= limit that is cheaper than all edges around it

Why our own code: `fast-simplification`, `pyfqmr`, meshoptimizer and Open3D pinch some edges and stop above or below the
target; pymeshlab and CGAL keep the topology, but are GPL.
"""

from dataclasses import dataclass

import numpy as np

from fourview.arrays import Bool, Float, Int
from fourview.progress import Tick, no_tick

FLATTEN = 1e-5  # pulls the new vertex to the edge's middle where the planes leave it free; share of the quadric's trace
SHORTER_FIRST = 1e-5  # cost of an edge's length, so that flat regions keep a good grid: a third of a percent of it
MIN_COSINE = 0.2  # of the angle a face may turn in one step: 78 degrees
CROWD = 64  # at least so many edges compete in a round, so that the last are not single steps; 512 costs shape
SWEEPS = 3  # times a round looks for further edges beside those it has chosen
BLOCK = 8192  # edges priced at once: their temporary arrays stay in the processor's cache

NONE = np.iinfo(np.int32).max


@dataclass
class _Work:
    """A mesh in the making. Vertices keep their number, so a dead one is simply no longer used.

    `cost` belongs to half-edges and is kept from round to round: half-edge `k` leaves corner `k`. Of an edge, the
    half-edge from the smaller vertex number carries it; the other one, and an edge that may not go, costs infinity.
    """

    vertices: Float  # (v, 3)
    quadrics: Float  # (v, 10): xx xy xz yy yz zz, x y z, 1 of the sum of squared distances to planes
    faces: Int  # (3, f)
    cost: Float  # (3, f)


def collapse(vertices: Float, faces: Int, target: int, tick: Tick = no_tick) -> tuple[Float, Int]:
    """A closed 2-manifold brought to at most `target` faces, as far as that goes without folds and changes of topology.

    `vertices (v, 3) float64`, `faces (f, 3)` in and out; vertices that no face uses stay in the list.
    """
    work = _begin(vertices, faces, tick)
    crowd = CROWD
    fruitless = False  # nothing went since all edges were priced
    while (excess := (work.faces.shape[1] - target + 1) // 2) > 0:
        tick(1 - 2 * excess / max(len(faces) - target, 1))
        tried, gone = _round(work, excess, max(excess, crowd))
        crowd = CROWD if gone else 2 * crowd
        if tried == 0:
            if fruitless:
                break
            _price(work, np.arange(work.faces.shape[1]))
        fruitless = gone == 0 and (fruitless or tried == 0)
    return work.vertices, np.ascontiguousarray(work.faces.T)


def squeeze(vertices: Float, faces: Int, count: int) -> tuple[Float, Int]:
    """Collapse up to `count` of the cheapest edges whatever becomes of the topology: what is left must be repaired."""
    work = _begin(vertices, faces, no_tick)
    _round(work, count, max(count, CROWD), gently=False)
    return work.vertices, np.ascontiguousarray(work.faces.T)


def _begin(vertices: Float, faces: Int, tick: Tick) -> _Work:
    columns = np.ascontiguousarray(faces.T)
    work = _Work(vertices.copy(), _quadrics(vertices, faces), columns, np.empty(columns.shape))
    tick(0.0)
    _price(work, np.arange(len(faces)))
    return work


def _quadrics(vertices: Float, faces: Int) -> Float:
    """Quadrics `(v, 10)`: each vertex has the planes of its faces, weighted by their areas."""
    p, q, r = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(q - p, r - p)
    double_area = np.sqrt(np.einsum("ij,ij->i", normal, normal))
    x, y, z = (normal / np.maximum(double_area, 1e-300)[:, None]).T
    w = -(x * p[:, 0] + y * p[:, 1] + z * p[:, 2])
    products = (x * x, x * y, x * z, y * y, y * z, z * z, x * w, y * w, z * w, w * w)
    corners = faces.ravel()
    sums = [np.bincount(corners, np.repeat(product * double_area, 3), len(vertices)) for product in products]
    return np.stack(sums, axis=1)


def _price(work: _Work, near: Int) -> None:
    """Set the cost of the half-edges of faces `near (n,)`."""
    for k in range(3):
        a, b = work.faces[k, near], work.faces[(k + 1) % 3, near]
        up = np.flatnonzero(a < b)
        cost = np.full(len(near), np.inf)
        for begin in range(0, len(up), BLOCK):
            block = up[begin : begin + BLOCK]
            cost[block] = _best_places(work, a[block], b[block])[1]
        work.cost[k, near] = cost


def _best_places(work: _Work, a: Int, b: Int) -> tuple[Float, Float]:
    """Where edges `a - b (e,)` would shrink to, `(3, e)`, and what that costs, `(e,)`."""
    at, to = work.vertices[a].T, work.vertices[b].T
    middle, along = (at + to) / 2, to - at
    length2 = (along * along).sum(axis=0)
    xx, xy, xz, yy, yz, zz, x, y, z, one = np.ascontiguousarray((work.quadrics[a] + work.quadrics[b]).T)
    trace = xx + yy + zz
    # The quadric around the middle has gradient 2 g and constant c. Solve (A + free I) step = -g.
    gx = xx * middle[0] + xy * middle[1] + xz * middle[2] + x
    gy = xy * middle[0] + yy * middle[1] + yz * middle[2] + y
    gz = xz * middle[0] + yz * middle[1] + zz * middle[2] + z
    c = middle[0] * (gx + x) + middle[1] * (gy + y) + middle[2] * (gz + z) + one
    free = FLATTEN * trace + 1e-300
    sx, sy, sz = xx + free, yy + free, zz + free
    axx, axy, axz = sy * sz - yz * yz, xz * yz - xy * sz, xy * yz - xz * sy
    ayy, ayz, azz = sx * sz - xz * xz, xy * xz - sx * yz, sx * sy - xy * xy
    scale = -1 / np.maximum(sx * axx + xy * axy + xz * axz, 1e-300)
    step = np.stack([axx * gx + axy * gy + axz * gz, axy * gx + ayy * gy + ayz * gz, axz * gx + ayz * gy + azz * gz])
    step *= scale
    step /= np.maximum(np.sqrt((step * step).sum(axis=0) / np.maximum(length2, 1e-300)), 1)  # no longer than the edge
    px, py, pz = step
    error = c + 2 * (gx * px + gy * py + gz * pz)
    error += xx * px * px + yy * py * py + zz * pz * pz + 2 * (xy * px * py + xz * px * pz + yz * py * pz)
    return middle + step, np.maximum(error, 0) + SHORTER_FIRST * trace * length2


def _round(work: _Work, excess: int, crowd: int, gently: bool = True) -> tuple[int, int]:
    """Collapse up to `excess` edges that do not touch each other, out of the `crowd` cheapest.

    Returns how many were tried and how many went.
    """
    cost = work.cost.ravel()
    last = min(crowd, len(cost)) - 1
    cheap = np.flatnonzero(cost <= min(np.partition(cost, last)[last], np.finfo(float).max))
    cheap = cheap[np.argsort(cost[cheap], kind="stable")]
    start, end = work.faces.ravel(), work.faces[[1, 2, 0]].ravel()
    tried = cheap[_independent(start, end, cheap, len(work.vertices))]
    allowed, near = _judge(work, start[tried], end[tried])
    cost[tried[~allowed]] = np.inf  # until something beside it changes
    chosen = tried[allowed][:excess] if gently else tried[:excess]
    _apply(work, start[chosen], end[chosen], near)
    return len(tried), len(chosen)


def _independent(start: Int, end: Int, cheap: Int, vertex_count: int) -> Int:
    """Ranks of those half-edges `cheap` (best first) that have no end equal or next to an end of another, ascending."""
    rank = np.arange(len(cheap), dtype=np.int32)
    a, b = start[cheap], end[cheap]
    taken = np.zeros(vertex_count, bool)  # ends of chosen edges and their neighbours
    chosen = []
    for _ in range(SWEEPS):
        best = np.full(vertex_count, NONE, np.int32)
        best[a[::-1]] = rank[::-1]  # the last one written is the best
        best[b[::-1]] = np.minimum(rank, best[b])[::-1]
        near = best.copy()
        np.minimum.at(near, start, best[end])  # each edge is there in both directions
        wins = (near[a] == rank) & (near[b] == rank)
        chosen.append(rank[wins])
        ends = np.zeros(vertex_count, bool)
        ends[a[wins]] = ends[b[wins]] = True
        taken |= ends
        taken[start[ends[end]]] = True
        left = ~(taken[a] | taken[b])
        rank, a, b = rank[left], a[left], b[left]
        if not len(rank):
            break
    return np.sort(np.concatenate(chosen))


def _judge(work: _Work, a: Int, b: Int) -> tuple[Bool, Int]:
    """Which of the edges `a - b (n,)` may shrink without tearing or folding the mesh; the faces around them."""
    edge_of = np.full(len(work.vertices), -1, np.int32)
    edge_of[a] = edge_of[b] = np.arange(len(a), dtype=np.int32)
    edges = [edge_of[column] for column in work.faces]
    edge = np.maximum(np.maximum(edges[0], edges[1]), edges[2])
    near = np.flatnonzero(edge >= 0)
    edge, faces = edge[near], work.faces[:, near]
    hit = [column[near] >= 0 for column in edges]
    # Link condition: exactly two vertices are neighbours of both ends, and the merged vertex keeps three faces.
    outward = [np.flatnonzero(hit[k] & ~hit[(k + 1) % 3]) for k in range(3)]
    keys = [edge[out].astype(np.int64) << 32 | faces[(k + 1) % 3, out] for k, out in enumerate(outward)]
    neighbours = np.sort(np.concatenate(keys))
    shared = neighbours[1:][neighbours[1:] == neighbours[:-1]] >> 32
    stays = hit[0] ^ hit[1] ^ hit[2]  # an end of an edge, not both; three are impossible
    edge, faces = edge[stays], faces[:, stays]
    good = (np.bincount(shared, minlength=len(a)) == 2) & (np.bincount(edge, minlength=len(a)) >= 3)
    place = _best_places(work, a, b)[0].T
    old = [work.vertices[column] for column in faces]
    new = [np.where(h[stays, None], place[edge], corner) for h, corner in zip(hit, old, strict=True)]
    before, after = (np.cross(q - p, r - p) for p, q, r in (old, new))
    size2 = np.einsum("ij,ij->i", before, before) * np.einsum("ij,ij->i", after, after)
    folded = np.einsum("ij,ij->i", before, after) < MIN_COSINE * np.sqrt(size2)
    return good & (np.bincount(edge[folded], minlength=len(a)) == 0), near


def _apply(work: _Work, a: Int, b: Int, near: Int) -> None:
    """Shrink edges `a - b (n,)` to vertices `a`; they and all they touch are among the faces `near`."""
    work.vertices[a] = _best_places(work, a, b)[0].T
    work.quadrics[a] += work.quadrics[b]
    became = np.arange(len(work.vertices), dtype=work.faces.dtype)
    became[b] = a
    p, q, r = work.faces[:, near] = became[work.faces[:, near]]
    dead = (p == q) | (q == r) | (r == p)
    moved = np.zeros(len(work.vertices), bool)
    moved[a] = True
    _price(work, near[~dead & (moved[p] | moved[q] | moved[r])])
    stays = np.ones(work.faces.shape[1], bool)
    stays[near[dead]] = False
    work.faces = np.compress(stays, work.faces, axis=1)
    work.cost = np.compress(stays, work.cost, axis=1)
