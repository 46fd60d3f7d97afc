# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The z-buffer: coverage without cracks, the nearest face, the right place on it."""

import numpy as np

from fourview.texture.rasterize import interpolate, rasterize


def grid_of_triangles(cells, side_px, seed=0):
    """A jittered sheet of triangles that covers a square of `side_px` pixels exactly."""
    rng = np.random.default_rng(seed)
    steps = np.linspace(0, side_px, cells + 1)
    points = np.stack(np.meshgrid(steps, steps), axis=-1)
    points[1:-1, 1:-1] += rng.uniform(-0.3, 0.3, (cells - 1, cells - 1, 2)) * side_px / cells
    index = np.arange((cells + 1) ** 2).reshape(cells + 1, cells + 1)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return points.reshape(-1, 2), faces


def test_neighbours_leave_no_crack_and_share_no_pixel():
    points, faces = grid_of_triangles(cells=23, side_px=64)

    whole = rasterize(points, None, faces, (64, 64))
    alone = sum((rasterize(points, None, faces[k : k + 1], (64, 64)).face >= 0).astype(int) for k in range(len(faces)))

    assert (whole.face >= 0).all()
    assert (alone == 1).all()


def test_a_rectangle_covers_the_pixels_whose_middles_it_holds():
    corners = np.array([[1.0, 2.0], [5.0, 2.0], [5.0, 4.0], [1.0, 4.0]])

    shown = rasterize(corners, None, np.array([[0, 1, 2], [0, 2, 3]]), (8, 6)).face >= 0

    expected = np.zeros((6, 8), bool)
    expected[2:4, 1:5] = True
    assert np.array_equal(shown, expected)


def test_a_linear_value_is_reproduced_at_pixel_middles():
    points, faces = grid_of_triangles(cells=7, side_px=50)

    drawn = interpolate(rasterize(points, None, faces, (50, 50)), faces, points)

    rows, columns = np.mgrid[:50, :50] + 0.5
    assert np.abs(drawn - np.stack([columns, rows], -1)).max() < 1e-4


def test_the_nearer_of_two_crossing_faces_is_shown_on_either_side_of_their_crossing():
    square = np.array([[0.0, 0.0], [40.0, 0.0], [40.0, 40.0], [0.0, 40.0]])
    flat, tilted = np.full(4, 0.5), square[:, 0] / 40
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])

    shown = rasterize(np.tile(square, (2, 1)), np.concatenate([flat, tilted]), faces, (40, 40)).face

    assert (shown[:, :20] < 2).all()
    assert (shown[:, 20:] >= 2).all()


def test_equal_depths_go_to_the_lowest_face_whatever_comes_first():
    triangle = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    three = np.tile(triangle, (3, 1))

    shown = rasterize(three, np.zeros(9), np.array([[6, 7, 8], [2, 1, 0], [3, 4, 5]]), (9, 9)).face

    assert set(np.unique(shown)) == {-1, 0}


def test_winding_does_not_matter():
    points, faces = grid_of_triangles(cells=9, side_px=30)

    forth, back = (rasterize(points, points[:, 0], order, (30, 30)).face for order in (faces, faces[:, ::-1]))

    assert np.array_equal(forth, back)


def test_faces_outside_edge_on_or_without_area_are_left_out():
    points = np.array([[-9.0, -9.0], [-1.0, -9.0], [-9.0, -1.0], [0.0, 0.0], [5.0, 5.0], [9.0, 9.0], [np.nan, 0.0]])
    faces = np.array([[0, 1, 2], [3, 4, 5], [3, 3, 3], [3, 4, 6]])

    drawn = rasterize(points, np.zeros(7), faces, (10, 10))

    assert (drawn.face == -1).all()
    assert (drawn.barycentric == 0).all()


def test_a_face_larger_than_the_picture_fills_it_and_no_faces_fill_nothing():
    huge = np.array([[-1e4, -1e4], [3e4, -1e4], [-1e4, 3e4]])

    full = rasterize(huge, np.zeros(3), np.array([[0, 1, 2]]), (33, 17))
    none = rasterize(huge, np.zeros(3), np.zeros((0, 3), int), (33, 17))

    assert full.face.shape == (17, 33)
    assert (full.face == 0).all()
    assert (none.face == -1).all()


def test_passes_do_not_change_the_picture(monkeypatch):
    points, faces = grid_of_triangles(cells=11, side_px=60)
    one_pass = rasterize(points, points[:, 1], faces, (60, 60))

    monkeypatch.setattr("fourview.texture.rasterize.PASS_PIXELS", 100)
    many = rasterize(points, points[:, 1], faces, (60, 60))

    assert np.array_equal(one_pass.face, many.face)
    assert np.array_equal(one_pass.barycentric, many.barycentric)
