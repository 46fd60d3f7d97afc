# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Distances against scipy's exact transform."""

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from training.distance import REACH, STEPS, matte_distance, solid_distance
from training.objects import distance_at


def test_distances_of_a_solid_are_exact_to_half_a_step():
    solid = np.random.default_rng(0).random((2, 24, 24, 24)) < 0.02
    solid[1, 6:16, 4:20, 8:24] = True

    found = solid_distance(torch.from_numpy(solid)).numpy() / STEPS

    for one, distance in zip(solid, found, strict=True):
        inside = distance_transform_edt(np.pad(one, 1))[1:-1, 1:-1, 1:-1] - 0.5
        wanted = np.where(one, inside, 0.5 - distance_transform_edt(~one)).clip(0.5 - REACH, REACH - 0.5)
        assert np.abs(distance - wanted).max() <= 0.5 / STEPS + 1e-6


def test_distances_of_a_soft_disc_are_right_to_half_a_pixel():
    across = torch.arange(64) - 31.5
    truth = 20 - torch.hypot(across[:, None], across[None])  # (64, 64) pixels

    found = matte_distance((truth + 0.5).clamp(0, 1)[None], 8)[0]

    assert (found - truth.clamp(-8, 8))[truth.abs() < 7].abs().max() < 0.5
    assert ((found > 0) == (truth > 0)).all()


def test_points_between_voxels_and_beyond_the_grid_continue_the_distance():
    solid = torch.zeros((1, 128, 128, 128), dtype=torch.bool)
    solid[:, 64:] = True  # x > 0, up to the grid's side
    points = torch.tensor([[[-0.02, 0.0, 0.0], [0.013, 0.1, -0.2], [0.5, 0.0, 0.0], [0.52, 0.0, 0.0]]])

    found = distance_at(solid_distance(solid), points)[0]

    assert found.tolist() == pytest.approx([-2.56, 1.664, 0.0, -2.56], abs=0.04)
