# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Objects that stay where they are trained on: four pictures and the distances to the surface, of each.

Owns      the arrays of a batch (`Objects`), the signed distance at any point, and the frame they live in.
Not here  reading the pack (`pack`), making shapes up (`procedural`), what is done to pictures (`augment`).

The frame is the pack's: longest side 1, box centred on the origin, +Y up, facing +Z; length 1 is FILL of a picture.
Views in the order front, left, back, right, as CONVENTIONS.md draws them.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from training.distance import STEPS

PIXELS = 256  # side of a picture
VOXELS = 128  # cells along each axis of the cube [-0.5, 0.5]^3
FILL = 0.85  # share of a picture that the longest side takes
NEAR = 32768  # voxels beside the surface that are remembered
NEAR_VOXELS = 1.6  # how far from the surface they lie at most


@dataclass(frozen=True)
class Objects:
    """A batch. `distance` counts sixteenths of a voxel, [x, y, z], positive inside; `near` are flat voxel numbers."""

    pictures: Tensor  # (b, 4 views, 4 rgba, 256, 256) uint8, straight alpha
    distance: Tensor  # (b, 128, 128, 128) int8
    near: Tensor  # (b, NEAR) int32
    half: Tensor  # (b, 3) float32, half the sides of the box

    def __getitem__(self, index: Tensor) -> "Objects":
        return Objects(*(getattr(self, field.name)[index] for field in fields(self)))

    @staticmethod
    def empty(count: int, device: torch.device) -> "Objects":
        """Room for `count` objects; not filled."""
        return Objects(
            torch.empty((count, 4, 4, PIXELS, PIXELS), dtype=torch.uint8, device=device),
            torch.empty((count, VOXELS, VOXELS, VOXELS), dtype=torch.int8, device=device),
            torch.empty((count, NEAR), dtype=torch.int32, device=device),
            torch.empty((count, 3), device=device),
        )

    @staticmethod
    def joined(parts: list["Objects"]) -> "Objects":
        """One batch after the other."""
        return Objects(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Objects)))


def near_surface(distance: Tensor, generator: torch.Generator) -> Tensor:
    """`NEAR` random voxels `(NEAR,) int32` beside the surface of one object `(r, r, r) int8`."""
    found = torch.nonzero(distance.flatten().abs() <= NEAR_VOXELS * STEPS).squeeze(1)
    pick = torch.rand(NEAR, generator=generator).to(distance.device) * len(found)
    return found[pick.long().clamp(max=len(found) - 1)].int()


def distance_at(distance: Tensor, points: Tensor) -> Tensor:
    """Signed distances `(b, n)` in voxels at `points (b, n, 3)` of the object's frame, interpolated; positive inside.

    `distance (b, r, r, r) int8`. Beyond the grid, the way to it is taken off.
    """
    b, size = len(distance), distance.shape[-1]
    at = (points + 0.5) * size - 0.5  # voxel [0, 0, 0] has its middle at 0
    inside = at.clamp(0, size - 1)
    low = inside.floor().clamp(max=size - 2)
    share = inside - low
    flat = distance.reshape(b, -1)
    corner = (low[..., 0] * size + low[..., 1]) * size + low[..., 2]
    value = torch.zeros_like(corner)
    for i in (0, 1):
        for j in (0, 1):
            for k in (0, 1):
                weight = torch.stack([s if c else 1 - s for s, c in zip(share.unbind(-1), (i, j, k), strict=True)])
                index = corner.long() + (i * size + j) * size + k
                value += weight.prod(0) * flat.gather(1, index)
    return value / STEPS - (at - inside).norm(dim=-1)
