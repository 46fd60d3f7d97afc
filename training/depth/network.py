# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The depth network: a 2-D U-Net that all views share, and attention along the rows that they share.

Owns      what it sees of pictures and hull (`seen`), the layers and their sizes, what its numbers mean.
Not here  the frame (`sample`), the hull's depth (`hulls`), how it is trained (`train`).

All cameras are level and orthographic, so what one view shows in a row, the others show in the same row: pixels of one
row, of all four views, attend to each other. U-Net: O. Ronneberger et al., 2015; attention: A. Vaswani et al., 2017;
along one axis: H. Wang et al., "Axial-DeepLab", ECCV 2020; pixel shuffle: W. Shi et al., CVPR 2016.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.depth.hulls import CELLS
from training.depth.sample import PIXELS

INPUTS = 16  # channels of `seen`
EROSIONS = 8


@dataclass(frozen=True)
class NetworkParams:
    """Channels at 64, 32, 16 and 8 pixels, and at 128 just before the output."""

    widths: tuple[int, ...] = (24, 48, 96, 160)
    last: int = 12


@dataclass(frozen=True)
class Depth:
    """`depth (b, 4, 128, 128)` 0..1 from the camera; `spread`, the mean error that the network expects."""

    depth: Tensor
    spread: Tensor


class Block(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(4, c)
        self.first, self.second = nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c, h, w)` -> the same."""
        return x + self.second(F.silu(self.first(F.silu(self.norm(x)))))


class Rows(nn.Module):
    """Attention among the pixels of a row of all four views. `side` is the maps' side, pixels."""

    def __init__(self, c: int, side: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(4, c)
        self.place = nn.Parameter(torch.randn(4 * side, c) * 0.1)
        self.ask, self.answer = nn.Linear(c, 3 * c), nn.Linear(c, c)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(4b, c, h, w)`, views of one object next to each other -> the same."""
        n, c, h, w = x.shape
        rows = self.norm(x).reshape(n // 4, 4, c, h, w).permute(0, 3, 1, 4, 2).reshape(n // 4 * h, 4 * w, c)
        asked = self.ask(rows + self.place).reshape(-1, 4 * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(asked[0], asked[1], asked[2]).transpose(1, 2).reshape(-1, 4 * w, c)
        found = self.answer(found).reshape(n // 4, h, 4, w, c).permute(0, 2, 4, 1, 3)
        return x + found.reshape(n, c, h, w)


class Network(nn.Module):
    """Pictures and the hull's depth in, depth and its uncertainty out."""

    def __init__(self, params: NetworkParams) -> None:
        super().__init__()
        self.params = params
        fine, half, quarter, _ = params.widths
        self.stem = nn.Conv2d(INPUTS, fine, 4, stride=2, padding=1)
        self.view = nn.Parameter(torch.randn(4, fine) * 0.1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(params.widths))
        self.before = nn.ModuleList(Block(c) for c in params.widths[1:])
        self.after = nn.ModuleList(Block(c) for c in params.widths)
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(params.widths))
        self.rows = nn.ModuleDict(
            {
                "32 down": Rows(half, 32, 2), "16 down": Rows(quarter, 16, 4), "8": Rows(params.widths[3], 8, 4),
                "16 up": Rows(quarter, 16, 4), "32 up": Rows(half, 32, 2),
            }
        )  # fmt: skip
        self.finer = nn.Conv2d(fine, 4 * params.last, 1)
        self.beside = nn.Conv2d(INPUTS, params.last, 1)
        self.smooth = nn.Conv2d(params.last, params.last, 3, padding=1)
        self.says = nn.Conv2d(params.last, 3, 1)
        self.doubts = nn.Sequential(nn.Conv2d(params.last, params.last, 1), nn.SiLU(), nn.Conv2d(params.last, 1, 1))
        for layer in (self.says, self.doubts[-1]):
            nn.init.zeros_(layer.weight)
        with torch.no_grad():
            self.says.bias.copy_(torch.tensor([-2.0, 0.0, -1.0]))
            self.doubts[-1].bias.fill_(-4.0)

    def forward(self, pictures: Tensor, hull: Tensor) -> Depth:
        """`pictures (b, 4, 4, 128, 128)` 0..1, straight colours and matte; `hull (b, 4, 64, 64)`, negative: none."""
        maps = seen(pictures, hull)
        x = self.stem(maps) + self.view.repeat(len(pictures), 1)[:, :, None, None]
        levels = [x]
        for k, (down, block) in enumerate(zip(self.down, self.before, strict=True)):
            x = block(down(x))
            x = self.rows[("32 down", "16 down", "8")[k]](x)
            levels.append(x)
        x = self.after[3](x)
        for k in (2, 1, 0):
            x = levels[k] + F.interpolate(self.up[k](x), scale_factor=2.0, mode="nearest")
            if k:
                x = self.rows["16 up" if k == 2 else "32 up"](x)
            x = self.after[k](x)
        x = F.silu(F.pixel_shuffle(self.finer(F.silu(x)), 2) + self.beside(maps))
        x = F.silu(self.smooth(x))
        # Doubt is learnt from what depth is learnt for, and moves none of it: together, depth learns far more slowly.
        out = torch.cat([self.says(x), self.doubts(x.detach())], dim=1).float()
        return _meant(out.unflatten(0, (-1, 4)), maps.unflatten(0, (-1, 4)))


def _meant(out: Tensor, maps: Tensor) -> Depth:
    """What the four numbers a pixel say: `out (b, 4 views, 4, h, w)`."""
    enter, leave, hull, is_hull = (maps[:, :, k] for k in (6, 7, 9, 10))
    free = enter + (leave - enter) * torch.sigmoid(out[:, :, 0])
    share = torch.sigmoid(out[:, :, 2]) * is_hull + 1 - is_hull
    depth = free * share + (hull + 0.1 * out[:, :, 1]) * (1 - share)
    return Depth(depth, torch.exp(out[:, :, 3].clamp(-7, 0)))


def seen(pictures: Tensor, hull: Tensor) -> Tensor:
    """The channels `(4b, 16, 128, 128)` that the network sees; README.md lists them."""
    b = len(pictures)
    matte = pictures[:, :, 3]
    given = (matte.amax((2, 3)) > 0.5).to(matte.dtype)[:, :, None, None]  # (b, 4, 1, 1)
    outline = torch.maximum(matte, _opposite(matte))
    solid = (outline > 0.5).to(matte.dtype)
    inner = distance = F.avg_pool2d(outline, 2)
    for _ in range(EROSIONS - 1):
        inner = -F.max_pool2d(-inner, 3, 1, 1)
        distance = distance + inner
    distance = F.interpolate(distance / EROSIONS, scale_factor=2.0, mode="nearest")
    line = torch.arange(PIXELS, device=matte.device, dtype=matte.dtype)
    beside = torch.cat([solid[:, 1:], solid[:, :1]], dim=1)  # the outline over each view's own depth
    is_known = beside.amax(3, keepdim=True)
    enter = (PIXELS - (beside * (PIXELS - line)).amax(3, keepdim=True)) / PIXELS * is_known
    leave = (beside * (line + 1)).amax(3, keepdim=True) / PIXELS * is_known + 1 - is_known
    is_hull = (hull >= 0).to(matte.dtype)
    # No depth of the hull: half way through what the outlines allow.
    middle = (enter + leave) / 2
    near = F.interpolate(torch.cat([hull * is_hull, is_hull], dim=1), scale_factor=PIXELS / CELLS, mode="bilinear")
    total, share = near.split(4, dim=1)
    has_hull = (share > 0.25).to(matte.dtype)
    depth = torch.where(has_hull > 0, total / share.clamp(min=0.1), middle)
    last = 1 - _opposite(torch.where(has_hull > 0, depth, 1 - _opposite(middle)))
    level = (2 * (line + 0.5) / PIXELS - 1).expand(b, 4, PIXELS, PIXELS)
    sides = torch.maximum(given[:, 1:2], given[:, 3:])  # whether the depth of front and back is known
    maps = [
        distance, outline, enter, leave, is_known, depth, has_hull, last, level, level.transpose(2, 3),
        given, sides,
    ]  # fmt: skip
    planes = torch.stack([m.expand(b, 4, PIXELS, PIXELS) for m in maps], dim=2)
    both = torch.cat([pictures[:, :, :3] * pictures[:, :, 3:], matte[:, :, None], planes], dim=2)
    return both.flatten(0, 1).contiguous(memory_format=torch.channels_last)


def _opposite(maps: Tensor) -> Tensor:
    """`(b, 4, h, w)`: of each view the opposite one, turned over, so that columns agree."""
    return torch.cat([maps[:, 2:], maps[:, :2]], dim=1).flip(3)


def placed(network: Network, device: torch.device) -> Network:
    """The network on `device`, its weights in the order that is fastest there."""
    return network.to(device, memory_format=torch.channels_last)


def count_parameters(network: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(p.numel() for p in network.parameters())
