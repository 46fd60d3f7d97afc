# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Distances to an outline or a surface, exact up to a reach, with nothing but shifts and minima.

Owns      the squared distance transform, signed distances of solids (3-D) and of mattes (2-D).
Not here  where distances are needed (`objects`, `network`).

The squared distance is separable: along each axis in turn, min over |d| <= reach of f(x + d) + d^2 (P. Felzenszwalb
and D. Huttenlocher, "Distance transforms of sampled functions", 2012; here by trying every d, which suits a GPU, an
ONNX graph and a small reach). Where the result is at most reach^2 it is exact.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 8  # voxels up to which distances of solids are known; farther ones are cut to REACH - 0.5
STEPS = 16  # parts of a voxel that the stored int8 counts


def squared_distance(is_target: Tensor, dims: tuple[int, ...], reach: int, dtype: torch.dtype) -> Tensor:
    """Squared distance, in cells, to the nearest target along `dims` of `is_target (b, ..) bool`; capped beyond."""
    cap = reach**2 + 2 * reach + 1
    squared = torch.where(is_target, 0, cap).to(dtype)
    for dim in dims:
        size = squared.shape[dim]
        sides = [0, 0] * (squared.ndim - 1 - dim % squared.ndim) + [reach, reach]
        padded = F.pad(squared, sides, value=cap)
        for step in range(-reach, reach + 1):
            if step:
                squared = torch.minimum(squared, padded.narrow(dim, reach + step, size) + step**2)
    return squared


def solid_distance(solid: Tensor) -> Tensor:
    """`(b, r, r, r) bool` -> `(b, r, r, r) int8`: sixteenths of a voxel, positive inside, cut at +-(REACH - 0.5).

    Distances run between middles of voxels and the surface lies half way; outside of the grid is empty.
    """
    padded = F.pad(solid, (1,) * 6)
    apart = [
        squared_distance(target, (1, 2, 3), REACH, torch.uint8)[:, 1:-1, 1:-1, 1:-1].clamp(max=REACH**2)
        for target in (~padded, padded)
    ]
    root = torch.arange(REACH**2 + 1, device=solid.device).sqrt()
    signed = torch.cat([(root - 0.5) * STEPS, (0.5 - root) * STEPS]).round().to(torch.int8)
    return torch.where(solid, signed[apart[0].int()], signed[apart[1].int() + REACH**2 + 1])


def matte_distance(matte: Tensor, reach: int) -> Tensor:
    """`(b, h, w) float` 0..1 -> signed pixels to the outline, positive inside, cut at about +-reach.

    Next to the outline the soft matte tells the part of a pixel.
    """
    solid = matte >= 0.5
    inside, outside = (squared_distance(t, (1, 2), reach, matte.dtype).clamp(max=reach**2) for t in (~solid, solid))
    whole = torch.where(solid, torch.sqrt(inside) - 0.5, 0.5 - torch.sqrt(outside))
    return torch.where(whole.abs() <= 0.5, matte - 0.5, whole)
