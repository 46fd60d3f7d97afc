# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What the network is trained on is what the engine feeds it: the same pictures, and the same hull beneath them."""

import numpy as np
import pytest
import torch
from lopsided import odd_one
from training.augment import plain_pose, posed_pictures, posed_value
from training.base import Bases, base_of

from fourview.shape.hull import hull
from fourview.shape.mini.encoder import network_pictures
from fourview.shape.mini.frame import CELLS, FILL_DEEP, FILL_KNOWN, LIMIT, cells, fill_of, hull_parts
from fourview.views.camera import AZIMUTH_DEG
from fourview.views.framing import frame
from fourview.views.view import Picture

SETS = [((1, 1, 1, 1), FILL_KNOWN), ((1, 0, 0, 1), FILL_KNOWN), ((1, 0, 1, 0), FILL_DEEP)]


def framed(one, given):
    """The views of an object, as the pipeline makes them of its pictures."""
    rgba = one.pictures[0].permute(0, 2, 3, 1).numpy()
    pictures = [
        Picture(name, p[..., :3], p[..., 3] / np.float32(255))
        for name, p, is_given in zip(AZIMUTH_DEG, rgba, given, strict=True)
        if is_given
    ]
    return frame(pictures, [p.alpha for p in pictures])[0]


def shown(one, given):
    pose = plain_pose(one.half, given)
    return pose, posed_pictures(one.pictures, pose, None) * pose.given[:, :, None, None, None]


def random_points(count):
    return torch.rand((1, count, 3), generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8


@pytest.mark.parametrize(("given", "fill"), SETS)
def test_framed_pictures_are_those_of_the_training(given, fill):
    one = odd_one()
    views = framed(one, given)

    found = network_pictures(views, fill)

    wanted = shown(one, given)[1][0].numpy()
    assert fill_of(view.name for view in views) == fill
    assert np.abs(found[:, 3] - wanted[:, 3]).mean() < 0.003
    both = (found[:, 3] > 0.9) & (wanted[:, 3] > 0.9)
    assert np.abs(found - wanted)[:, :3].transpose(0, 2, 3, 1)[both].mean() < 0.03


@pytest.mark.parametrize(("given", "fill"), SETS)
def test_the_base_is_the_engines_hull_at_coarser_pixels(given, fill):
    one, points = odd_one(), random_points(4000)

    found = base_of(shown(one, given)[1], points).points[0].numpy()

    wanted = hull_parts(hull(framed(one, given)), points[0].numpy(), fill).clip(-LIMIT, LIMIT)
    assert np.abs(found - wanted).mean() < 0.1  # truncations; another frame or side would give 1
    assert ((found > 0) == (wanted > 0)).mean(axis=0).min() > 0.99


def test_the_coarse_volume_has_the_parts_of_its_cells():
    one = odd_one()
    pose, pictures = shown(one, (1, 1, 1, 1))
    points = torch.from_numpy(cells())[None]

    base = base_of(pictures, points)

    assert torch.equal(base.points[0], base.volume.flatten(0, 3))
    assert base.volume.shape == (1, CELLS, CELLS, CELLS, 2)
    truth = posed_value(one.distance, pose, points).reshape(base.volume.shape[:-1]) > 0.3
    assert (base.volume[truth].amin(-1) > 0).float().mean() > 0.9


def test_a_sample_without_a_front_is_empty_and_harmless():
    base = base_of(torch.zeros((1, 4, 4, 256, 256)), random_points(10))

    assert (base.points == -LIMIT).all()


def test_other_processes_say_the_same():
    one, points = odd_one(), random_points(500)
    _, pictures = shown(one, (1, 1, 0, 0))

    elsewhere = Bases(1)
    found = elsewhere.start(pictures, points)()
    elsewhere.close()

    here = base_of(pictures, points)
    assert torch.equal(found.points, here.points)
    assert torch.equal(found.volume, here.volume)
