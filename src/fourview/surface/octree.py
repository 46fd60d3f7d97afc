# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Sample a field from coarse to fine, only around its surface.

Owns      which points of the grid are asked for, and in which portions.
Not here  the geometry of the grid (`grid`), triangles (`extract`).

    evaluate the field at every node of a coarse grid
    for each finer level, cells half as large:
        evaluate the middle of every edge whose ends have different signs
        seeds = the cells around the smaller edges whose ends have different signs
        while seeds:                                        # follow the surface
            evaluate the missing corners of the seeds
            seeds = neighbours behind each side whose corners have different signs, not visited before

A surface is found completely as soon as one coarse edge crosses it, however thin it gets; docs/how/surface.md says what
can be missed. Following a surface from a seed is due to Wyvill, McPheeters and Wyvill, "Data structure for soft
objects", 1986. Almost all evaluated points are corners of cells that the surface passes through.

Why our own code:
- The marching cubes of scikit-image, PyMCubes and VTK need the whole grid: 17 million values at 256 cells, where this
  needs 4 to 9 % of them (`benchmarks/surface.py`), and the field may be a network.
- Adaptive packages (OpenVDB, libfive) compile native code or need the field as a formula.
"""

from itertools import pairwise
from typing import Self

import numpy as np

from fourview.errors import SurfaceError
from fourview.progress import Tick, no_tick
from fourview.surface.array_backend import Array
from fourview.surface.cases import CORNERS
from fourview.surface.field import Field
from fourview.surface.grid import COARSE_CELLS, Grid, Samples

LARGEST_PASS = 262_144  # points; larger passes gain nothing, take memory, and would make a cancel wait
# An exact zero counts as inside; the least positive number keeps 0 free to mean "not asked".
NUDGE = float(np.finfo(np.float32).tiny)  # not less: some GPUs take subnormal numbers for 0

# The sides of a cell as bits of its case: those of the corners there, and the way to the neighbour.
_SIDES = [
    (axis, way, sum(1 << c for c in range(8) if CORNERS[c, axis] == (way + 1) // 2))
    for axis in range(3)
    for way in (-1, 1)
]

# The ways to the nodes around a node, nearest first.
_NEAR = np.argwhere(np.ones((9, 9, 9))) - 4
_NEAR = _NEAR[np.argsort((_NEAR**2).sum(axis=1), kind="stable")[1:]]

Around = tuple[Array, list[int]]  # nodes or cells `(n,)`, and what to add to each of them


def sample(
    field: Field,
    octree_resolution: int,
    num_chunks: int = 200_000,
    tick: Tick = no_tick,
    coarse_cells: int = COARSE_CELLS,
) -> Samples:
    """`field` around its surface, on `octree_resolution` cells along the longest side of its box.

    At most `num_chunks` points go to the field at once, or one tile of a field that has one; the result does not
    depend on it.
    """
    asking = Asking(field, Grid.of(field.bounds, octree_resolution, coarse_cells), num_chunks, tick)
    step = asking.grid.coarsest
    shares = [4.0**-level for level in range(step.bit_length())][::-1]  # each level asks about 4 times the one before
    shares = (np.cumsum(shares) / np.sum(shares)).tolist()
    asking.ask(asking.real(asking.backend.array(_lattice(asking.grid, step))), 0, shares[0])
    doubtful = _doubtful_edges(asking, step)
    cells = asking.backend.array(_lattice(asking.grid, step, beyond=1))
    cases = asking.cases(cells, step)
    for start, end in pairwise(shares):
        step //= 2
        edges = _crossed_edges(asking, cells, cases, step)
        asking.ask_around(edges + doubtful, step, start, start)
        seeds = _around(asking, edges, step)
        if step == 1 or field.tile > 1:  # docs/how/surface.md tells why not always
            seeds += _crossed(asking, doubtful, step)
        cells, cases = follow(asking, seeds, step, start, end)
    if asking.has_positive and len(cells):
        return asking.samples(cells, cases)
    # Smaller than the coarse cells, or nothing at all: look everywhere before giving up.
    return sample_dense(field, octree_resolution, num_chunks, tick)


def sample_dense(field: Field, octree_resolution: int, num_chunks: int = 200_000, tick: Tick = no_tick) -> Samples:
    """`field` at every point of the grid: the plain way, which misses nothing."""
    asking = Asking(field, Grid.of(field.bounds, octree_resolution), num_chunks, tick)
    count = len(asking.flat)
    portion = asking.backend.array(np.arange(LARGEST_PASS))
    for start in range(0, count, LARGEST_PASS):
        end = min(start + LARGEST_PASS, count)
        asking.ask(asking.real(portion[: end - start] + start), start / count, end / count)
    if not asking.has_positive:
        raise SurfaceError(
            f"the field is nowhere positive: none of the {asking.asked:,} points of its grid is inside; at least one "
            "must be: check that the mattes show the object, or raise octree_resolution if it is very thin"
        )
    cells: list[Array] = []
    cases: list[Array] = []
    last = count - sum(asking.grid.strides)  # beyond and behind the other sides there is only padding
    for start in range(0, last, LARGEST_PASS):
        slab = portion[: last - start] + start
        case = asking.cases(slab, 1)
        mixed = (case != 0) & (case != 255)
        cells.append(slab[mixed])
        cases.append(case[mixed])
    return asking.samples(asking.backend.xp.concatenate(cells), asking.backend.xp.concatenate(cases))


class Asking:
    """The values known so far, and the way to learn more. Nodes, and cells by their least node, are flat numbers."""

    @classmethod
    def further(cls, field: Field, samples: Samples, tick: Tick) -> Self:
        """The way to learn more than `samples` of `field`, into the same array."""
        asking = cls(field, samples.grid, LARGEST_PASS, tick, samples.values)
        asking.asked, asking.evaluated, asking.has_positive = samples.asked, samples.evaluated, True
        return asking

    def __init__(self, field: Field, grid: Grid, num_chunks: int, tick: Tick, values: Array | None = None) -> None:
        self.field, self.grid, self.tick, self.backend = field, grid, tick, field.backend
        # One tile, where the field has one: more at once gain nothing, and between two of them a cancel is seen.
        self.points_a_pass = field.tile if field.tile > 1 else min(num_chunks, LARGEST_PASS)
        self.values = self.backend.zeros(grid.shape, "float32") if values is None else values
        self.flat = self.values.reshape(-1)
        self.asked = self.evaluated = 0
        self.has_positive = False
        self.done = 0.0  # the last value passed to the tick

    def samples(self, cells: Array, cases: Array) -> Samples:
        """What is known, and the cells through which the surface passes."""
        return Samples(self.grid, self.backend, self.values, cells, cases, self.asked, self.evaluated)

    def ask(self, nodes: Array, start: float, end: float) -> None:
        """Learn the values at `nodes (n,)`, distinct and not padding; the tick goes from `start` to `end`."""
        for at in range(0, len(nodes), self.points_a_pass):
            self.done = start + (end - start) * at / len(nodes)
            self.tick(self.done)
            self._evaluate(nodes[at : at + self.points_a_pass])
        self.done = end

    def real(self, nodes: Array) -> Array:
        """Those of `nodes` that belong to the grid; the padding around it is outside, and known from now on."""
        real = [nodes[:0]]
        for at in range(0, len(nodes), LARGEST_PASS):
            part = nodes[at : at + LARGEST_PASS]
            inside = [(n > 0) & (n < cells + 2) for n, cells in zip(self.grid.ijk(part), self.grid.cells, strict=True)]
            is_real = inside[0] & inside[1] & inside[2]
            self.flat[part[~is_real]] = -np.inf
            real.append(part[is_real])
        return self.backend.xp.concatenate(real)

    def _evaluate(self, nodes: Array) -> None:
        xp = self.backend.xp
        points = self.grid.points(self.grid.ijk(nodes), self.backend)
        with np.errstate(over="ignore"):  # beyond float32 is infinite, and that has a clear sign
            values = xp.asarray(self.field(points), dtype=xp.float32)
        unclear = xp.isnan(values)
        if unclear.any():
            raise SurfaceError(
                f"the field is not a number at {int(unclear.sum()):,} of {len(points):,} points, the first at "
                f"{[round(x, 4) for x in points[unclear][0].tolist()]}; every value must be a number, positive inside: "
                "check the engine's input and weights"
            )
        self.has_positive = self.has_positive or bool((values > 0).any())
        self.flat[nodes] = xp.where(values == 0, NUDGE, values)
        self.asked += len(nodes)
        self.evaluated += -(-len(nodes) // self.field.tile) * self.field.tile

    def ask_around(self, around: list[Around], step: int, start: float, end: float) -> None:
        """Learn what is not yet known of all these nodes, `step` apart; no list may repeat one."""
        unknown = []
        for cells, offsets in around:
            for offset in offsets:  # within one turn no node comes twice
                self.tick(start)
                nodes = cells + offset
                nodes = nodes[self.flat[nodes] == 0]
                self.flat[nodes] = np.nan  # spoken for
                unknown.append(nodes)
        nodes = self.real(self.backend.xp.concatenate(unknown))
        if self.field.tile > 1:
            nodes = self.backend.xp.concatenate([nodes, self.real(self._near(nodes, step))])
        self.ask(nodes, start, end)

    def _near(self, nodes: Array, step: int) -> Array:
        """Unknown nodes around the last of `nodes`, so many that they fill the last tile: some are asked for next.

        Where the surface is followed into something thin, each turn needs a few points, and a tile costs the same.
        """
        count = len(nodes) % self.field.tile
        if count == 0:
            return nodes[:0]
        offsets = (_NEAR @ self.grid.strides * step)[: (self.field.tile - count) // count]
        near = (nodes[-count:, None] + self.backend.array(offsets)).reshape(-1)
        near = near[(near >= 0) & (near < len(self.flat))]
        return self.backend.xp.unique(near[self.flat[near] == 0])

    def is_inside(self, nodes: Array) -> Array:
        """`(n,) bool`."""
        return self.flat[nodes] > 0

    def cases(self, cells: Array, step: int) -> Array:
        """`(n,) uint8`: bit c says that corner c of the cell is inside."""
        uint8 = self.backend.xp.uint8
        cases = self.is_inside(cells).view(uint8)
        for corner, offset in enumerate(self.grid.corners(step)[1:], 1):
            self.tick(self.done)
            cases |= self.is_inside(cells + offset).view(uint8) << corner
        return cases


def _lattice(grid: Grid, step: int, beyond: int = 0) -> Array:
    """Every `step`-th node of the grid, without the last `beyond` along each axis; numpy's."""
    x, y, z = (nodes - beyond for nodes in grid.shape)
    i, j, k = np.ogrid[0:x:step, 0:y:step, 0:z:step]
    return np.ravel_multi_index((i, j, k), grid.shape).ravel()


def _crossed_edges(asking: Asking, cells: Array, cases: Array, step: int) -> list[Around]:
    """The edges along each axis whose ends differ, of cells twice as large as `step`; with each the way to its middle.

    An edge is looked at in the one cell whose least node it starts at: all cells around a crossed edge are known.
    """
    starts = [cells[(cases & 1) != (cases >> (4 >> axis) & 1)] for axis in range(3)]
    return [(start, [stride * step]) for start, stride in zip(starts, asking.grid.strides, strict=True)]


def _around(asking: Asking, edges: list[Around], step: int) -> list[Array]:
    """The cells of `step` around those halves of crossed `edges` whose ends differ."""
    found = []
    for axis, (start, [half]) in enumerate(edges):
        u, v = (stride * step for stride in np.delete(asking.grid.strides, axis).tolist())
        start = start + half * (asking.is_inside(start) == asking.is_inside(start + half))
        found += [start, start - u, start - v, start - u - v]
    return found


def follow(asking: Asking, seeds: list[Array], step: int, start: float, end: float) -> tuple[Array, Array]:
    """The cells `(n,)`, rising, to which the surface leads from `seeds`, and their cases. No list may repeat a cell."""
    xp, strides, corners = asking.backend.xp, asking.grid.strides, asking.grid.corners(step)
    is_taken = asking.backend.zeros((len(asking.flat),), "uint8")
    taken = [asking.backend.array(np.zeros(0, np.int64))]
    cases = [asking.backend.array(np.zeros(0, np.uint8))]
    while sum(map(len, seeds)):
        for at, cells in enumerate(seeds):
            seeds[at] = cells[is_taken[cells] == 0]
            is_taken[seeds[at]] = 1
        taken.append(xp.concatenate(seeds))
        asking.ask_around([(taken[-1], corners)], step, start, end)
        start = end
        cases.append(asking.cases(taken[-1], step))
        seeds = []
        for axis, way, side in _SIDES:  # the padding is outside, so no way leads out of the grid
            seen = cases[-1] & side
            seeds.append(taken[-1][(seen != 0) & (seen != side)] + way * strides[axis] * step)
    found = xp.concatenate(taken)
    order = xp.argsort(found)
    return found[order], xp.concatenate(cases)[order]


def _doubtful_edges(asking: Asking, step: int) -> list[Around]:
    """Edges of the first level, along each axis, that a sheet or a rod between its nodes may cross twice.

    Those where the line through the two values on one side and the line through the two on the other side reach 0
    before they meet. This finds a thin sheet in a distance, and costs little in any field.
    """
    xp = asking.backend.xp
    values = asking.values[::step, ::step, ::step]
    sizes = xp.abs(xp.asarray(values, dtype=asking.backend.double))
    sizes[xp.isinf(sizes)] = np.nan  # padding: nothing holds there
    nodes = asking.backend.array(_lattice(asking.grid, step).reshape(values.shape))
    found = []
    for axis, stride in enumerate(asking.grid.strides):
        a, inside = xp.moveaxis(sizes, axis, 0), xp.moveaxis(values > 0, axis, 0)
        fall, rise = a[:-3] - a[1:-2], a[3:] - a[2:-1]
        is_doubtful = (fall > 0) & (rise > 0) & (a[1:-2] * rise + a[2:-1] * fall <= fall * rise)
        for other in (slice(-3), slice(2, -1), slice(3, None)):
            is_doubtful &= inside[1:-2] == inside[other]
        edges = xp.moveaxis(nodes, axis, 0)[1:-2][is_doubtful]
        found.append((edges, [stride * n for n in range(1, step)]))
    return found


def _crossed(asking: Asking, edges: list[Around], step: int) -> list[Array]:
    """The cells of `step` along these edges of the first level, asked for node by node, that the surface passes."""
    found = []
    for starts, inner in edges:
        nodes = [starts + offset for offset in [0, *inner, inner[0] + inner[-1]][::step]]
        for near, far in pairwise(nodes):
            found.append(near[asking.is_inside(near) != asking.is_inside(far)])
    return found
