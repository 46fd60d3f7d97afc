# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The grid on which a field is sampled, and the samples.

Owns      where the samples lie and how they are numbered (`Grid`), what is known of the field there (`Samples`).
Not here  which samples are evaluated (`octree`), and the surface between them (`extract`).

The cells are cubes, exactly `octree_resolution` of them along the longest side of the field's box; the other sides are
rounded up to whole cells, and the grid sits in the middle of the box. Around it lie nodes that are outside by
definition, one layer below and as many above as fill the last coarse cell, so that every surface closes. A node is
numbered from the first of them: `(i, j, k)`, or flat in C order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from fourview.arrays import Float
from fourview.errors import SurfaceError
from fourview.surface.array_backend import Array, ArrayBackend
from fourview.surface.cases import CORNERS

COARSE_CELLS = 64  # along the longest side, at least: the first level then asks for about 65^3 points, 1.6 % at 256
MARGIN = 0.02  # of a cell: no vertex lies nearer to a sample, so that no two have the same float32 position
MARGIN_ULPS = 16  # least width of the margin, in float32 steps at the box's coordinates


@dataclass(frozen=True)
class Grid:
    """`cells (3,)` cubes of side `cell`; node (0, 0, 0), which is padding, lies at `origin (3,)`. Box units."""

    origin: Float
    cell: float
    cells: tuple[int, int, int]
    coarsest: int  # cells along a cell of the first level, a power of two >= 2

    @classmethod
    def of(cls, bounds: Float, octree_resolution: int, coarse_cells: int = COARSE_CELLS) -> Self:
        """The grid for a field's `bounds (2, 3)`; its first level has `coarse_cells` or more along the longest side."""
        low, high = np.asarray(bounds, np.float64)
        sides = high - low
        cell = sides.max() / octree_resolution
        step = float(np.spacing(np.float32(np.abs(bounds).max())))
        if not (sides.min() >= 0 and cell * MARGIN > MARGIN_ULPS * step):  # also where anything is NaN
            raise SurfaceError(
                f"the field's box reaches from {low.tolist()} to {high.tolist()}; its longest side must be at least "
                f"{MARGIN_ULPS * step * octree_resolution / MARGIN:.3g} there for {octree_resolution} cells: "
                "let the engine give bounds in box units, about -1 to 1"
            )
        # A side that is a whole number of cells may miss it by float32's rounding: 1e-3 of a cell is not a cell.
        cells = np.maximum(np.ceil(sides / cell - 1e-3), 1).astype(int)
        coarsest = 2
        while octree_resolution >= 2 * coarsest * coarse_cells:
            coarsest *= 2
        origin = (low + high) / 2 - (cells / 2 + 1) * cell
        return cls(origin, float(cell), (int(cells[0]), int(cells[1]), int(cells[2])), coarsest)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Nodes along each axis, padding included: whole coarse cells, the last node always padding."""
        x, y, z = (-(-(cells + 2) // self.coarsest) * self.coarsest + 1 for cells in self.cells)
        return x, y, z

    @property
    def strides(self) -> list[int]:
        """What to add to a flat node for the next one along each axis, `(3,)`."""
        _, y, z = self.shape
        return [y * z, z, 1]

    def corners(self, step: int) -> list[int]:
        """What to add to the least node of a cell of side `step` to get each of its corners, `(8,)`."""
        corners: list[int] = (CORNERS @ self.strides * step).tolist()
        return corners

    def ijk(self, nodes: Array) -> tuple[Array, Array, Array]:
        """Where flat nodes `(n,)` stand along x, y and z, `(n,)` each."""
        _, y, z = self.shape
        row = nodes // z
        i = row // y
        return i, row - i * y, nodes - row * z

    def points(self, ijk: Sequence[Array], backend: ArrayBackend) -> Array:
        """Positions `(n, 3) float32` of nodes, or of places between them, given along x, y and z, `(n,)` each."""
        xp = backend.xp
        along = zip(self.origin.tolist(), ijk, strict=True)
        places = [start + self.cell * xp.asarray(place, dtype=backend.double) for start, place in along]
        return xp.asarray(xp.stack(places, axis=1), dtype=xp.float32)


@dataclass(frozen=True)
class Samples:
    """A field on a grid, known around its surface.

    `backend`: where the arrays are, that of the field.
    `values`, `grid.shape` float32: positive inside, negative outside, 0 where no value was computed.
    `cells (n,)`: the cells that the surface passes through, each by the flat number of its least node, rising.
    `cases (n,) uint8`: which of their corners are inside, numbered as in `cases`.
    `asked`: at how many points of the grid the field was evaluated.
    `evaluated`: the same, with the copies that padded tiles.
    """

    grid: Grid
    backend: ArrayBackend
    values: Array
    cells: Array
    cases: Array
    asked: int
    evaluated: int

    @property
    def share(self) -> float:
        """Points evaluated, of all the points of the grid."""
        x, y, z = self.grid.cells
        return self.evaluated / ((x + 1) * (y + 1) * (z + 1))
