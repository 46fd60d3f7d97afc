# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What is scored is what the pack says: a voxel is solid or it is not."""

import torch
from training.distance import solid_distance
from training.objects import VOXELS, distance_at
from training.validate import POINTS, middles


def test_the_truth_at_scored_points_is_the_voxel_itself():
    solid = torch.rand((1, VOXELS, VOXELS, VOXELS), generator=torch.Generator().manual_seed(1)) < 0.5
    points = middles()
    x, y, z = ((points + 0.5) * VOXELS - 0.5).round().long().T

    assert len(points) == POINTS
    assert torch.equal(distance_at(solid_distance(solid), points[None])[0] > 0, solid[0, x, y, z])
