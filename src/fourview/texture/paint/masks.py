# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Which tokens of different views lie near each other on the surface: an option of the turbo sampler, off by default.

Owns      masks from position maps. Not here: their use (`block`).

Whether the turbo weights were trained with them is not known: the published program computes them and drops them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

NEAR = 1.73  # cells: the diagonal of a cube
LEAST_PIXELS = 5  # of a cell on the surface; with fewer its position is 0


def near_masks(positions: Tensor, grids: Sequence[int]) -> dict[int, Tensor]:
    """By the number of tokens `n g g`: `(n g g, n g g) bool`, true where two cells are near each other.

    `positions (n, 3, s, s)`: position maps 0..1, 1 where nothing is; `grids`: cells along a side at each level.
    """
    masks = {}
    views, _, side, _ = positions.shape
    valid = (positions != 1).all(dim=1, keepdim=True).float()
    for grid in grids:
        step = side // grid
        shape = (views, -1, grid, step, grid, step)
        count = valid.reshape(shape).sum(dim=(3, 5))
        total = (positions * valid).reshape(shape).sum(dim=(3, 5))
        place = torch.where(count >= LEAST_PIXELS, total / count.clamp(min=1), 0)
        flat = place.permute(0, 2, 3, 1).reshape(-1, 3)
        masks[len(flat)] = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist") < NEAR / grid
    return masks
