# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How wrong a depth map is: the error, what the network expects of it, and the slopes.

Owns      the loss. Not here: the maps (`network`), the truth (`sample`).
"""

import torch
from torch import Tensor

from training.depth.network import Depth

ERROR, EXPECTED, SLOPE = 4.0, 0.05, 0.1  # weights
APART = 4  # pixels over which slopes are compared: the truth comes in steps of a voxel
JUMP = 0.05  # greater differences of depth are edges, which no slope describes


def depth_loss(found: Depth, truth: Tensor) -> Tensor:
    """Of `truth (b, 4, h, w)`, NaN where nothing is seen. An object counts by the root of its pixels."""
    is_seen = ~truth.isnan()
    truth = truth.nan_to_num(0.5)
    error = (found.depth - truth).abs() * is_seen
    # Laplace's distribution of the error, with the spread that the network says.
    expected = (error.detach() / found.spread + torch.log(found.spread)) * is_seen
    pixels = is_seen.sum((1, 2, 3)).clamp(min=1).float()
    share = pixels.sqrt() / pixels.sqrt().sum() / pixels  # of a pixel, by object
    each = ((ERROR * error + EXPECTED * expected).sum((1, 2, 3)) * share).sum()
    return each + SLOPE * sum(_slopes(found.depth, truth, is_seen, dim) for dim in (2, 3))


def _slopes(found: Tensor, truth: Tensor, is_seen: Tensor, dim: int) -> Tensor:
    """Mean difference of slopes along one axis, where the truth has no edge."""
    size = truth.shape[dim] - APART
    near, far = (lambda x: x.narrow(dim, 0, size)), (lambda x: x.narrow(dim, APART, size))
    rise = far(truth) - near(truth)
    counts = near(is_seen) & far(is_seen) & (rise.abs() < JUMP)
    return ((far(found) - near(found) - rise).abs().clamp(max=2 * JUMP) * counts).sum() / counts.sum().clamp(min=1)
