# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from formats.marked import CODES, SIGNS, marked, painted

from fourview.formats.colours import colours_at, light_of
from fourview.mesh.mesh import Mesh
from fourview.render.sheet import PAPER, SIDES, preview, sheet

SIZE = 96


def cells(image):
    """The eight pictures of a sheet by side, `(SIZE, SIZE, 3)`."""
    pixels = np.asarray(image).reshape(2, SIZE, 4, SIZE, 3).swapaxes(1, 2).reshape(8, SIZE, SIZE, 3)
    return dict(zip(SIDES, pixels, strict=True))


def octants(picture):
    """Which octants of `marked` the picture shows: light and paper are grey, so the hue tells."""
    saturation = np.ptp(picture.astype(int), axis=2)
    colours = picture[saturation > 60].astype(float)
    hue = colours / np.linalg.norm(colours, axis=1, keepdims=True)
    known = CODES / np.linalg.norm(CODES.astype(float), axis=1, keepdims=True)
    likeness = hue @ known.T  # (n, 8)
    is_pure = likeness.max(axis=1) > 0.995  # the softened edges mix two colours
    count = np.bincount(likeness[is_pure].argmax(axis=1), minlength=8)
    return {SIGNS[k] for k in np.flatnonzero(count > 0.0025 * SIZE**2)}


@pytest.mark.parametrize("columns", [1, 2, 4, 8])
def test_eight_pictures_fill_the_sheet(columns):
    image = sheet(marked(), columns=columns, size=32)

    assert image.size == (32 * columns, 32 * 8 // columns)


def test_each_side_shows_the_octants_that_face_it():
    shown = cells(sheet(marked(), painted(), size=SIZE))

    assert octants(shown["front"]) == {s for s in SIGNS if s[2] > 0}
    assert octants(shown["left"]) == {s for s in SIGNS if s[0] > 0}
    assert octants(shown["back"]) == {s for s in SIGNS if s[2] < 0}
    assert octants(shown["right"]) == {s for s in SIGNS if s[0] < 0}


def test_the_nose_points_to_the_left_edge_of_the_left_picture():
    """The solid reaches three times as far to the front as to the back, so its spine stands three quarters across."""
    left = cells(sheet(marked(), painted(), size=SIZE))["left"].astype(int)

    height_px = (np.ptp(left, axis=2) > 60).sum(axis=0)
    reached = np.flatnonzero(height_px)
    spine = (height_px.argmax() - reached[0]) / (reached[-1] - reached[0])

    assert spine == pytest.approx(0.75, abs=0.06)


def test_the_unit_and_the_place_of_a_mesh_do_not_change_its_picture():
    far = Mesh(marked().vertices * 1024 + np.float32([4096, -2048, 1024]), marked().faces, marked().uv)

    np.testing.assert_array_equal(sheet(far, painted(), size=48), sheet(marked(), painted(), size=48))


def test_clay_is_grey_and_the_corners_are_paper():
    pixels = np.asarray(preview(marked(), size=SIZE)).astype(int)

    assert np.ptp(pixels, axis=2).max() < 40
    assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1]] == PAPER).all()
    assert (np.abs(pixels[SIZE // 2, SIZE // 2] - PAPER) > 10).any()


def test_colours_of_vertices_are_shown_as_the_texture_they_come_from():
    colours = colours_at(painted(), marked().uv)

    painted_picture = np.asarray(preview(marked(), painted(), size=SIZE)).astype(int)
    coloured_picture = np.asarray(preview(marked(), light=light_of(marked(), colours=colours), size=SIZE)).astype(int)

    assert np.abs(painted_picture - coloured_picture).max() <= 1


def test_the_edge_of_the_model_is_smooth():
    """Between dark model and light paper lie the shades of the supersampling."""
    dark = np.zeros((len(marked().vertices), 3), np.float32)

    pixels = np.asarray(preview(marked(), light=light_of(marked(), colours=dark), size=SIZE))[: SIZE // 2]
    levels = np.unique(pixels[:, :, 0])

    assert len(levels) >= 4
