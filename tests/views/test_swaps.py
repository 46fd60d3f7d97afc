# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Whether pictures that changed places are noticed, and pictures in order are left in peace."""

import numpy as np
import pytest

from fourview.arrays import Byte, Float
from fourview.views.framing import frame
from fourview.views.view import Picture

ORDER = ("front", "left", "back", "right")
EXCHANGES = [("left", "right"), ("front", "back")]


def bust(*, is_coloured: bool = True) -> dict[str, tuple[Byte, Float]]:
    """Four pictures of an upright ellipsoid, wider than deep: skin before and hair behind the middle, a striped collar.

    Seen with a soft light from the camera, orthographic, 160 x 160 pixels.
    """
    rx, ry, rz = 0.5, 0.8, 0.35
    skin, hair, collar = np.array([230, 170, 140]), np.array([90, 50, 20]), np.array([40, 90, 200])
    up, right = np.meshgrid(1 - (np.arange(160) + 0.5) / 80, (np.arange(160) + 0.5) / 80 - 1, indexing="ij")
    pictures = {}
    for name, width, depth in (("front", rx, rz), ("left", rz, rx), ("back", rx, rz), ("right", rz, rx)):
        inside = (right / width) ** 2 + (up / ry) ** 2 <= 1
        toward = depth * np.sqrt(np.clip(1 - (right / width) ** 2 - (up / ry) ** 2, 0, None))
        z = {"front": toward, "left": -right, "back": -toward, "right": right}[name]
        colour = np.where((z > 0.02)[..., None], skin, hair)
        colour = np.where((up < -0.5)[..., None], collar, colour) if is_coloured else np.full((160, 160, 3), 128)
        shade = 0.6 + 0.4 * toward / depth
        pictures[name] = ((colour * shade[..., None]).astype(np.uint8), inside.astype(np.float32))
    return pictures


def codes(pictures: dict[str, tuple[Byte, Float]]) -> list[str]:
    names = [n for n in ORDER if n in pictures]
    _, notices = frame([Picture(n, *pictures[n]) for n in names], [pictures[n][1] for n in names])
    return [n.code for n in notices]


def exchanged(pictures: dict[str, tuple[Byte, Float]], one: str, other: str) -> dict[str, tuple[Byte, Float]]:
    return {**pictures, one: pictures[other], other: pictures[one]}


def test_pictures_in_order_are_left_in_peace() -> None:
    assert codes(bust()) == []


@pytest.mark.parametrize("pair", EXCHANGES)
def test_an_exchanged_opposite_pair_is_noticed(pair: tuple[str, str]) -> None:
    assert codes(exchanged(bust(), *pair)) == ["views_probably_swapped"]


def test_a_right_picture_given_as_the_only_side_called_left_is_noticed() -> None:
    pictures = bust()
    wrong = {"front": pictures["front"], "left": pictures["right"], "back": pictures["back"]}

    assert codes({n: pictures[n] for n in ("front", "left", "back")}) == []
    assert codes(wrong) == ["views_probably_swapped"]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_front_exchanged_with_a_side_is_noticed_by_its_outline(side: str) -> None:
    assert "views_probably_swapped" in codes(exchanged(bust(is_coloured=False), "front", side))


@pytest.mark.parametrize("pair", EXCHANGES)
def test_what_looks_alike_from_both_ends_is_left_in_peace(pair: tuple[str, str]) -> None:
    assert codes(exchanged(bust(is_coloured=False), *pair)) == []
