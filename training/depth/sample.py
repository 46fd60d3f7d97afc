# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What one step sees: stored objects turned, stretched, framed and spoilt, and the exact depth of every pixel.

Owns      the frame; pictures as users send them; depth labels in that frame.
Not here  stored objects (`store`), styles, mattes and light (`training.augment.spoil`), the hull's depth (`hulls`).

Frame: pictures show [-1, 1] x [-1, 1], depth runs over [-1, 1] too and is counted 0..1 from the camera. What the views
show fills FILL of it. Where neither side is given, the axis from front to back is squeezed to FLAT: depth may be twice
the width, and the picture keeps its pixels. The depth axis of view v is the column axis of view v + 1.

Errors of single views move the pictures only, so the network learns the solid that doubtful pictures mean.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.augment import spoil
from training.depth.hulls import FLAT
from training.depth.store import NONE
from training.objects import VOXELS

PIXELS = 128  # side of a picture
FILL = 0.9  # share of the frame that the longest side takes
# Chances of the sets of views, front left back right, that users send.
SETS = {
    (1, 1, 1, 1): 0.70, (1, 0, 0, 0): 0.12, (1, 1, 0, 0): 0.03, (1, 0, 0, 1): 0.03, (1, 0, 1, 0): 0.02,
    (1, 1, 1, 0): 0.04, (1, 0, 1, 1): 0.04, (1, 1, 0, 1): 0.02,
}  # fmt: skip


@dataclass(frozen=True)
class Pose:
    """How each object is turned, framed and shown. Frame coordinates are `scale` times the turned object's."""

    turn: Tensor  # (b,) quarter turns
    mirror: Tensor  # (b,) bool, in x, after the turn
    scale: Tensor  # (b, 3)
    given: Tensor  # (b, 4) bool, views that are shown


@dataclass(frozen=True)
class Sample:
    """Pictures and truth."""

    pictures: Tensor  # (b, 4, 4, 128, 128) 0..1, straight colours and matte; empty where a view is missing
    depth: Tensor  # (b, 4, 128, 128) 0..1 from the camera, NaN where nothing is seen
    longest: Tensor  # (b,) the object's longest side, as a share of the frame's depth


def draw(objects: tuple[Tensor, Tensor, Tensor], generator: torch.Generator) -> Sample:
    """One sample of each of the `objects`: pictures, first surfaces, halves."""
    pictures, first, half = objects
    pose = draw_pose(half, generator)
    seen = spoil(posed_pictures(pictures, pose, generator), generator)
    return _sample(seen, first, half, pose)


def plain(objects: tuple[Tensor, Tensor, Tensor], given: tuple[int, ...]) -> Sample:
    """The objects as they are, shown by the views that are `given`."""
    pictures, first, half = objects
    b, device = len(half), half.device
    still = torch.zeros(b, dtype=torch.int64, device=device), torch.zeros(b, dtype=torch.bool, device=device)
    views = torch.tensor(given, device=device).bool().expand(b, 4)
    pose = Pose(*still, _scale(half, views, torch.ones((b, 3), device=device), FILL), views)
    return _sample(posed_pictures(pictures, pose, None), first, half, pose)


def _sample(seen: Tensor, first: Tensor, half: Tensor, pose: Pose) -> Sample:
    sides = _turned(half, pose.turn) * pose.scale
    return Sample(seen * pose.given[:, :, None, None, None], posed_depth(first, pose), sides.amax(1))


def draw_pose(half: Tensor, generator: torch.Generator) -> Pose:
    """Random ones for boxes of `half (b, 3)`."""
    b, device = len(half), half.device

    def rand(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).to(device)

    turn = torch.randint(4, (b,), generator=generator).to(device) * (rand(b) < 0.3)
    stretch = 1 + (rand(b, 3) - 0.5) * 0.5 * (rand(b, 1) < 0.7)
    chances = torch.tensor(list(SETS.values()))
    given = torch.tensor(list(SETS))[torch.multinomial(chances, b, True, generator=generator)].bool().to(device)
    fill = FILL + (rand(b) - 0.75) * 0.1
    return Pose(turn, rand(b) < 0.5, _scale(_turned(half, turn), given, stretch, fill), given)


def _turned(half: Tensor, turn: Tensor) -> Tensor:
    return torch.where((turn % 2 == 1)[:, None], half.flip(1), half)


def _scale(half: Tensor, given: Tensor, stretch: Tensor, fill: Tensor | float) -> Tensor:
    """`(b, 3)` such that the longest side that the given views show fills what it should."""
    sides, is_deep_known = half * stretch, given[:, 1] | given[:, 3]
    longest = torch.where(is_deep_known, sides.amax(1), sides[:, :2].amax(1))
    scale = stretch * (fill / longest)[:, None]
    flat = torch.where(is_deep_known, 1.0, FLAT)
    return torch.cat([scale[:, :2], scale[:, 2:] * flat[:, None]], dim=1)


def posed_pictures(pictures: Tensor, pose: Pose, generator: torch.Generator | None) -> Tensor:
    """`(b, 4, 4, 160, 160) uint8`, premultiplied -> `(b, 4, 4, 128, 128)` 0..1, straight; with a generator, each view
    a bit off."""
    b, device = len(pictures), pictures.device
    rgba = pictures[torch.arange(b, device=device)[:, None], _order(pose)].flatten(0, 1).float() / 255
    scale = 1 / torch.stack([_across(pose), pose.scale[:, 1:2].expand(b, 4)], dim=2) * 2  # stored ones span +-0.5
    scale[..., 0] *= torch.where(pose.mirror, -1, 1)[:, None]
    line = (torch.arange(PIXELS, device=device) + 0.5) * 2 / PIXELS - 1
    base = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=2)[None]
    if generator is not None:
        base = base + _errors(b, base, generator)
    warped = F.grid_sample(rgba, base * scale.reshape(4 * b, 1, 1, 2), align_corners=False)
    return torch.cat([warped[:, :3] / warped[:, 3:].clamp(min=1e-3), warped[:, 3:]], dim=1).unflatten(0, (b, 4))


def _order(pose: Pose) -> Tensor:
    """Which stored view `(b, 4)` each view shows."""
    view = torch.arange(4, device=pose.turn.device)
    return (torch.where(pose.mirror[:, None], -view, view) - pose.turn[:, None]) % 4


def _across(pose: Pose) -> Tensor:
    """The scale of each view's columns `(b, 4)`; the next view's is that of its depth."""
    return pose.scale[:, [0, 2, 0, 2]]


def _errors(b: int, base: Tensor, generator: torch.Generator) -> Tensor:
    """How far off each pixel looks `(4b, 128, 128, 2)`: shift, scale and a slow warp, by view. Three quarters of the
    objects are exact, as rendered sets are."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(base.device)

    strength = (torch.rand((b, 1, 1), generator=generator) * 4 - 3).clamp(min=0).repeat_interleave(4, 0).to(base.device)
    shift, grow = 0.025 * normal(4 * b, 2), 0.03 * normal(4 * b, 1) + 0.012 * normal(4 * b, 2)
    warp = F.interpolate(0.02 * normal(4 * b, 2, 5, 5), size=(PIXELS, PIXELS), mode="bicubic", align_corners=True)
    off = warp.permute(0, 2, 3, 1) + shift[:, None, None] + grow[:, None, None] * base
    return off * strength[..., None]


def posed_depth(first: Tensor, pose: Pose) -> Tensor:
    """`(b, 4, 128, 128) uint8` of the stored views -> depth 0..1 in the frame, NaN where nothing is seen."""
    b, device = len(first), first.device
    view, middle = _order(pose), (torch.arange(PIXELS, device=device) + 0.5) * 2 / PIXELS - 1
    across, deep = _across(pose), _across(pose).roll(-1, 1)
    side = torch.where(pose.mirror, -1.0, 1.0)[:, None, None]
    column = _voxel(side * middle / across[..., None])  # (b, 4, 128)
    row = _voxel(middle / pose.scale[:, 1:2])[:, None]  # (b, 1, 128), downward
    place = ((view[..., None, None] * VOXELS + row.clamp(0, VOXELS - 1)[..., None]) * VOXELS) + column.clamp(
        0, VOXELS - 1
    )[..., None, :]
    found = first.reshape(b, -1).gather(1, place.flatten(1)).reshape(b, 4, PIXELS, PIXELS)
    is_in = ((row >= 0) & (row < VOXELS))[..., None] & ((column >= 0) & (column < VOXELS))[..., None, :]
    depth = ((found.float() / VOXELS - 0.5) * deep[..., None, None] + 1) / 2
    is_seen = (found != NONE) & is_in & (depth > 0) & (depth < 1)
    return torch.where(is_seen, depth, torch.nan)


def _voxel(at: Tensor) -> Tensor:
    """Which voxel of 128 a coordinate of the cube [-0.5, 0.5] falls in."""
    return ((at + 0.5) * VOXELS).floor().long()
