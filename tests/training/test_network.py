# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The network before it learns anything: it is its base; in the right frame; it ignores what is not there."""

from dataclasses import replace

import pytest
import torch
from lopsided import odd_one
from training.augment import plain_pose, posed_pictures
from training.base import base_of
from training.export import fetch
from training.network import FINE, SHIPPED, Network, NetworkParams, count_parameters
from training.smoke import TINY

from fourview.shape.mini.frame import CELLS, LIMIT


def awake(params=TINY):
    """A network whose answers depend on everything: new ones end in zeros."""
    torch.manual_seed(0)
    network = Network(params).eval().requires_grad_(False)
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def shown(given):
    one = odd_one()
    pose = plain_pose(one.half, given)
    return posed_pictures(one.pictures, pose, None) * pose.given[:, :, None, None, None]


def says(network, pictures, points, base=None):
    base = base or base_of(pictures, points)
    return network.value(network.encode(pictures, base.volume), points, base.points)


def test_a_new_network_is_the_hull():
    pictures, network = shown((1, 1, 1, 1)), Network(TINY).eval()
    points = torch.rand((1, 2000, 3), generator=torch.Generator().manual_seed(0)) * 2 - 1

    with torch.no_grad():
        found = says(network, pictures, points)

    assert torch.equal(found, base_of(pictures, points).points.amin(-1).clamp(-1, 1))


def test_far_outside_the_hull_nothing_is_added():
    pictures, points = shown((1, 1, 1, 1)), torch.rand((1, 500, 3)) * 2 - 1
    base = base_of(pictures, points)

    found = says(awake(), pictures, points, base)

    hull = base.points.amin(-1)
    is_far = hull == -LIMIT
    assert is_far.any()
    assert (found[is_far] == -1).all()
    assert (found[~is_far] != hull[~is_far].clamp(-1, 1)).all()


def test_colours_beyond_the_matte_and_of_missing_views_do_not_matter():
    network = awake()
    pictures = shown((1, 1, 0, 0))
    painted = torch.where(
        pictures[:, :, 3:] > 0, pictures, torch.rand(pictures.shape) * torch.tensor([1, 1, 1, 0.0])[:, None, None]
    )
    points = torch.rand((1, 500, 3)) * 2 - 1

    base = base_of(pictures, points)
    plain, other = (says(network, p, points, base) for p in (pictures, painted))

    assert torch.equal(plain, other)


def test_every_view_that_is_there_matters():
    network = awake()
    points = torch.rand((1, 500, 3)) * 2 - 1
    base = base_of(shown((1, 1, 1, 1)), points)
    answers = [says(network, shown(g), points, base) for g in ((1, 1, 1, 1), (1, 1, 1, 0), (1, 1, 0, 1))]

    assert all((answers[0] - other).abs().max() > 1e-3 for other in answers[1:])


def test_a_value_does_not_depend_on_the_other_objects_of_a_batch():
    network = awake()
    pictures = torch.cat([shown((1, 1, 1, 1)), shown((1, 0, 0, 0))])
    points = torch.rand((2, 300, 3)) * 2 - 1

    both = says(network, pictures, points)
    alone = says(network, pictures[1:], points[1:])

    assert torch.allclose(both[1:], alone, atol=1e-5)


def test_where_the_hull_is_in_the_coarse_volume_matters():
    network = awake()
    pictures, points = shown((1, 1, 1, 1)), torch.rand((1, 300, 3)) * 2 - 1
    base = base_of(pictures, points)

    plain = says(network, pictures, points, base)
    other = says(network, pictures, points, replace(base, volume=base.volume.flip(3)))

    assert (plain - other).abs().max() > 1e-3


def test_rows_are_fetched_as_grids_are_sampled():
    generator = torch.Generator().manual_seed(0)
    volume = torch.randn((1, 5, CELLS, CELLS, CELLS), generator=generator)
    points = torch.rand((200, 3), generator=generator) * 2.2 - 1.1

    sampled = torch.nn.functional.grid_sample(
        volume, points[None, :, None, None], padding_mode="border", align_corners=False
    )
    x, y, z = points.unbind(1)
    fetched = fetch(volume[0].flatten(1).T, (z, y, x), (CELLS, CELLS, CELLS))

    assert torch.allclose(fetched, sampled[0, :, :, 0, 0].T, atol=1e-5)


@pytest.mark.parametrize("params", [SHIPPED, FINE])
def test_the_sizes_keep_to_their_budget(params: NetworkParams):
    network = Network(params)
    width = network.point[0].in_features

    assert 4 * count_parameters(network) <= 12e6  # bytes as float32
    assert 10 * count_parameters(network) < 16e6  # bytes of a checkpoint
    assert 2 * (width * params.point + params.point**2 + params.point) <= 100e3  # operations a point
