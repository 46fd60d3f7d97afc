# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Against the rules of the official framing, worked out by hand. `tests/parity` has whole recorded pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourview.errors import PictureError
from fourview.shape.hunyuan2mv.preprocess import PreprocessParams, preprocess

WHITE = 255


def picture(height, width, rows, columns, colour=(200, 30, 60, 255)):
    """A transparent picture `(height, width, 4)` with a rectangle of `colour` in it."""
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[slice(*rows), slice(*columns)] = colour
    return rgba


def extent(matte):
    """Where the subject is: first row, first column, rows, columns."""
    rows, columns = (np.flatnonzero(matte.any(axis=axis)) for axis in (1, 0))
    return rows[0], columns[0], len(rows), len(columns)


@given(st.integers(0, 60), st.integers(0, 70))
def test_the_subject_is_found_wherever_it_stands(row, column):
    moved = preprocess(picture(100, 100, (row, row + 40), (column, column + 30)), PreprocessParams(64, 0.15))

    first = preprocess(picture(100, 100, (0, 40), (0, 30)), PreprocessParams(64, 0.15))

    assert np.array_equal(moved[0], first[0])
    assert np.array_equal(moved[1], first[1])


def test_what_is_not_the_subject_is_white():
    on_white, matte = preprocess(picture(90, 90, (10, 50), (20, 70)), PreprocessParams(90, 0.2))

    assert (on_white[matte == 0] == WHITE).all()
    assert (on_white[45, 45] == [200, 30, 60]).all()


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns", "border", "found"),
    [
        # 39 x 19 grow by 85 / 39, to 84.99... x 41.4: not to 85
        (100, 100, (5, 45), (7, 27), 0.15, (8, 29, 84, 41)),
        # the longer side of the picture counts: 85.85 is 85; 10 x 30 grow to 28.3 x 85; gaps of 36.5 and 8
        (101, 60, (0, 11), (0, 31), 0.15, (36, 8, 28, 85)),
        # nothing is left empty: the subject reaches from side to side
        (64, 64, (1, 64), (0, 33), 0.0, (0, 15, 64, 33)),
        # larger than the space for it, it shrinks
        (50, 50, (0, 50), (0, 50), 0.5, (12, 12, 25, 25)),
    ],
)
def test_the_longer_side_fills_what_the_border_leaves_and_all_is_truncated(height, width, rows, columns, border, found):
    side = max(height, width)

    _, matte = preprocess(picture(height, width, rows, columns), PreprocessParams(side, border))

    assert extent(matte) == found


def test_the_last_row_and_column_of_the_subject_are_left_out():
    rgba = picture(80, 80, (20, 61), (20, 61))
    rgba[60] = rgba[:, 60] = 0
    rgba[20:61, 60] = rgba[60, 20:61] = (0, 255, 0, 255)

    on_white, matte = preprocess(rgba, PreprocessParams(80, 0.15))

    assert set(map(tuple, on_white[matte == WHITE].tolist())) == {(200, 30, 60)}


def test_one_faint_pixel_belongs_to_the_subject():
    rgba = picture(100, 100, (40, 61), (40, 61))
    rgba[0, 0, 3] = 1

    _, matte = preprocess(rgba, PreprocessParams(100, 0.15))

    assert extent(np.where(matte > 100, matte, 0))[2:] == (28, 28)  # int(20 * 85 / 60), not 85


@pytest.mark.parametrize(
    ("value", "alpha", "found"),
    [(7, 100, 157), (0, 128, 126), (255, 3, 255), (10, 254, 10)],  # 157.745, 126.99..., 255, 10.96
)
def test_mixing_with_white_truncates(value, alpha, found):
    rgba = picture(40, 40, (5, 35), (5, 35), (value, value, value, alpha))

    on_white, matte = preprocess(rgba, PreprocessParams(40, 0.15))

    assert (on_white[20, 20] == found).all()
    assert matte[20, 20] == alpha


def test_an_opaque_picture_is_all_subject():
    _, matte = preprocess(np.full((60, 60, 4), 255, np.uint8), PreprocessParams(60, 0.0))

    assert (matte == WHITE).all()


@pytest.mark.parametrize(
    ("rows", "columns", "size"),
    [((5, 5), (5, 5), "0 x 0"), ((5, 6), (5, 6), "1 x 1"), ((5, 6), (5, 30), "1 x 25"), ((5, 30), (9, 10), "25 x 1")],
)
def test_a_subject_of_one_pixel_a_side_is_refused(rows, columns, size):
    with pytest.raises(PictureError, match=f"the 'left' picture shows a subject of {size} pixels; at least 2 x 2"):
        preprocess(picture(40, 40, rows, columns), PreprocessParams(64, 0.15), "left")


def test_a_subject_of_two_pixels_a_side_is_enough():
    _, matte = preprocess(picture(40, 40, (5, 7), (5, 7)), PreprocessParams(40, 0.15))

    assert extent(matte)[2:] == (34, 34)


def test_a_subject_that_would_shrink_to_nothing_keeps_one_pixel():
    _, matte = preprocess(picture(400, 400, (0, 400), (200, 202)), PreprocessParams(400, 0.15))

    assert extent(matte) == (30, 199, 340, 1)
