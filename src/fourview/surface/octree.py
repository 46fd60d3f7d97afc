"""Sample a field from coarse to fine, only around its surface.

Owns      which points of the grid are asked for, and in which portions.
Not here  the geometry of the grid (`grid`), triangles (`extract`).

The first level asks at every node of a coarse grid. A level then takes the coarse cells that look as if the surface
passed through them, asks at the nodes of their eight parts, and *follows the surface*: where the signs on a side of
such a block differ, its neighbour is taken as well, until nothing is left. So a surface is known completely as soon as
one of its coarse cells was seen, however thin it gets; docs/surface.md tells what can be missed. Following a surface
from a seed is as old as Wyvill, McPheeters and Wyvill, "Data structure for soft objects", 1986.
"""

import math
from itertools import pairwise
from typing import Any

import numpy as np

from fourview.arrays import Float, Int
from fourview.errors import SurfaceError
from fourview.progress import Tick, no_tick
from fourview.surface.field import Field
from fourview.surface.grid import COARSE_CELLS, Grid, Samples

LARGEST_PASS = 262_144  # points; larger passes gain nothing and would make a cancel wait
SLAB = 1_048_576  # points of the plain path made at a time
# An exact zero counts as inside; the least positive number keeps 0 free to mean "not asked".
NUDGE = np.float32(np.finfo(np.float32).smallest_subnormal)

_ALL = (1 << 27) - 1
_NODES = np.arange(27).reshape(3, 3, 3)
# The nodes of the 8 cells of a block, and of its 6 sides, as bits of `Samples.signs`.
_CELLS = [int(np.sum(1 << _NODES[i : i + 2, j : j + 2, k : k + 2])) for i, j, k in np.ndindex(2, 2, 2)]
_SIDES = [(axis, way, int(np.sum(1 << _NODES.take(way + 1, axis)))) for axis in range(3) for way in (-1, 1)]


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
    grid, step = asking.grid, asking.grid.coarsest
    shares = [4.0**-level for level in range(step.bit_length())][::-1]  # each level asks about 4 times the one before
    shares = (np.cumsum(shares) / np.sum(shares)).tolist()
    asking.ask(_lattice(grid, step), 0, shares[0])
    cells = _likely_cells(asking.values[::step, ::step, ::step])
    for start, end in pairwise(shares):
        step //= 2
        blocks, signs = _follow(asking, cells, step, start, end)
        if step > 1:
            cells = _likely_parts(asking, blocks, signs, step)
    if not asking.has_positive:  # smaller than the coarse cells, or nothing at all: look everywhere before giving up
        return sample_dense(field, octree_resolution, num_chunks, tick)
    crossed = (signs != 0) & (signs != _ALL)
    return Samples(grid, asking.values, blocks[crossed], signs[crossed], asking.count)


def sample_dense(field: Field, octree_resolution: int, num_chunks: int = 200_000, tick: Tick = no_tick) -> Samples:
    """`field` at every point of the grid: the plain way, which misses nothing."""
    asking = _Asking(field, Grid.of(field.bounds, octree_resolution), num_chunks, tick)
    grid, count = asking.grid, asking.values.size
    for start in range(0, count, SLAB):
        end = min(start + SLAB, count)
        asking.ask(np.arange(start, end), start / count, end / count)
    if not asking.has_positive:
        raise SurfaceError(
            f"the field is nowhere positive: none of the {asking.count:,} points of its grid is inside; at least one "
            "must be: check that the mattes show the object, or raise octree_resolution if it is very thin"
        )
    crossed: list[tuple[Int, Int]] = []
    blocks = math.prod(grid.block_shape(1))
    for start in range(0, blocks, SLAB):
        tick(1.0)
        slab = np.arange(start, min(start + SLAB, blocks))
        signs = asking.signs(slab, 1)
        mixed = (signs != 0) & (signs != _ALL)
        crossed.append((slab[mixed], signs[mixed]))
    return Samples(
        grid, asking.values, np.concatenate([c[0] for c in crossed]), np.concatenate([c[1] for c in crossed]),
        asking.count,
    )  # fmt: skip


class _Asking:
    """The values known so far, and the way to learn more."""

    def __init__(self, field: Field, grid: Grid, num_chunks: int, tick: Tick) -> None:
        self.field, self.grid, self.tick = field, grid, tick
        # Whole tiles, so that every tile holds the same points whatever `num_chunks` is.
        self.points_a_pass = max(min(num_chunks, LARGEST_PASS) // field.tile, 1) * field.tile
        self.values = np.zeros(grid.shape, np.float32)  # the system hands out only the pages that are touched
        self.count = 0
        self.has_positive = False

    def ask(self, nodes: Int, start: float, end: float) -> None:
        """Learn the values at `nodes (n,)`, flat and distinct; the tick goes from `start` to `end`."""
        flat = self.values.reshape(-1)
        ijk = np.stack(np.unravel_index(nodes, self.grid.shape), axis=1)  # (n, 3)
        is_padding = ((ijk < 1) | (ijk > np.add(self.grid.cells, 1))).any(axis=1)
        flat[nodes[is_padding]] = -np.inf
        nodes, ijk = nodes[~is_padding], ijk[~is_padding]
        for first in range(0, len(nodes), self.points_a_pass):
            part = slice(first, first + self.points_a_pass)
            points = self.grid.points(ijk[part])
            with np.errstate(over="ignore"):  # beyond float32 is infinite, and that has a clear sign
                values = np.asarray(self.field(points), np.float32)
            unclear = np.isnan(values)
            if unclear.any():
                raise SurfaceError(
                    f"the field is not a number at {np.count_nonzero(unclear):,} of {len(points):,} points, the first "
                    f"at {points[unclear.argmax()].round(4).tolist()}; every value must be a number, positive inside: "
                    "check the engine's input and weights"
                )
            self.has_positive = self.has_positive or bool((values > 0).any())
            flat[nodes[part]] = np.where(values == 0, NUDGE, values)
            self.tick(start + (end - start) * min(1.0, part.stop / len(nodes)))
        self.count += len(nodes)

    def ask_around(self, blocks: Int, step: int, start: float, end: float) -> None:
        """Learn what is not yet known of the nodes of `blocks (n,)`."""
        flat = self.values.reshape(-1)
        first = self.grid.first_nodes(blocks, step)
        unknown = []
        for offset in self.grid.offsets(step):  # the blocks differ, so within one turn no node comes twice
            nodes = first + offset
            nodes = nodes[flat[nodes] == 0]
            flat[nodes] = np.nan  # spoken for
            unknown.append(nodes)
        self.ask(np.concatenate(unknown), start, end)

    def signs(self, blocks: Int, step: int) -> Int:
        """`(n,) uint32`: bit b says that node b of the block is inside."""
        flat = self.values.reshape(-1)
        first = self.grid.first_nodes(blocks, step)
        signs = np.zeros(len(blocks), np.uint32)
        for bit, offset in enumerate(self.grid.offsets(step)):
            signs |= (flat[first + offset] > 0).astype(np.uint32) << np.uint32(bit)
        return signs


def _lattice(grid: Grid, step: int) -> Int:
    """Every `step`-th node of the grid, flat."""
    x, y, z = grid.shape
    i, j, k = np.ogrid[0:x:step, 0:y:step, 0:z:step]
    nodes: Int = ((i * y + j) * z + k).ravel()
    return nodes


def _follow(asking: _Asking, blocks: Int, step: int, start: float, end: float) -> tuple[Int, Int]:
    """`blocks (n,)` and all that the surface leads to from them, rising, with their signs; all nodes become known."""
    shape = asking.grid.block_shape(step)
    strides = (shape[1] * shape[2], shape[2], 1)
    is_taken = np.zeros(math.prod(shape), bool)
    is_taken[blocks] = True
    taken: list[Int] = [blocks[:0]]
    signs: list[Int] = [np.zeros(0, np.uint32)]
    while len(blocks):
        asking.ask_around(blocks, step, start, end)
        start = end
        taken.append(blocks)
        signs.append(asking.signs(blocks, step))
        neighbours = []
        for axis, way, side in _SIDES:  # the padding is outside, so no way leads out of the grid
            seen = signs[-1] & np.uint32(side)
            beyond = blocks[(seen != 0) & (seen != side)] + way * strides[axis]
            beyond = beyond[~is_taken[beyond]]
            is_taken[beyond] = True
            neighbours.append(beyond)
        blocks = np.concatenate(neighbours)
    order = np.argsort(np.concatenate(taken))
    return np.concatenate(taken)[order], np.concatenate(signs)[order]


def _likely_cells(values: Float) -> Int:
    """Cells `(n,)`, flat, of the coarse `values (x, y, z)` that the surface passes or seems to pass through.

    Passes: the signs at its corners differ. Seems to: a corner's value is no larger than the step to a neighbour, so
    that one cell further on it would reach 0, and no cell near by explains that. This finds sheets and rods between
    the nodes if the field grows evenly there, and is of no use, but harmless, if it does not.
    """
    inside = _corner_sums((values > 0).astype(np.uint8))
    crossed = (inside > 0) & (inside < 8)
    explained = np.pad(crossed, 1)
    for axis in range(3):
        explained = _along(explained, axis, 0, -2) | _along(explained, axis, 1, -1) | _along(explained, axis, 2, None)
    steps = np.zeros_like(values)
    for axis in range(3):
        rise = _rises(values, axis)
        for side in (_along(steps, axis, 0, -1), _along(steps, axis, 1, None)):
            np.maximum(side, rise, out=side)
    near = _corner_sums((np.abs(values) <= steps).astype(np.uint8)) > 0
    cells: Int = np.flatnonzero(crossed | (near & ~explained))
    return cells


def _likely_parts(asking: _Asking, blocks: Int, signs: Int, step: int) -> Int:
    """The parts of `blocks (n,)`, numbered as blocks of the next level, where the surface passes or seems to pass."""
    grid = asking.grid
    is_likely = np.empty((len(blocks), 8), bool)
    for part, corners in enumerate(_CELLS):
        seen = signs & np.uint32(corners)
        is_likely[:, part] = (seen != 0) & (seen != corners)
    idle = np.flatnonzero((signs == 0) | (signs == _ALL))  # taken because the surface seemed to pass
    nodes = grid.first_nodes(blocks[idle], step)[:, None] + grid.offsets(step)
    values = asking.values.reshape(-1)[nodes].reshape(-1, 3, 3, 3)
    steps = np.max([_rises(values, axis).max(axis=(1, 2, 3)) for axis in (1, 2, 3)], axis=0)  # (idle,)
    is_near = np.abs(values) <= steps[:, None, None, None]
    for axis in (1, 2, 3):
        is_near = _along(is_near, axis, 0, -1) | _along(is_near, axis, 1, None)
    is_likely[idle] = is_near.reshape(-1, 8)
    block, of = np.nonzero(is_likely)
    i, j, k = np.unravel_index(blocks[block], grid.block_shape(step))
    parts: Int = np.ravel_multi_index(
        (2 * i + (of >> 2), 2 * j + (of >> 1 & 1), 2 * k + (of & 1)), grid.block_shape(step // 2)
    )
    return parts


def _corner_sums(values: Int) -> Int:
    """For each cell of a grid of nodes the sum over its 8 corners."""
    for axis in range(3):
        values = _along(values, axis, 0, -1) + _along(values, axis, 1, None)
    return values


def _rises(values: Float, axis: int) -> Float:
    """How much neighbours along an axis differ; 0 where one is padding or infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        rises = np.abs(np.diff(values, axis=axis))
    return np.where(np.isfinite(rises), rises, 0)


def _along(values: Any, axis: int, start: int, stop: int | None) -> Any:
    """`values` cut to `start : stop` along one axis, a view."""
    return values[(slice(None),) * axis + (slice(start, stop),)]
