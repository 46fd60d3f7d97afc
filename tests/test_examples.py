# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The example pictures that ship: four sides of one robot, cut out and photographed, as CONVENTIONS.md wants them."""

from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

SIDES = ("front", "left", "back", "right")
EXAMPLES = files("fourview") / "examples"


def picture(folder, name):
    with (EXAMPLES / folder / name).open("rb") as file:
        return np.asarray(Image.open(file)).astype(int)


def solid(side):
    return picture("robot", f"{side}.png")[:, :, 3] >= 128


@pytest.mark.parametrize("side", SIDES)
def test_the_cut_out_robot_stands_free_in_a_transparent_picture(side):
    rgba = picture("robot", f"{side}.png")

    assert rgba.shape == (512, 512, 4)
    assert rgba[[0, -1]].max() == rgba[:, [0, -1]].max() == 0
    assert 0.1 < solid(side).mean() < 0.5


@pytest.mark.parametrize(("one", "other"), [("front", "back"), ("left", "right")])
def test_opposite_sides_are_mirror_images_in_outline_and_not_in_colour(one, other):
    outline, mirrored = solid(one), solid(other)[:, ::-1]
    shared = outline & mirrored

    colours = picture("robot", f"{one}.png")[:, :, :3], picture("robot", f"{other}.png")[:, ::-1, :3]
    difference = np.abs(colours[0] - colours[1])[shared].max(axis=1)

    assert shared.sum() / (outline | mirrored).sum() > 0.99
    assert (difference > 60).mean() > 0.005


def test_the_four_pictures_have_one_scale():
    rows = [np.flatnonzero(solid(side).any(axis=1))[[0, -1]] for side in SIDES]

    assert np.ptp(rows, axis=0).max() <= 1
    assert (rows[0][1] - rows[0][0] + 1) / 512 == pytest.approx(0.85, abs=0.02)


def test_the_nose_points_to_the_left_edge_of_the_left_picture():
    """The visor is the darkest thing on the head."""
    head = picture("robot", "left.png")[110:230]
    dark = (head[:, :, :3].max(axis=2) < 60) & (head[:, :, 3] > 200)
    columns = np.flatnonzero(solid("left")[110:230].any(axis=0))

    assert np.flatnonzero(dark.any(axis=0)).mean() < columns[0] + 0.15 * np.ptp(columns)


@pytest.mark.parametrize("side", SIDES)
def test_the_photographed_robot_is_the_same_robot_in_a_room(side):
    photo = picture("robot_photo", f"{side}.jpg")
    cut_out = picture("robot", f"{side}.png")
    inside = cut_out[:, :, 3] == 255

    assert photo.shape == (512, 512, 3)
    assert np.abs(photo - cut_out[:, :, :3])[inside].mean() < 15
    assert photo[~inside].std() > 20


def test_the_pictures_are_small():
    sizes = [len(file.read_bytes()) for folder in EXAMPLES.iterdir() if folder.is_dir() for file in folder.iterdir()]

    assert len(sizes) == 8
    assert max(sizes) < 150_000
