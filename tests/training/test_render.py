# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Made-up objects: pictures and distances show the same thing, in the frame of CONVENTIONS.md."""

import pytest
import torch
from lopsided import CPU, odd_one, overlap, shadow
from training.objects import FILL, PIXELS, VOXELS
from training.render import made_up


def outline(pictures, view):
    """The alpha of a picture on the voxels' own grid `(128, 128) bool`."""
    at = ((torch.arange(VOXELS) + 0.5) / VOXELS - 0.5) * FILL * 2
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=2)[None]
    alpha = pictures[view, 3].float()[None, None]
    return torch.nn.functional.grid_sample(alpha, grid, align_corners=False)[0, 0] >= PIXELS / 2


@pytest.mark.parametrize("seed", [0, 1, 3, 8])
def test_every_picture_is_the_shadow_of_the_volume(seed):
    made = made_up(seed, CPU)

    for view in range(4):
        assert overlap(outline(made.pictures[0], view), shadow(made.distance[0] > 0, view)) > 0.95


def test_the_nose_points_to_the_left_edge_of_the_left_picture():
    pictures = odd_one().pictures[0].float()  # (4, 4, 256, 256)
    red = (pictures[:, 0] - pictures[:, 1] > 30) & (pictures[:, 3] > 200)
    green = (pictures[:, 1] - pictures[:, 0] > 30) & (pictures[:, 3] > 200)

    def middle(mask):
        return mask.nonzero()[:, 1].float().mean()

    assert middle(red[1]) < 100
    assert middle(red[3]) > 156
    assert middle(green[0]) > 156  # the subject's own left is +X, the picture's right
    assert middle(green[2]) < 100
    assert green[1].sum() > 4 * green[3].sum()  # the arm hides nothing on the other side, and is hidden there


def test_the_longest_side_fills_its_share_and_the_box_is_known():
    made = odd_one()

    rows = (made.pictures[0, 0, 3] >= 128).any(1).nonzero()[:, 0]

    assert made.half.amax().item() == pytest.approx(0.5)
    assert rows.max() + 1 - rows.min() == pytest.approx(2 * made.half[0, 1].item() * FILL * PIXELS, abs=2)


def test_a_number_always_makes_the_same_object():
    one, same, other = made_up(5, CPU), made_up(5, CPU), made_up(6, CPU)

    assert (one.pictures == same.pictures).all()
    assert (one.distance == same.distance).all()
    assert (one.pictures != other.pictures).any()


def test_a_shape_too_thin_to_be_seen_gives_way_to_another():
    made = made_up(1_049_423, CPU)

    assert (made.distance > 0).any()
    assert (made.pictures[0, :, 3] > 0).flatten(1).any(1).all()
