# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What users send: the same objects turned, stretched, drawn otherwise, cut out badly, and not quite agreeing.

Owns      from resident objects to what one step sees: pictures, points and distances in the network's frame.
Not here  the objects (`objects`), the network's frame itself (`network`).

Turns, mirror and stretch act on pictures and points alike; errors of single views act on the pictures only, so the
network learns to find the solid that four doubtful pictures mean. Everything is drawn from one generator on the CPU
in small tensors, so a step is the same on any device.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fourview.shape.mini.frame import FILL_DEEP, FILL_KNOWN, TRUNCATION
from training.objects import FILL, PIXELS, VOXELS, Objects, distance_at

# Chances of the sets of views, front left back right, that users send.
SETS = {
    (1, 1, 1, 1): 0.6, (1, 0, 0, 0): 0.14, (1, 1, 0, 0): 0.06, (1, 0, 0, 1): 0.06, (1, 0, 1, 0): 0.04,
    (1, 1, 1, 0): 0.05, (1, 0, 1, 1): 0.05,
}  # fmt: skip
NEAR_SHARE = 0.4  # of the points lie beside the surface, the others anywhere in the box
SPARE = 3  # times as many of those are drawn as are learnt from: most are plainly outside of the outlines
WITHIN = -0.5  # truncations from the outlines up to which nothing is plain
BESIDE_VOXELS = (0.5, 2.0)  # how far beside, standard deviation: half of them each


@dataclass(frozen=True)
class Pose:
    """How each object is turned and framed. Of a new point p, the old one is turned back from p / (zoom * stretch)."""

    turn: Tensor  # (b,) quarter turns, +Z toward +X
    mirror: Tensor  # (b,) bool, in x, after the turn
    stretch: Tensor  # (b, 3)
    zoom: Tensor  # (b,) network units a unit of the object's frame
    given: Tensor  # (b, 4) bool, views that are shown


@dataclass(frozen=True)
class Sample:
    """What a step sees."""

    pictures: Tensor  # (b, 4, 4, 256, 256) 0..1, straight colours and matte; empty where a view is missing
    points: Tensor  # (b, n, 3) network frame
    value: Tensor  # (b, n) signed distance in truncations, cut at +-1


def draw(objects: Objects, points: int, generator: torch.Generator) -> Sample:
    """One augmented sample of each object, with the spare points among which `chosen` takes `points`."""
    pose = draw_pose(objects.half, generator)
    pictures = spoil(posed_pictures(objects.pictures, pose, generator), generator)
    at = draw_points(objects, pose, points, generator)
    return Sample(pictures * pose.given[:, :, None, None, None], at, posed_value(objects.distance, pose, at))


def plain_pose(half: Tensor, given: tuple[int, ...]) -> Pose:
    """Nothing turned or stretched; the views that are `given`."""
    b, device = len(half), half.device
    still = torch.zeros(b, dtype=torch.int64, device=device), torch.zeros(b, dtype=torch.bool, device=device)
    views = torch.tensor(given, device=device).bool().expand(b, 4)
    return Pose(*still, torch.ones((b, 3), device=device), _zoom(half, views), views)


def draw_pose(half: Tensor, generator: torch.Generator) -> Pose:
    """Random ones for boxes of `half (b, 3)`."""
    b, device = len(half), half.device

    def rand(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).to(device)

    turn = torch.randint(4, (b,), generator=generator).to(device) * (rand(b) < 0.3)
    stretch = 1 + (rand(b, 3) - 0.5) * 0.36 * (rand(b, 1) < 0.7)
    chances = torch.tensor(list(SETS.values()))
    given = torch.tensor(list(SETS))[torch.multinomial(chances, b, True, generator=generator)].bool().to(device)
    sides = torch.where((turn % 2 == 1)[:, None], half.flip(1), half) * stretch
    return Pose(turn, rand(b) < 0.5, stretch, _zoom(sides, given) * (1 + (rand(b) - 0.5) * 0.06), given)


def _zoom(half: Tensor, given: Tensor) -> Tensor:
    """Network units a unit `(b,)`, such that the longest side that the `given` views show fills what it should."""
    is_deep_known = given[:, 1] | given[:, 3]
    longest = torch.where(is_deep_known, half.amax(1), half[:, :2].amax(1))
    return torch.where(is_deep_known, FILL_KNOWN, FILL_DEEP) / longest


def posed_pictures(pictures: Tensor, pose: Pose, generator: torch.Generator | None) -> Tensor:
    """`(b, 4, 4, 256, 256) uint8` -> 0..1 floats: turned, stretched, framed; with a generator, each view a bit off."""
    b, device = len(pictures), pictures.device
    view = torch.arange(4, device=device)
    order = (torch.where(pose.mirror[:, None], -view, view) - pose.turn[:, None]) % 4  # (b, 4)
    pictures = pictures[torch.arange(b, device=device)[:, None], order]
    rgba = pictures.flatten(0, 1).float() / 255
    rgba = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], dim=1)

    across = torch.where(view % 2 == 1, pose.stretch[:, 2:], pose.stretch[:, :1])  # (b, 4)
    scale = torch.stack([across, pose.stretch[:, 1:2].expand(b, 4)], dim=2)  # (b, 4, 2)
    scale = 2 * FILL / (scale * pose.zoom[:, None, None])
    scale[..., 0] *= torch.where(pose.mirror, -1, 1)[:, None]
    line = (torch.arange(PIXELS, device=device) + 0.5) * 2 / PIXELS - 1
    base = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=2)  # (256, 256, 2): right, down
    if generator is None:
        grid = base * scale.reshape(4 * b, 1, 1, 2)
    else:
        grid = (base + _errors(b, generator, device)) * scale.reshape(4 * b, 1, 1, 2)
    warped = F.grid_sample(rgba, grid, align_corners=False)
    return torch.cat([warped[:, :3] / warped[:, 3:].clamp(min=1e-3), warped[:, 3:]], dim=1).unflatten(0, (b, 4))


def _errors(b: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """How far off each pixel looks `(4b, 256, 256, 2)`, network units: shift, scale and a slow warp, by view.

    Three quarters of the objects are exact, as rendered sets are: where all are a bit off, thin limbs are better left
    out than guessed, and the network learns just that. The front is as wrong as the others.
    """

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    strength = (torch.rand((b, 1, 1), generator=generator) * 4 - 3).clamp(min=0).repeat_interleave(4, 0).to(device)
    shift, grow = 0.025 * normal(4 * b, 2), 0.03 * normal(4 * b, 1) + 0.012 * normal(4 * b, 2)
    coarse = 0.02 * normal(4 * b, 2, 5, 5)
    warp = F.interpolate(coarse, size=(PIXELS, PIXELS), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    line = (torch.arange(PIXELS, device=device) + 0.5) * 2 / PIXELS - 1
    base = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=2)
    return (warp + shift[:, None, None] + grow[:, None, None] * base) * strength[..., None]


def spoil(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Other colours, light, lines, resolutions and mattes, `(b, 4, 4, h, w)`; styles are one for all four views."""
    b, device = len(pictures), pictures.device
    rgb, matte = pictures[:, :, :3], pictures[:, :, 3:]

    def rand(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).to(device)

    def some(share: float) -> Tensor:
        return torch.nonzero(rand(b) < share)[:, 0]

    mix = torch.eye(3, device=device) + (rand(b, 3, 3) - 0.5) * 0.5 * (rand(b, 1, 1) < 0.5)
    grey = torch.full((3, 3), 1 / 3, device=device)
    dull = rand(b, 1, 1) * (rand(b, 1, 1) < 0.2)
    mix = mix * (1 - dull) + grey * dull
    rgb = torch.einsum("bij,bvjhw->bvihw", mix, rgb).clamp(0, 1)
    rgb = rgb ** torch.exp((rand(b, 4, 1, 1, 1) - 0.5) * 0.5 + (rand(b, 1, 1, 1, 1) - 0.5) * 0.8)
    rgb = rgb * (0.85 + 0.3 * rand(b, 4, 3, 1, 1))
    if len(at := some(0.3)):  # light that falls off across the picture
        low = 1 + (rand(len(at) * 4, 1, 3, 3) - 0.5) * 0.9
        rgb[at] *= F.interpolate(low, size=rgb.shape[-2:], mode="bilinear").unflatten(0, (-1, 4))
    if len(at := some(0.25)):  # drawn: few tones, lines where tones meet and around the outline
        drawn, cut = rgb[at].flatten(0, 1), matte[at].flatten(0, 1)
        tone = drawn.mean(1, keepdim=True).clamp(min=0.02)
        tones = (2 + 4 * rand(len(at), 1, 1, 1)).repeat_interleave(4, 0)
        flat = drawn * ((tone * tones).floor() + 0.5) / tones / tone
        full = torch.cat([drawn * cut, cut], dim=1)
        edge = (F.max_pool2d(full, 3, 1, 1) + F.max_pool2d(-full, 3, 1, 1)).amax(1, keepdim=True)
        ink = (edge * 2.5 - 0.3).clamp(0, 1) * rand(len(at), 1, 1, 1).repeat_interleave(4, 0)
        rgb[at] = (flat * (1 - ink)).unflatten(0, (-1, 4))
    if len(at := some(0.06)):  # no colours at all: only the outlines count
        rgb[at] = rand(len(at), 1, 3, 1, 1).expand(-1, 4, -1, *rgb.shape[-2:])
    if len(at := some(0.15)):  # pictures of few pixels
        factor = 2 if bool(torch.rand((), generator=generator) < 0.7) else 4
        small = F.avg_pool2d(torch.cat([rgb[at], matte[at]], dim=2).flatten(0, 1), factor)
        large = F.interpolate(small, scale_factor=float(factor), mode="bilinear").unflatten(0, (-1, 4))
        rgb[at], matte = large[:, :, :3], matte.index_copy(0, at, large[:, :, 3:])
    if len(at := some(0.2)):  # cut out by a network: soft, a little fat or thin, nibbled
        cut = F.avg_pool2d(matte[at].flatten(0, 1), 5, 1, 2, count_include_pad=False)
        noise = F.interpolate(rand(len(cut), 1, 33, 33) - 0.5, size=cut.shape[-2:], mode="bilinear")
        shift = (rand(len(at), 1, 1, 1) - 0.5).repeat_interleave(4, 0) * 0.5
        sharp = (1 + 4 * rand(len(at), 1, 1, 1)).repeat_interleave(4, 0)
        rough = ((cut - 0.5 + shift + 0.5 * noise) * sharp + 0.5).clamp(0, 1) * (cut > 0.02)
        matte = matte.index_copy(0, at, rough.unflatten(0, (-1, 4)))
    if len(at := some(0.3)):
        rgb[at] += 0.04 * torch.randn((len(at), 4, 3, 1, 1), generator=generator).to(device)
    return torch.cat([rgb.clamp(0, 1), matte], dim=2)


def chosen(hull: Tensor, count: int) -> Tensor:
    """Which points to learn from `(b, count) int64`, by their `hull (b, n, 2)`: first those within the outlines or
    beside them, then what comes next."""
    is_plain = hull[..., 0] < WITHIN
    return torch.sort(is_plain.byte(), dim=1, stable=True).indices[:, :count]


def draw_points(objects: Objects, pose: Pose, count: int, generator: torch.Generator) -> Tensor:
    """`(b, n, 3)` in the network's frame: of `count` points those beside the surface, then `SPARE` times the others,
    in the box and a few anywhere."""
    b, device = objects.half.shape[0], objects.half.device
    beside = int(count * NEAR_SHARE)
    free_count = (count - beside) * SPARE

    def rand(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).to(device)

    pick = (rand(b, beside) * objects.near.shape[1]).long()
    flat = objects.near.gather(1, pick).long()
    voxel = torch.stack([flat // VOXELS**2, flat // VOXELS % VOXELS, flat % VOXELS], dim=2)
    spread = torch.full((beside, 1), BESIDE_VOXELS[0])
    spread[beside // 2 :] = BESIDE_VOXELS[1]
    offset = torch.randn((b, beside, 3), generator=generator) * spread
    near = posed((voxel + 0.5 + offset.to(device)) / VOXELS - 0.5, pose)
    box = torch.where((pose.turn % 2 == 1)[:, None], objects.half.flip(1), objects.half)
    box = (box * pose.stretch * pose.zoom[:, None] * 1.1 + 0.03)[:, None]
    free = rand(b, free_count, 3) * 2 - 1
    free = torch.where(rand(1, free_count, 1) < 0.85, free * box, free)
    return torch.cat([near, free], dim=1).clamp(-1, 1)


def posed(points: Tensor, pose: Pose) -> Tensor:
    """Points `(b, n, 3)` of the object's frame -> the network's."""
    x, y, z = points.unbind(2)
    k = pose.turn[:, None]
    cos, sin = (k == 0).float() - (k == 2).float(), (k == 1).float() - (k == 3).float()
    side = torch.where(pose.mirror, -1.0, 1.0)[:, None]
    turned = torch.stack([(x * cos + z * sin) * side, y, z * cos - x * sin], dim=2)
    return turned * (pose.stretch * pose.zoom[:, None])[:, None]


def unposed(points: Tensor, pose: Pose) -> Tensor:
    """Points `(b, n, 3)` of the network's frame -> the object's."""
    x, y, z = (points / (pose.stretch * pose.zoom[:, None])[:, None]).unbind(2)
    k = pose.turn[:, None]
    cos, sin = (k == 0).float() - (k == 2).float(), (k == 1).float() - (k == 3).float()
    x = x * torch.where(pose.mirror, -1.0, 1.0)[:, None]
    return torch.stack([x * cos - z * sin, y, z * cos + x * sin], dim=2)


def posed_value(distance: Tensor, pose: Pose, points: Tensor) -> Tensor:
    """What the network should say at `points (b, n, 3)`: truncations, cut at +-1.

    The sign is exact. Under a stretch the distance takes the mean stretch, off by at most a tenth or two.
    """
    voxels = distance_at(distance, unposed(points, pose))
    unit = pose.zoom * pose.stretch.prod(1) ** (1 / 3) / VOXELS / TRUNCATION
    return (voxels * unit[:, None]).clamp(-1, 1)
