# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Made-up solids become what the pack holds: four pictures, distances, a box; in the pack's frame and light.

Owns      sampling a solid, its box, the four orthographic pictures.
Not here  the parts (`procedural`), drawn styles and errors (`augment`).

The solid is asked on a coarse lattice, then finely where its surface may be; pictures and voxels are interpolated from
the fine lattice, so both show the same thing. Normals and colours at what a pixel sees come from the parts themselves.
"""

import numpy as np
import torch
from torch import Tensor

from training.distance import solid_distance
from training.objects import FILL, PIXELS, VOXELS, Objects, near_surface
from training.primitives import Part, colours_at, inside_all
from training.procedural import invent

COARSE, FINE = 40, 100  # nodes along each axis
REACH = 1.2  # the coarse lattice spans +-REACH of the maker's unit around (0, 0.5, 0)
ROOM = 0.06  # empty rim of the fine lattice, of the longest side
OTHERS = 1 << 40  # numbers from here on stand in for shapes that cannot be seen
# Axis along a picture's rows and the one looked along, and whether they grow to the right and toward the camera.
SEEN = {"front": (0, 1, 2, 1), "left": (2, -1, 0, 1), "back": (0, -1, 2, -1), "right": (2, 1, 0, -1)}


class TooThin(ValueError):
    """No node of the lattice is inside of the shape."""


def made_up(seed: int, device: torch.device) -> Objects:
    """Made-up object number `seed`, as a batch of one; a shape too thin to be seen gives way to another."""
    try:
        return objectify(invent(seed), seed, device)
    except TooThin:
        return made_up(seed + OTHERS, device)


def objectify(parts: list[Part], seed: int, device: torch.device) -> Objects:
    """The solid of `parts` as a batch of one; `seed` draws its light."""
    lattice, values = _sampled(parts, device)  # (FINE, 3), (FINE, FINE, FINE)
    low, high = _box(lattice, values)
    centre, longest = (low + high) / 2, (high - low).max()
    voxel = (torch.arange(VOXELS, device=device) + 0.5) / VOXELS - 0.5
    pixel = (torch.arange(PIXELS, device=device) + 0.5 - PIXELS / 2) / (PIXELS * FILL)
    to_voxels = [_weights(lattice[:, k], centre[k] + voxel * longest) for k in range(3)]
    to_pixels = [_weights(lattice[:, k], centre[k] + pixel * longest) for k in range(3)]
    solid = torch.einsum("abc,ia,jb,kc->ijk", values, *to_voxels) > 0
    random = np.random.default_rng([seed, 5])
    light = random.uniform([-0.45, -0.15, 0.88, 0.24, 0.47, 0.12], [0.45, 0.5, 1.12, 0.36, 0.63, 0.26])
    fall = random.uniform(-0.5, 0.5) if random.random() < 0.4 else 0.0
    pictures = torch.empty((4, 4, PIXELS, PIXELS), dtype=torch.uint8, device=device)
    for axis in (2, 0):  # opposite views look through the same block of samples
        across = 2 - axis
        block = torch.einsum("abc,jb->ajc", values, to_pixels[1])  # y in pixels, lowest first
        block = torch.einsum("ajc,ia->jic" if axis == 2 else "ajc,ic->jia", block, to_pixels[across])
        for view, (name, (row_axis, right, depth_axis, toward)) in enumerate(SEEN.items()):
            if depth_axis == axis:
                where, alpha = _first_hits(block, toward, longest / (PIXELS * FILL))
                points = torch.empty((*alpha.shape, 3), device=device)
                points[..., 1] = (centre[1] + pixel * longest)[:, None]
                points[..., row_axis] = centre[row_axis] + pixel * longest
                step = lattice[1, axis] - lattice[0, axis]
                points[..., axis] = lattice[0, axis] + where * step
                rgb = torch.zeros((*alpha.shape, 3), device=device)
                seen = alpha > 0
                rgb[seen] = _shaded(parts, points[seen], name, light, fall, centre[1], longest)
                rgba = torch.cat([rgb, alpha[..., None]], dim=2).flip(0)  # row 0 on top
                pictures[view] = ((rgba if right == 1 else rgba.flip(1)) * 255).round().byte().permute(2, 0, 1)
    distance = solid_distance(solid[None])
    near = near_surface(distance[0], torch.Generator().manual_seed(seed))
    return Objects(pictures[None], distance, near[None], ((high - low) / longest / 2)[None])


def _sampled(parts: list[Part], device: torch.device) -> tuple[Tensor, Tensor]:
    """The fine lattice `(FINE, 3)`, coordinates by axis, and how far inside its nodes are."""
    at = torch.linspace(-REACH, REACH, COARSE, device=device)
    coarse = torch.stack([at, at + 0.5, at], dim=1)
    values = inside_all(parts, torch.cartesian_prod(*coarse.T)).reshape(COARSE, COARSE, COARSE)
    spacing = 2 * REACH / (COARSE - 1)
    near = torch.nonzero(values > -spacing)  # the surface may pass between nodes
    low, high = (coarse.gather(0, n[None])[0] for n in (near.amin(0), near.amax(0)))
    centre, half = (low + high) / 2, ((high - low).max() / 2) * (1 + ROOM)
    fine = centre + half * torch.linspace(-1, 1, FINE, device=device)[:, None]
    weights = [_weights(coarse[:, k], fine[:, k]) for k in range(3)]
    guess = torch.einsum("abc,ia,jb,kc->ijk", values, *weights)
    open_ = torch.nonzero(guess.abs() < 1.2 * spacing)
    points = torch.stack([fine[open_[:, k], k] for k in range(3)], dim=1)
    guess[open_.unbind(1)] = inside_all(parts, points)
    return fine, guess


def _weights(nodes: Tensor, at: Tensor) -> Tensor:
    """Linear interpolation from evenly spaced `nodes (m,)` to `at (n,)`, as a matrix `(n, m)`; the ends go on."""
    place = ((at - nodes[0]) / (nodes[1] - nodes[0])).clamp(0, len(nodes) - 1)
    return (1 - (place[:, None] - torch.arange(len(nodes), device=at.device)).abs()).clamp(min=0)


def _box(lattice: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Least and greatest corner `(3,)` of what is inside, between nodes."""
    low, high = [], []
    for axis in range(3):
        profile = values.amax([k for k in range(3) if k != axis])
        inside = torch.nonzero(profile > 0)[:, 0]
        if len(inside) == 0:
            raise TooThin
        first, last = inside[0], inside[-1]
        step = lattice[1, axis] - lattice[0, axis]
        low.append(lattice[first, axis] - step * profile[first] / (profile[first] - profile[first - 1]))
        high.append(lattice[last, axis] + step * profile[last] / (profile[last] - profile[last + 1]))
    return torch.stack(low), torch.stack(high)


def _first_hits(block: Tensor, toward: int, pixel: Tensor) -> tuple[Tensor, Tensor]:
    """Where along its last axis `block (h, w, d)` turns positive for who looks against `toward`, and the alpha.

    Beside the outline, where nothing is hit but the pixel is partly covered, the deepest place is taken.
    """
    depth = block.shape[2]
    ahead = block.flip(2) if toward == 1 else block
    most, deepest = ahead.max(2)
    hit = (ahead > 0).int().argmax(2).clamp(min=1)
    after = ahead.gather(2, hit[..., None])[..., 0]
    before = ahead.gather(2, hit[..., None] - 1)[..., 0]
    where = torch.where(most > 0, hit - (after / (after - before)).clamp(0, 1), deepest)
    return (depth - 1 - where if toward == 1 else where), (most / pixel + 0.5).clamp(0, 1)


def _shaded(
    parts: list[Part], points: Tensor, view: str, light: np.ndarray, fall: float, middle: Tensor, longest: Tensor
) -> Tensor:
    """sRGB `(n, 3)` 0..1 of surface `points (n, 3)`, by the formula of the pack's README; `fall` grades the colour."""
    row_axis, right, depth_axis, toward = SEEN[view]
    corners = torch.tensor([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], device=points.device)
    step = 0.002 * longest
    normal = -sum(inside_all(parts, points + c * step)[:, None] * c for c in corners)
    normal = normal / normal.norm(dim=1, keepdim=True).clamp(min=1e-6)
    beam = torch.zeros(3, device=points.device)
    beam[row_axis], beam[1], beam[depth_axis] = float(light[0]) * right, float(light[1]), float(toward)
    gain, ambient, key, sky = light[2:].tolist()
    up = normal[:, 1]
    shade = (
        ambient + key * (normal @ (beam / beam.norm())).clamp(min=0) + sky * up.clamp(min=0) - 0.05 * up.clamp(max=0)
    )
    graded = 1 + fall * 2 * (points[:, 1] - middle) / longest
    linear = colours_at(parts, points) * (gain * shade * graded)[:, None]
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-6) ** (1 / 2.4) - 0.055).clamp(
        0, 1
    )
