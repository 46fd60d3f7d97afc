# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from surface.truths import BOX

from fourview.errors import SurfaceError
from fourview.surface.array_backend import ArrayBackend
from fourview.surface.grid import Grid


def test_every_resolution_gives_exactly_that_many_cells_along_the_longest_side():
    box = np.array([[-0.31, -1, -0.77], [0.29, 1.003, 0.7]], np.float32)

    for r in range(1, 513):
        grid = Grid.of(box, r)
        assert grid.cells[1] == r
        assert grid.cell == pytest.approx(2.003 / r)


def test_a_side_of_whole_cells_does_not_get_one_more_by_rounding():
    for r in range(16, 513):
        bounds = np.array([[0, 0, 0], [1, (r - 1) / r, 1 / r]], np.float32) * np.float32(1.7) - np.float32(0.85)
        assert Grid.of(bounds, r).cells == (r, r - 1, 1)


sides = st.floats(0, 1, width=32)


@given(st.tuples(sides, sides, sides), st.tuples(sides, sides, sides), st.integers(1, 512), st.integers(1, 64))
def test_the_grid_covers_the_box_in_its_middle_and_no_more_than_a_cell_beyond(middle, side, r, coarse_cells):
    if max(side) < 0.01:
        return
    bounds = np.array([np.subtract(middle, side), np.add(middle, side)], np.float32)

    grid = Grid.of(bounds, r, coarse_cells)
    low, high = grid.points([[1, cells + 1] for cells in grid.cells], ArrayBackend())

    slack = 1e-3 * grid.cell + 1e-6
    assert (low <= bounds[0] + slack).all()
    assert (high >= bounds[1] - slack).all()
    assert (high - low <= bounds[1] - bounds[0] + grid.cell + slack).all()
    assert np.allclose(low + high, bounds.sum(axis=0), atol=1e-5)
    assert (np.array(grid.shape) >= np.add(grid.cells, 3)).all()  # padding on both sides
    assert all((nodes - 1) % grid.coarsest == 0 for nodes in grid.shape)


@pytest.mark.parametrize(
    "bounds",
    [
        [[0, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [1, -1, 1]],
        [[0, 0, 0], [1, np.nan, 1]],
        [[0, 0, 0], [1, np.inf, 1]],
        [[1e6, 0, 0], [1e6 + 1, 1, 1]],
    ],
)
def test_a_box_that_float32_cannot_divide_is_refused_with_its_size(bounds):
    with pytest.raises(SurfaceError, match=r"the field's box reaches from .* at least .* let the engine"):
        Grid.of(np.array(bounds, np.float32), 256)


def test_the_first_level_has_about_64_cells():
    assert [Grid.of(BOX, r).coarsest for r in (16, 128, 255, 256, 511, 512)] == [2, 2, 2, 4, 4, 8]
