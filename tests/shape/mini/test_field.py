# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What the engine makes of its network's answers, whatever the network has learnt."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from fourview.arrays import Float
from fourview.shape.hull import Hull
from fourview.shape.mini.encoder import network_pictures
from fourview.shape.mini.field import SHARE, TILE, corrected
from fourview.shape.mini.frame import CELLS, FILL_DEEP, FILL_KNOWN, LIMIT, TRUNCATION, cells, fill_of
from fourview.views.camera import AZIMUTH_DEG, side_camera
from fourview.views.view import View


class Says:
    """A network that adds `more` truncations to both parts of the hull."""

    def __init__(self, more: float) -> None:
        self.more = more

    def run(self, _: None, asks: Mapping[str, Float]) -> list[Any]:
        assert asks["points"].shape == (TILE, 3)
        assert np.abs(asks["points"]).max() <= 1
        assert (asks["hull"].min(axis=1) > -LIMIT).all()
        return [np.full((TILE, 2), self.more, np.float32)]


def ball(points: Float) -> Float:
    return np.float32(0.7) - np.linalg.norm(points, axis=1).astype(np.float32)


HULL = Hull(ball, np.array([[-0.8] * 3, [0.8] * 3], np.float32), parts=lambda p: np.stack([ball(p) + 1, ball(p)], 1))


def test_a_network_that_changes_nothing_gives_the_hull_back_at_every_distance() -> None:
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (10_000, 3)).astype(np.float32)

    field = corrected(Says(0), {}, HULL, FILL_KNOWN, is_deep_known=True)

    assert np.allclose(field(points), ball(points), atol=1e-6)
    assert np.array_equal(field.bounds, HULL.bounds)


def test_a_correction_moves_the_surface_by_its_share_of_truncations() -> None:
    field = corrected(Says(0.5), {}, HULL, FILL_KNOWN, is_deep_known=True)

    grown = 0.7 + 0.5 * SHARE * TRUNCATION / FILL_KNOWN
    assert field(np.array([[grown, 0, 0], [0, grown - 0.01, 0]], np.float32)) == pytest.approx([0, 0.01], abs=1e-5)


@pytest.mark.parametrize("more", [-3, 3])
def test_where_body_and_outline_meet_nothing_is_taken_off_or_added(more: float) -> None:
    thin = Hull(ball, HULL.bounds, parts=lambda p: np.stack([np.zeros(len(p), np.float32), ball(p)], 1))
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (1_000, 3)).astype(np.float32)

    class Body:
        def run(self, _: None, asks: Mapping[str, Float]) -> list[Any]:
            return [np.tile(np.array([0, more], np.float32), (TILE, 1))]

    field = corrected(Body(), {}, thin, FILL_KNOWN, is_deep_known=True)
    assert np.allclose(field(points), np.minimum(0, ball(points)), atol=1e-6)


def test_where_depth_is_a_guess_the_box_holds_what_the_network_adds() -> None:
    field = corrected(Says(3), {}, HULL, FILL_DEEP, is_deep_known=False)

    low, high = field.bounds
    assert high[2] > 0.7 + 3 * SHARE * TRUNCATION / FILL_DEEP
    assert low[2] == -high[2]
    assert np.array_equal(field.bounds[:, :2], HULL.bounds[:, :2])


def test_sides_make_the_depth_known() -> None:
    assert fill_of(["front", "back"]) == FILL_DEEP
    assert fill_of(["front", "right"]) == FILL_KNOWN


def test_cells_run_from_back_to_front_from_the_top_down_and_to_the_right() -> None:
    z, y, x = cells().reshape(CELLS, CELLS, CELLS, 3)[..., ::-1].transpose(3, 0, 1, 2)

    assert (np.diff(z, axis=0) > 0).all()
    assert (np.diff(y, axis=1) < 0).all()
    assert (np.diff(x, axis=2) > 0).all()


def test_a_pictures_middle_is_where_its_camera_looks() -> None:
    matte = np.zeros((100, 200), np.float32)
    matte[40:60, 80:120] = 1
    camera = side_camera(AZIMUTH_DEG["left"], (0.5, 0.25), centre=(0.2, 0.1))  # right is -Z

    pictures = network_pictures([View("left", np.full((100, 200, 3), 51, np.uint8), matte, camera)], FILL_KNOWN)

    assert not pictures[[0, 2, 3]].any()
    rows, columns = np.nonzero(pictures[1, 3] > 0.5)
    right, up = (columns.mean() + 0.5) / 128 - 1, 1 - (rows.mean() + 0.5) / 128
    assert (right, up) == pytest.approx((0.2 * FILL_KNOWN, 0.1 * FILL_KNOWN), abs=0.005)
    assert pictures[1, :3][:, pictures[1, 3] > 0.9] == pytest.approx(0.2, abs=0.01)
