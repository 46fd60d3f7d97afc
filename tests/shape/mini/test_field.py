# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What the engine makes of its network's answers, whatever the network has learnt."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fourview.arrays import Float
from fourview.shape.hull import Hull
from fourview.shape.mini.encoder import network_pictures
from fourview.shape.mini.field import EDGE, FAR, TILE, corrected
from fourview.shape.mini.frame import CELLS, FILL_DEEP, FILL_KNOWN, LIMIT, TRUNCATION, cells, fill_of
from fourview.views.camera import AZIMUTH_DEG, side_camera
from fourview.views.view import View


class Says:
    """A network that adds `more` truncations to the parts of the hull, where the points `are_meant`."""

    def __init__(self, more: float, are_meant: Callable[[Float], Any] = lambda points: True) -> None:
        self.more, self.are_meant = more, are_meant

    def run(self, _: None, asks: Mapping[str, Float]) -> list[Any]:
        assert asks["points"].shape == (TILE, 3)
        assert np.abs(asks["points"]).max() <= 1
        assert (asks["hull"].min(axis=1) > -LIMIT).all()
        is_meant = np.broadcast_to(self.are_meant(asks["points"]), (TILE,))
        return [np.tile(np.float32(self.more) * is_meant[:, None], 2)]


def ball(points: Float) -> Float:
    return np.float32(0.7) - np.linalg.norm(points, axis=1).astype(np.float32)


BOUNDS = np.array([[-0.8] * 3, [0.8] * 3], np.float32)
HULL = Hull(ball, BOUNDS, parts=lambda p: np.stack([ball(p) + 1, ball(p)], 1), box=BOUNDS * 2)


def stick(points: Float) -> Float:
    """A stick along z, thinner than the lattice's spacing, 0.6 long, and a ball at its end."""
    x, y, z = points.T
    radius = np.hypot(x - np.float32(0.01), y)
    parameter = np.float32(0.3) - np.linalg.norm(points + np.float32([0, 0, 0.3]), axis=1)
    return np.maximum(np.minimum(np.float32(0.015) - radius, np.float32(0.6) - np.abs(z)), parameter).astype(np.float32)


def test_a_network_that_changes_nothing_gives_the_hull_back_at_every_distance() -> None:
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (10_000, 3)).astype(np.float32)

    field = corrected(Says(0), {}, HULL, FILL_KNOWN, is_deep_known=True)

    assert np.allclose(field(points), ball(points), atol=1e-6)
    assert np.array_equal(field.bounds, HULL.bounds)


def test_a_correction_moves_the_surface_by_so_many_truncations() -> None:
    field = corrected(Says(0.5), {}, HULL, FILL_KNOWN, is_deep_known=True)

    grown = 0.7 + 0.5 * TRUNCATION / FILL_KNOWN
    assert field(np.array([[grown, 0, 0], [0, grown - 0.01, 0]], np.float32)) == pytest.approx([0, 0.01], abs=1e-5)


@pytest.mark.parametrize("more", [-3, 3])
def test_where_body_and_outline_meet_nothing_is_taken_off_or_added(more: float) -> None:
    thin = replace(HULL, parts=lambda p: np.stack([np.zeros(len(p), np.float32), ball(p)], 1))
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (1_000, 3)).astype(np.float32)

    class Body:
        def run(self, _: None, asks: Mapping[str, Float]) -> list[Any]:
            return [np.tile(np.array([0, more], np.float32), (TILE, 1))]

    field = corrected(Body(), {}, thin, FILL_KNOWN, is_deep_known=True)
    assert np.allclose(field(points), np.minimum(0, ball(points)), atol=1e-6)


def test_a_network_that_doubts_all_along_a_ray_leaves_the_likeliest_place() -> None:
    def outlines(p: Float) -> Float:
        return np.float32(0.7) - np.hypot(np.maximum(np.abs(p[:, 0]), np.abs(p[:, 2])), p[:, 1])

    round_hull = replace(HULL, parts=lambda p: np.stack([outlines(p), ball(p)], 1))
    doubtful = Says(-2, lambda p: p[:, 2] < 0.3 * FILL_DEEP)  # everywhere but in front

    field = corrected(doubtful, {}, round_hull, FILL_DEEP, is_deep_known=False)

    line = np.linspace(-0.7, 0.7, 141, dtype=np.float32)
    points = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    kept, hull = ((f(points) > 0).reshape(141, 141, 141) for f in (field, ball))
    lost = hull.any(axis=2) & ~kept.any(axis=2)
    assert lost.sum() < 0.25 * hull.any(axis=2).sum()  # between the nodes of a cliff
    assert kept.sum() < 0.6 * hull.sum()


def test_nothing_is_added_that_does_not_meet_the_hull() -> None:
    behind = Says(3, lambda p: np.linalg.norm(p - np.float32([0, 0, -0.45]), axis=1) < 0.06)
    at_all = Says(3, lambda p: np.linalg.norm(p - np.float32([0, 0, -0.35]), axis=1) < 0.1)
    line = np.stack([np.zeros(200), np.zeros(200), np.linspace(-0.75, -1.1, 200)], axis=1).astype(np.float32)

    assert (corrected(behind, {}, HULL, FILL_DEEP, is_deep_known=False)(line) < 0).all()
    assert (corrected(at_all, {}, HULL, FILL_DEEP, is_deep_known=False)(line) > 0).any()


def test_what_falls_between_the_nodes_is_left_alone() -> None:
    thin = replace(HULL, parts=lambda p: np.stack([stick(p) + np.float32(0.05), stick(p)], 1))
    z = np.linspace(0.05, 0.59, 50, dtype=np.float32)
    points = np.stack([np.full(50, 0.01, np.float32), np.zeros(50, np.float32), z], axis=1)

    field = corrected(Says(-2), {}, thin, FILL_KNOWN, is_deep_known=True)

    assert (field(points) > 0).all()


def test_the_tips_of_a_thing_stay_where_the_outlines_end() -> None:
    tight = replace(HULL, box=np.array([[-0.7] * 3, [0.7] * 3], np.float32))

    field = corrected(Says(-1), {}, tight, FILL_KNOWN, is_deep_known=True)

    tip, inner = 0.7 - 0.01, 0.7 - EDGE / FILL_KNOWN - 0.01
    assert field(np.array([[tip, 0, 0], [0, -tip, 0], [0, 0, tip]], np.float32)).min() > 0
    diagonal = np.array([[1, 1, 1]], np.float32) / np.sqrt(np.float32(3))
    assert field(diagonal * np.float32(inner)) < ball(diagonal * np.float32(inner))


def test_where_depth_is_a_guess_the_box_holds_what_the_network_adds() -> None:
    field = corrected(Says(3), {}, HULL, FILL_DEEP, is_deep_known=False)

    low, high = field.bounds
    assert high[2] > 0.7 + FAR * TRUNCATION / FILL_DEEP
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
