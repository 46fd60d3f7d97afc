# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The way from files to the network's pictures: the house's framing gives what the network was trained on."""

import numpy as np
import pytest
import torch
from lopsided import odd_one
from training.augment import plain_pose, posed_pictures
from training.evaluate import SIDES, box, network_pictures
from training.network import FILL_DEEP, FILL_KNOWN

from fourview.views.framing import frame
from fourview.views.view import Picture


@pytest.mark.parametrize(
    ("given", "fill"), [((1, 1, 1, 1), FILL_KNOWN), ((1, 0, 0, 1), FILL_KNOWN), ((1, 0, 1, 0), FILL_DEEP)]
)
def test_framed_pictures_are_those_of_the_training(given, fill):
    one = odd_one()
    rgba = one.pictures[0].permute(0, 2, 3, 1).numpy()
    pictures = [
        Picture(n, p[..., :3], p[..., 3] / np.float32(255)) for n, p, g in zip(SIDES, rgba, given, strict=True) if g
    ]

    views, _ = frame(pictures, [p.alpha for p in pictures])
    found = network_pictures(views, fill)

    pose = plain_pose(one.half, given)
    wanted = (posed_pictures(one.pictures, pose, None) * pose.given[:, :, None, None, None])[0].numpy()
    assert np.abs(found[:, 3] - wanted[:, 3]).mean() < 0.003
    both = (found[:, 3] > 0.9) & (wanted[:, 3] > 0.9)
    assert np.abs(found - wanted)[:, :3].transpose(0, 2, 3, 1)[both].mean() < 0.03


def test_the_fields_box_holds_the_solid_and_leaves_unknown_depth_open():
    one = odd_one()
    full, flat = (plain_pose(one.half, given) for given in ((1, 1, 1, 1), (1, 0, 0, 0)))

    known = box(posed_pictures(one.pictures, full, None)[0].numpy())
    open_ = box(
        (posed_pictures(one.pictures, flat, None) * torch.tensor([1.0, 0, 0, 0])[:, None, None, None])[0].numpy()
    )

    half = (one.half * full.zoom)[0].numpy()
    assert (known[0] < -half).all()
    assert (known[1] > half).all()
    assert (known[1] < half + 0.1).all()
    assert open_[:, 2].tolist() == [-1, 1]
