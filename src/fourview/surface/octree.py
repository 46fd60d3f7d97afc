# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Sample a field from coarse to fine, only around its surface.

Owns      which points of the grid are asked for, and in which portions.
Not here  the geometry of the grid (`grid`), triangles (`extract`).

The first level asks at every node of a coarse grid. Each further level halves the cells, asks in the middle of every
edge whose ends differ, and so knows smaller edges whose ends differ; from the cells around those it *follows the
surface*: where the signs on a side of a cell differ, the surface enters the neighbour, until nothing is left. So a
surface is known completely as soon as one coarse edge shows it, however thin it gets; docs/surface.md tells what can be
missed. Following a surface from a seed is as old as Wyvill, McPheeters and Wyvill, "Data structure for soft objects",
1986. Almost all points that are asked for are corners of cells that the surface passes through.
"""

import math
import mmap
from itertools import pairwise
from typing import Any

import numpy as np

from fourview.arrays import Bool, Float, Int
from fourview.errors import SurfaceError
from fourview.progress import Tick, no_tick
from fourview.surface.cases import CORNERS
from fourview.surface.field import Field
from fourview.surface.grid import COARSE_CELLS, Grid, Samples

LARGEST_PASS = 262_144  # points; larger passes gain nothing, take memory, and would make a cancel wait
# An exact zero counts as inside; the least positive number keeps 0 free to mean "not asked".
NUDGE = np.float32(np.finfo(np.float32).smallest_subnormal)

# The sides of a cell as bits of its case: those of the corners there, and the way to the neighbour.
_SIDES = [
    (axis, way, sum(1 << c for c in range(8) if CORNERS[c, axis] == (way + 1) // 2))
    for axis in range(3)
    for way in (-1, 1)
]


def sample(
    field: Field,
    octree_resolution: int,
    num_chunks: int = 200_000,
    tick: Tick = no_tick,
    coarse_cells: int = COARSE_CELLS,
) -> Samples:
    """`field` around its surface, on `octree_resolution` cells along the longest side of its box.

    At most `num_chunks` points go to the field at once, or one tile if that is more; the result does not depend on it.
    """
    asking = _Asking(field, Grid.of(field.bounds, octree_resolution, coarse_cells), num_chunks, tick)
    step = asking.grid.coarsest
    shares = [4.0**-level for level in range(step.bit_length())][::-1]  # each level asks about 4 times the one before
    shares = (np.cumsum(shares) / np.sum(shares)).tolist()
    asking.ask(_lattice(asking.grid, step), 0, shares[0])
    cells = _lattice(asking.grid, step, beyond=1)
    cases, coarsest = asking.cases(cells, step), step
    for start, end in pairwise(shares):
        step //= 2
        seeds = _halve(asking, cells, cases, step, start)
        if step == 1:
            seeds += _probe(asking, coarsest, start)
        cells, cases = _follow(asking, seeds, step, start, end)
    if not asking.has_positive:  # smaller than the coarse cells, or nothing at all: look everywhere before giving up
        return sample_dense(field, octree_resolution, num_chunks, tick)
    return Samples(asking.grid, asking.values, cells, cases, asking.count)


def sample_dense(field: Field, octree_resolution: int, num_chunks: int = 200_000, tick: Tick = no_tick) -> Samples:
    """`field` at every point of the grid: the plain way, which misses nothing."""
    asking = _Asking(field, Grid.of(field.bounds, octree_resolution), num_chunks, tick)
    count = asking.values.size
    for start in range(0, count, LARGEST_PASS):
        end = min(start + LARGEST_PASS, count)
        asking.ask(np.arange(start, end), start / count, end / count)
    if not asking.has_positive:
        raise SurfaceError(
            f"the field is nowhere positive: none of the {asking.count:,} points of its grid is inside; at least one "
            "must be: check that the mattes show the object, or raise octree_resolution if it is very thin"
        )
    cells: list[Int] = []
    cases: list[Int] = []
    last = count - int(asking.grid.strides.sum())  # beyond and behind the other sides there is only padding
    for start in range(0, last, LARGEST_PASS):
        slab = np.arange(start, min(start + LARGEST_PASS, last))
        case = asking.cases(slab, 1)
        mixed = _is_mixed(case)
        cells.append(slab[mixed])
        cases.append(case[mixed])
    return Samples(asking.grid, asking.values, np.concatenate(cells), np.concatenate(cases), asking.count)


class _Asking:
    """The values known so far, and the way to learn more. Nodes, and cells by their least node, are flat numbers."""

    def __init__(self, field: Field, grid: Grid, num_chunks: int, tick: Tick) -> None:
        self.field, self.grid, self.tick = field, grid, tick
        # Whole tiles, so that every tile holds the same points whatever `num_chunks` is.
        self.points_a_pass = max(min(num_chunks, LARGEST_PASS) // field.tile, 1) * field.tile
        self.values = _sparse(grid.shape, np.float32)
        self.flat = self.values.reshape(-1)
        self.count = 0
        self.has_positive = False
        self.done = 0.0  # what the tick was told last

    def ask(self, nodes: Int, start: float, end: float) -> None:
        """Learn the values at `nodes (n,)`, distinct; the tick goes from `start` to `end`."""
        for first in range(0, len(nodes), LARGEST_PASS):
            self.done = start + (end - start) * first / len(nodes)
            part = nodes[first : first + LARGEST_PASS]
            ijk = np.stack(np.unravel_index(part, self.grid.shape), axis=1)  # (n, 3)
            is_padding = ((ijk < 1) | (ijk > np.add(self.grid.cells, 1))).any(axis=1)
            self.flat[part[is_padding]] = -np.inf
            part, points = part[~is_padding], self.grid.points(ijk[~is_padding])
            for at in range(0, len(part), self.points_a_pass):
                self.tick(self.done)
                self._evaluate(part[at : at + self.points_a_pass], points[at : at + self.points_a_pass])
        self.done = end

    def _evaluate(self, nodes: Int, points: Float) -> None:
        with np.errstate(over="ignore"):  # beyond float32 is infinite, and that has a clear sign
            values = np.asarray(self.field(points), np.float32)
        unclear = np.isnan(values)
        if unclear.any():
            raise SurfaceError(
                f"the field is not a number at {np.count_nonzero(unclear):,} of {len(points):,} points, the first at "
                f"{points[unclear.argmax()].round(4).tolist()}; every value must be a number, positive inside: "
                "check the engine's input and weights"
            )
        self.has_positive = self.has_positive or bool((values > 0).any())
        self.flat[nodes] = np.where(values == 0, NUDGE, values)
        self.count += len(nodes)

    def ask_around(self, cells: Int, offsets: Int, start: float, end: float) -> None:
        """Learn what is not yet known of the nodes `cells (n,) + offsets (m,)`; the cells differ."""
        unknown = []
        for offset in offsets:  # within one turn no node comes twice
            self.tick(start)
            nodes = cells + offset
            nodes = nodes[self.flat[nodes] == 0]
            self.flat[nodes] = np.nan  # spoken for
            unknown.append(nodes)
        self.ask(np.concatenate(unknown), start, end)

    def cases(self, cells: Int, step: int) -> Int:
        """`(n,) uint8`: bit c says that corner c of the cell is inside."""
        cases = np.zeros(len(cells), np.uint8)
        for corner, offset in enumerate(self.grid.corners(step)):
            self.tick(self.done)
            cases |= (self.flat[cells + offset] > 0).view(np.uint8) << np.uint8(corner)
        return cases


def _sparse(shape: tuple[int, ...], dtype: Any) -> Any:
    """Zeros, of which only the pages that are touched take memory; numpy's own would come in huge pages on Linux."""
    return np.frombuffer(mmap.mmap(-1, math.prod(shape) * np.dtype(dtype).itemsize), dtype).reshape(shape)


def _lattice(grid: Grid, step: int, beyond: int = 0) -> Int:
    """Every `step`-th node of the grid, without the last `beyond` along each axis."""
    x, y, z = (nodes - beyond for nodes in grid.shape)
    i, j, k = np.ogrid[0:x:step, 0:y:step, 0:z:step]
    nodes: Int = np.ravel_multi_index((i, j, k), grid.shape).ravel()
    return nodes


def _halve(asking: _Asking, cells: Int, cases: Int, step: int, done: float) -> list[Int]:
    """Cells of `step` that the surface passes through, found on the edges of `cells (n,)`, which are twice as large.

    An edge is looked at in the one cell whose least node it starts at: all cells around a crossed edge are known.
    """
    strides = asking.grid.strides * step
    found = []
    for axis in range(3):
        along, across = strides[axis], np.delete(strides, axis)
        edges = cells[(cases & 1) != (cases >> (4 >> axis) & 1)]
        asking.ask_around(edges, along[None], done, done)
        is_farther = (asking.flat[edges] > 0) == (asking.flat[edges + along] > 0)
        edges = edges + along * is_farther  # now half as long
        found += [edges, edges - across[0], edges - across[1], edges - across.sum()]
    return found


def _follow(asking: _Asking, seeds: list[Int], step: int, start: float, end: float) -> tuple[Int, Int]:
    """The cells `(n,)`, rising, to which the surface leads from `seeds`, and their cases. No list may repeat a cell."""
    strides, corners = asking.grid.strides * step, asking.grid.corners(step)
    is_taken = _sparse(asking.values.shape, np.bool_).reshape(-1)
    taken: list[Int] = [np.zeros(0, np.int64)]
    cases: list[Int] = [np.zeros(0, np.uint8)]
    while sum(map(len, seeds)):
        for at, cells in enumerate(seeds):
            seeds[at] = cells[~is_taken[cells]]
            is_taken[seeds[at]] = True
        taken.append(np.concatenate(seeds))
        asking.ask_around(taken[-1], corners, start, end)
        start = end
        cases.append(asking.cases(taken[-1], step))
        seeds = []
        for axis, way, side in _SIDES:  # the padding is outside, so no way leads out of the grid
            seen = cases[-1] & side
            seeds.append(taken[-1][(seen != 0) & (seen != side)] + way * strides[axis])
    found = np.concatenate(taken)
    order = np.argsort(found)
    return found[order], np.concatenate(cases)[order]


def _probe(asking: _Asking, step: int, done: float) -> list[Int]:
    """Smallest cells that a sheet or a rod between the nodes of the first level passes through.

    Looked for on those edges of `step` where the line through the two values on one side and the line through the two
    on the other side reach 0 before they meet. This finds a thin sheet in a distance, and costs little in any field.
    """
    values = asking.values[::step, ::step, ::step]
    sizes = np.abs(values.astype(np.float64))
    sizes[np.isinf(sizes)] = np.nan  # padding: nothing holds there
    nodes = _lattice(asking.grid, step).reshape(values.shape)
    found = []
    for axis, stride in enumerate(asking.grid.strides):
        a, inside = np.moveaxis(sizes, axis, 0), np.moveaxis(values > 0, axis, 0)
        fall, rise = a[:-3] - a[1:-2], a[3:] - a[2:-1]
        is_doubtful = (fall > 0) & (rise > 0) & (a[1:-2] * rise + a[2:-1] * fall <= fall * rise)
        for other in (slice(-3), slice(2, -1), slice(3, None)):
            is_doubtful &= inside[1:-2] == inside[other]
        edges = np.moveaxis(nodes, axis, 0)[1:-2][is_doubtful]
        asking.ask_around(edges, stride * np.arange(1, step), done, done)
        for part in (edges + stride * n for n in range(step)):
            found.append(part[(asking.flat[part] > 0) != (asking.flat[part + stride] > 0)])
    return found


def _is_mixed(cases: Int) -> Bool:
    mixed: Bool = (cases != 0) & (cases != 255)
    return mixed
