# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What is exact stays exact: pictures, points and distances of one pose belong together."""

from dataclasses import replace

import pytest
import torch
from lopsided import odd_one, overlap, shadow
from training.augment import SETS, chosen, draw, draw_pose, plain_pose, posed, posed_pictures, posed_value, unposed

from fourview.shape.mini.frame import FILL_DEEP, FILL_KNOWN

LINE = (torch.arange(96) + 0.5) / 48 - 1  # pixels, and cells, of the network's frame
CUBE = torch.cartesian_prod(LINE, LINE, LINE)[None]


def poses(half):
    plain = plain_pose(half, (1, 1, 1, 1))
    yield "plain", plain
    for k in (1, 2, 3):
        yield f"turn {k}", replace(plain, turn=plain.turn + k)
    yield "mirror", replace(plain, mirror=~plain.mirror)
    yield "stretch", replace(plain, stretch=torch.tensor([[1.15, 0.9, 0.85]]), zoom=plain.zoom * 0.9)
    yield "all", replace(plain, turn=plain.turn + 1, mirror=~plain.mirror, stretch=torch.tensor([[0.85, 1.0, 1.1]]))


def test_posed_pictures_are_the_shadows_of_the_posed_solid():
    one = odd_one()

    for name, pose in poses(one.half):
        pictures = posed_pictures(one.pictures, pose, None)
        solid = (posed_value(one.distance, pose, CUBE) > 0).reshape(96, 96, 96)
        for view in range(4):
            alpha = torch.nn.functional.interpolate(pictures[:, view, 3:], size=(96, 96), mode="area")[0, 0]
            assert overlap(alpha >= 0.5, shadow(solid, view)) > 0.93, (name, view)


def test_a_quarter_turn_is_the_one_of_the_packs_readme():
    one = odd_one()
    pose = replace(plain_pose(one.half, (1, 1, 1, 1)), turn=torch.tensor([1]))
    turned = replace(one, distance=one.distance.permute(0, 3, 2, 1).flip(3))

    same = posed_value(turned.distance, plain_pose(one.half, (1, 1, 1, 1)), CUBE)

    assert torch.allclose(posed_value(one.distance, pose, CUBE), same, atol=1e-4)
    pictures = posed_pictures(one.pictures, pose, None)
    plain = posed_pictures(one.pictures[:, [3, 0, 1, 2]], plain_pose(one.half, (1, 1, 1, 1)), None)
    assert torch.equal(pictures, plain)


def test_points_come_back_from_every_pose():
    points = torch.rand((16, 50, 3)) * 2 - 1
    pose = draw_pose(torch.rand((16, 3)) * 0.4 + 0.1, torch.Generator().manual_seed(0))

    assert torch.allclose(posed(unposed(points, pose), pose), points, atol=1e-5)


def test_missing_views_are_empty_and_the_front_never_misses():
    one = odd_one()
    many = one[torch.zeros(24, dtype=torch.int64)]

    sample = draw(many, 64, torch.Generator().manual_seed(3))

    seen = sample.pictures[:, :, 3].amax((2, 3)) > 0  # (24, 4)
    assert seen[:, 0].all()
    assert {tuple(row) for row in seen.int().tolist()} <= set(SETS)
    assert (sample.pictures.amax((2, 3, 4)) > 0).eq(seen).all()
    assert sample.pictures.min() >= 0
    assert sample.pictures.max() <= 1


@pytest.mark.parametrize(("given", "fill"), [((1, 1, 0, 0), FILL_KNOWN), ((1, 0, 1, 0), FILL_DEEP)])
def test_the_longest_side_that_shows_fills_what_the_network_expects(given, fill):
    half = torch.tensor([[0.2, 0.3, 0.5]])
    known = half[0, 2] if given[1] else half[0, 1]

    assert (plain_pose(half, given).zoom * known).item() == pytest.approx(fill)


def test_the_same_generator_draws_the_same_sample():
    one = odd_one()

    first, second = (draw(one, 100, torch.Generator().manual_seed(9)) for _ in range(2))

    assert torch.equal(first.pictures, second.pictures)
    assert torch.equal(first.value, second.value)


def test_points_plainly_outside_of_the_outlines_come_last():
    inside = torch.tensor([[0.3, -3.0, -0.4, -0.6, 2.0], [-3.0, -3.0, -3.0, 0.1, -0.6]])
    hull = torch.stack([inside, inside.flip(1)], dim=2)

    assert chosen(hull, 4).tolist() == [[0, 2, 4, 1], [3, 0, 1, 2]]
