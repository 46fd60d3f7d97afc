# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The network of the embedded engine: four pictures and their hull -> signed distance at any point.

Owns      the layers and their sizes (`NetworkParams`).
Not here  the frame (`fourview.shape.mini.frame`), the hull it corrects (`base`), what it is trained on (`objects`,
          `augment`), how (`train`), the files that ship (`formats`).

Pixel-aligned features follow S. Saito et al., "PIFu", ICCV 2019; the coarse volume S. Peng et al., "Convolutional
occupancy networks", ECCV 2020; the encoder is a U-Net (O. Ronneberger et al., 2015) of residual blocks.

A missing view is an empty picture: matte 0 everywhere.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourview.shape.mini.frame import CELLS, LIMIT, PIXELS, TRUNCATION
from training.distance import matte_distance

REACH = 0.125  # up to which distances to an outline are known
FAR = 2.0  # the distance, in truncations, that a missing view reports: it carves nothing


@dataclass(frozen=True)
class NetworkParams:
    """Sizes. `picture` channels of maps `stride` times as coarse as the pictures, then of maps each half as fine;
    the last but one must be as fine as the volume. `volume` channels at 32, 16 and 8 cells."""

    stride: int
    picture: tuple[int, ...]
    volume: tuple[int, int, int]
    pixel: int  # channels of the maps that points look up
    point: int  # width of the network at each point

    @property
    def map(self) -> int:
        """Side of the finest maps, pixels."""
        return PIXELS // self.stride


SHIPPED = NetworkParams(stride=4, picture=(32, 64, 96), volume=(16, 48, 72), pixel=32, point=128)
FINE = NetworkParams(stride=2, picture=(24, 40, 64, 96), volume=(16, 48, 72), pixel=32, point=128)  # needs a GPU


class Block(nn.Module):
    """A residual block of two convolutions, 2-D or 3-D."""

    def __init__(self, dims: int, c: int) -> None:
        super().__init__()
        conv = nn.Conv2d if dims == 2 else nn.Conv3d
        self.norm = nn.GroupNorm(4, c)
        self.first, self.second = conv(c, c, 3, padding=1), conv(c, c, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """`(b, c, ..)` -> the same."""
        return x + self.second(F.silu(self.first(F.silu(self.norm(x)))))


class UNet(nn.Module):
    """Down and up again, 2-D or 3-D; returns the maps of every level, finest first."""

    def __init__(self, dims: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        conv = nn.Conv2d if dims == 2 else nn.Conv3d
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(conv(a, b, 2, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(conv(b, a, 1) for a, b in pairs)
        self.before = nn.ModuleList(Block(dims, c) for c in widths)
        self.after = nn.ModuleList(Block(dims, c) for c in widths)

    def forward(self, x: Tensor) -> list[Tensor]:
        """`(b, widths[0], ..)` -> a list of `(b, widths[k], .. / 2^k)`."""
        levels = [self.before[0](x)]
        for down, block in zip(self.down, self.before[1:], strict=True):
            levels.append(block(down(levels[-1])))
        levels[-1] = self.after[-1](levels[-1])
        for k in reversed(range(len(self.up))):
            coarse = F.interpolate(self.up[k](levels[k + 1]), scale_factor=2.0, mode="nearest")
            levels[k] = self.after[k](levels[k] + coarse)
        return levels


@dataclass(frozen=True)
class Features:
    """What points look up. Maps are turned so that their right is +X (front, back) or +Z (left, right)."""

    maps: Tensor  # (b, 4 * (pixel + 4), map, map), view by view: features, the distance to the outline, the colours
    volume: Tensor  # (b, volume[0], 32 z, 32 y downward, 32 x)
    present: Tensor  # (b, 4), 1 where a view was given


class Network(nn.Module):
    """`encode` once a set of pictures, `value` for every point."""

    def __init__(self, params: NetworkParams) -> None:
        super().__init__()
        self.params = params
        wide, cells = params.picture[0], params.volume[0]
        self.stem = nn.Conv2d(4, wide, 2 * params.stride, stride=params.stride, padding=params.stride // 2)
        self.distance = nn.Conv2d(1, wide, 3, padding=1)
        self.side = nn.Parameter(torch.randn(4, wide) * 0.1)  # which view it is
        self.pictures = UNet(2, params.picture)
        self.pixel = nn.Conv2d(wide, params.pixel, 1)
        self.spread = nn.ModuleList(nn.Conv2d(params.picture[-2] + 1, cells, 1) for _ in range(4))
        self.hull = nn.Conv3d(8, cells, 3, padding=1)
        self.place = nn.Parameter(torch.randn(1, cells, 8, 8, 8) * 0.02)  # where in the cube it is
        self.volume = UNet(3, params.volume)
        width = 4 * (params.pixel + 2) + cells + 3 + 4 + 3 * (4 + 4)
        self.point = nn.Sequential(
            nn.Linear(width, params.point), nn.SiLU(), nn.Linear(params.point, params.point), nn.SiLU(),
            nn.Linear(params.point, 2),
        )  # fmt: skip
        nn.init.zeros_(self.point[-1].weight)
        nn.init.zeros_(self.point[-1].bias)

    def encode(self, pictures: Tensor, hull: Tensor) -> Features:
        """`pictures (b, 4 views, 4, 256, 256)` 0..1: straight colours, then the matte; in the order of CONVENTIONS.

        `hull (b, 32, 32, 32, 2)` are the hull's parts in the cells of the volume.
        """
        b, side = len(pictures), self.params.map
        present = (pictures[:, :, 3].amax((2, 3)) > 0).to(pictures.dtype)  # (b, 4)
        front, left, back, right = pictures.unbind(1)
        turned = torch.stack([front, left.flip(3), back.flip(3), right], dim=1).flatten(0, 1)  # (4b, 4, 256, 256)
        matte = turned[:, 3:]
        reach = round(REACH * side / 2)
        outline = matte_distance(F.avg_pool2d(matte, self.params.stride)[:, 0], reach)[:, None]
        given = present.flatten()[:, None, None, None]
        outline = outline * given / (TRUNCATION * side / 2) + FAR * (1 - given)  # side / 2 pixels are length 1
        colours = averaged(turned[:, :3], matte, self.params.stride)
        # A graph has fixed shapes; elsewhere nothing is worked out for views that are missing.
        shown = torch.arange(4 * b) if torch.compiler.is_exporting() else torch.nonzero(present.flatten())[:, 0]
        turned, matte = turned[shown], matte[shown]
        drawn = self.stem(torch.cat([turned[:, :3] * matte, matte], dim=1)) + self.distance(outline[shown])
        which = self.side.repeat(b, 1)[shown][:, :, None, None]
        levels = self.pictures(drawn + which)
        pixel, low = (
            torch.zeros((4 * b, *level.shape[1:]), device=level.device).index_copy(0, shown, level.to(outline.dtype))
            for level in (self.pixel(levels[0]), levels[-2])
        )
        maps = torch.cat([pixel, outline, colours], dim=1).reshape(b, -1, side, side)
        return Features(maps, self._volume(low, outline, given, hull, self._unlike(colours, present)), present)

    def _unlike(self, colours: Tensor, present: Tensor) -> Tensor:
        """How far apart the colours `(4b, 3, map, map)` are that the views show of each cell `(b, 32, 32, 32, 4)`."""
        sheets = F.avg_pool2d(colours, self.params.map // CELLS).unflatten(0, (-1, 4)).movedim(2, -1)
        front, left, back, right = sheets.unbind(1)  # each (b, y, across, 3)
        cells = [
            (sheet.transpose(1, 2)[:, :, :, None] if is_side else sheet[:, None]).expand(-1, CELLS, CELLS, CELLS, 3)
            for sheet, is_side in ((front, False), (left, True), (back, False), (right, True))
        ]
        return differences(torch.stack(cells, dim=-2), present[:, None, None, None]).mean(-1)

    def _volume(self, low: Tensor, outline: Tensor, given: Tensor, hull: Tensor, unlike: Tensor) -> Tensor:
        """Maps `(4b, c, 32, 32)`, spread along each view's axis, and the hull: understood together."""
        outline = F.avg_pool2d(outline, self.params.map // CELLS)
        low = (torch.cat([low, outline], dim=1) * given).unflatten(0, (len(hull), 4))
        volume = F.interpolate(self.place, size=(CELLS, CELLS, CELLS), mode="trilinear")
        volume = volume + self.hull(torch.cat([hull.clamp(-1, 1), hull / LIMIT, unlike], dim=-1).movedim(-1, 1))
        for view, spread in enumerate(self.spread):
            sheet = spread(low[:, view])  # (b, cells, y, across)
            # Left and right look along x: across is z. (b, cells, z, y, 1) or (b, cells, 1, y, x)
            volume = volume + (sheet.transpose(2, 3)[..., None] if view % 2 else sheet[:, :, None])
        return self.volume(volume)[0]

    def value(self, features: Features, points: Tensor, hull: Tensor) -> Tensor:
        """How far inside `points (b, n, 3)` lie `(b, n)`, in truncations: positive inside, 0 on the surface.

        `hull (b, n, 2)` are the hull's parts there.
        """
        b, n, _ = points.shape
        x, y, z = points.unbind(2)
        from_front, from_side = torch.stack([x, -y], dim=2), torch.stack([z, -y], dim=2)  # (b, n, 2)
        where = torch.stack([from_front, from_side, from_front, from_side], dim=1).reshape(4 * b, n, 1, 2)
        maps = features.maps.reshape(4 * b, -1, self.params.map, self.params.map).float()
        seen = F.grid_sample(maps, where, padding_mode="border", align_corners=False)
        seen = seen.reshape(b, 4, -1, n).permute(0, 3, 1, 2)  # (b, n, 4, pixel + 4)
        around = torch.stack([x, -y, z], dim=2).reshape(b, n, 1, 1, 3)
        volume = F.grid_sample(features.volume.float(), around, padding_mode="border", align_corners=False)
        volume = volume.reshape(b, -1, n).transpose(1, 2)  # (b, n, cells)
        more = self.correction(seen, features.present[:, None].expand(b, n, 4), volume, points, hull)
        return (hull.clamp(-1, 1) + more).amin(-1)

    def correction(self, seen: Tensor, present: Tensor, volume: Tensor, points: Tensor, hull: Tensor) -> Tensor:
        """What is added to the parts `hull (.., 2)`, of what points looked up: `seen (.., 4, pixel + 4)`, `volume`."""
        features, outline, colours = seen.split([self.params.pixel, 1, 3], dim=-1)
        given = torch.cat([features * present[..., None], outline], dim=-1)  # nothing from missing views
        unlike = differences(colours, present)
        known = [given.flatten(-2), present, volume, points, hull.clamp(-1, 1), hull / LIMIT]
        known += [colours.flatten(-2), unlike.flatten(-2)]
        # Each part is corrected by itself: outlines are mostly right, bodies a guess. Far outside the hull it has the
        # last word: a little there, rarely seen, would be a crumb in the model.
        return self.point(torch.cat(known, dim=-1)).float() * (hull.amin(-1, keepdim=True) > -LIMIT)


def averaged(colours: Tensor, matte: Tensor, stride: int) -> Tensor:
    """Mean colours `(n, 3, h / stride, w / stride)` of what the matte `(n, 1, h, w)` shows; 0 where that is nothing."""
    shown = F.avg_pool2d(torch.cat([colours * matte, matte], dim=1), stride)
    return shown[:, :3] / shown[:, 3:].clamp(min=1e-3)


def differences(colours: Tensor, present: Tensor) -> Tensor:
    """How much front and back differ from left and right in `colours (.., 4, 3)`: `(.., 4, 3)`, 0 without both.

    A point of the surface has one colour in all pictures that show it (K. Kutulakos and S. Seitz, "A theory of shape by
    space carving", IJCV 2000); where the colours differ, one of the pictures shows something in front of it.
    """
    level, side = [0, 0, 2, 2], [1, 3, 1, 3]
    given = present[..., level] * present[..., side]
    return (colours[..., level, :] - colours[..., side, :]).abs() * given[..., None]


def placed(network: Network, device: torch.device) -> Network:
    """The network on `device`, its convolutions' weights in the order that is fastest there."""
    network.to(device)
    for part in (network.stem, network.distance, network.pictures, network.pixel):
        part.to(memory_format=torch.channels_last)
    for part in (network.hull, network.volume):
        part.to(memory_format=torch.channels_last_3d)
    return network


def count_parameters(network: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(p.numel() for p in network.parameters())
