# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Fill in colours where none is known: over a picture, and over a surface.

Owns      both ways of filling. Not here: what counts as known (`project`, `blend`).

A picture is filled by push-pull (Gortler et al., "The Lumigraph", 1996): means of the known colours on coarser and
coarser levels, which then fill the gaps of the finer ones. A surface is filled along the surface, so that the sole of
a shoe takes the colour of the shoe and not of what lies beside it in the atlas or behind it in space: the smoothest
colours that agree with the seen ones (a membrane, Laplace's equation on the edges of the mesh). They are solved from
coarse to fine, on clusters of vertices that lie together and face the same way, with a fixed number of steps of
conjugate gradients on each level (cascadic multigrid, Bornemann and Deuflhard 1996), so the work is bounded.
"""

import numpy as np

from fourview.arrays import Bool, Float, Int
from fourview.mesh.mesh import Mesh, merge_vertices, vertex_normals
from fourview.progress import Tick, no_tick

LEVELS = (8, 16, 32, 64)  # clusters along the longest side of the mesh, coarse to fine; the vertices come last
STEPS = 40  # of conjugate gradients on each level: few suffice, because the level above gives a good start
TRUST = 8.0  # weight of a seen colour; that of a neighbour is 1


def grow(colour: Float, known: Bool, tick: Tick = no_tick) -> Float:
    """`colour (h, w, c) float32`, kept where `known (h, w)`, grown smoothly outward everywhere else."""
    if not known.any():
        return colour
    levels: list[tuple[Float, Float]] = [(colour * known[..., None], known.astype(np.float32))]
    while not levels[-1][1].all() and max(levels[-1][1].shape) > 1:
        tick(0.0)
        total, weight = _halved(levels[-1][0]), _halved(levels[-1][1])
        # A weight is cut at 1: one known pixel in four counts in full, and far regions do not outweigh near ones.
        cut = np.minimum(1, weight) / np.maximum(weight, 1e-12)
        levels.append((total * cut[..., None], weight * cut))
    below, _ = levels[-1]
    below = below / np.maximum(levels[-1][1], 1e-12)[..., None]
    for total, weight in levels[-2::-1]:
        tick(0.5)
        below = total + (1 - weight)[..., None] * _doubled(below, weight.shape)
    below[known] = colour[known]
    return below


def fill_surface(mesh: Mesh, colour: Float, weight: Float, tick: Tick = no_tick) -> Float:
    """Colours `(v, 3) float32` of all vertices, close to `colour (v, 3)` where `weight (v,)` 0..1 is high."""
    welded, place = merge_vertices(mesh)
    count = len(welded.vertices)
    total: Float = np.bincount(place, weight, count).astype(np.float64)
    known: Float = np.stack([np.bincount(place, weight * colour[:, c], count) for c in range(3)], axis=1).astype(float)
    if not total.any():
        return np.full((len(mesh.vertices), 3), 0.5, np.float32)
    mean = known.sum(axis=0) / total.sum()
    links = np.concatenate([welded.faces[:, [0, 1]], welded.faces[:, [1, 2]], welded.faces[:, [2, 0]]])

    normal = vertex_normals(welded)
    steepest = np.argmax(np.abs(normal), axis=1)
    toward = steepest * 2 + (normal[np.arange(count), steepest] < 0)  # 0..5, the side of the box it looks to
    low, side = welded.vertices.min(axis=0), np.ptp(welded.vertices, axis=0).max()
    cells = [n for n in LEVELS if n**2 < count]
    answer: Float = np.broadcast_to(mean, (count, 3))
    for number, n in enumerate([*cells, 0]):
        if n:
            cell = ((welded.vertices - low) * (n / max(side, 1e-12))).astype(np.int64)
            key = ((cell[:, 0] * (n + 1) + cell[:, 1]) * (n + 1) + cell[:, 2]) * 6 + toward
            node = np.unique(key, return_inverse=True)[1].reshape(-1)
        else:
            node = np.arange(count)

        def tick_level(done: float, number: int = number) -> None:
            tick((number + done) / (len(cells) + 1))

        answer = _membrane(links, node, known, total, answer, tick_level)[node]
    return answer.astype(np.float32)[place]


def _membrane(links: Int, node: Int, known: Float, total: Float, start: Float, tick: Tick) -> Float:
    """The smoothest colours `(m, 3)` of nodes; `node (v,)` says where each vertex belongs, `start (v, 3)` a guess."""
    count = int(node.max()) + 1
    size = np.bincount(node, minlength=count)
    pull = TRUST * np.bincount(node, total, count) / size
    b = np.stack([TRUST * np.bincount(node, known[:, c], count) / size for c in range(3)], axis=1)
    x = np.stack([np.bincount(node, start[:, c], count) / size for c in range(3)], axis=1)
    pairs = np.sort(node[links], axis=1)
    key = np.unique(pairs[pairs[:, 0] != pairs[:, 1]] @ np.array([count, 1]))
    one, other = np.concatenate([key // count, key % count]), np.concatenate([key % count, key // count])
    degree = np.bincount(one, minlength=count)
    diagonal = (degree + pull + 1e-9)[:, None]

    def apply(x: Float) -> Float:
        return diagonal * x - np.stack([np.bincount(one, x[other, c], count) for c in range(3)], axis=1)

    residual = b - apply(x)
    direction = residual / diagonal
    energy = (residual * direction).sum(axis=0)
    for number in range(STEPS):
        tick(number / STEPS)
        ahead = apply(direction)
        step = energy / np.maximum((direction * ahead).sum(axis=0), 1e-30)
        x = x + step * direction
        residual = residual - step * ahead
        scaled = residual / diagonal
        before, energy = energy, (residual * scaled).sum(axis=0)
        direction = scaled + energy / np.maximum(before, 1e-30) * direction
    return x


def _halved(a: Float) -> Float:
    """Sums of blocks of 2 x 2, odd sides padded with 0."""
    h, w = a.shape[:2]
    a = np.pad(a, [(0, h % 2), (0, w % 2), *[(0, 0)] * (a.ndim - 2)])
    rows = a[0::2] + a[1::2]
    return rows[:, 0::2] + rows[:, 1::2]


def _doubled(a: Float, shape: tuple[int, ...]) -> Float:
    """`a` at twice its size, linear between the middles of its pixels, cut to `shape`."""
    for axis in (0, 1):
        a = np.moveaxis(a, axis, 0)
        middle = a * np.float32(0.75)
        twice = np.repeat(middle, 2, axis=0)
        twice[2::2] += a[:-1] * np.float32(0.25)
        twice[1:-1:2] += a[1:] * np.float32(0.25)
        twice[[0, -1]] += a[[0, -1]] * np.float32(0.25)
        a = np.moveaxis(twice, 0, axis)
    return a[: shape[0], : shape[1]]
