# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How good a network is on objects it never saw, while it trains.

Owns      volume IoU on the validation split, by number of views, and without colour.
Not here  whole models through the pipeline (`evaluate`).

The points are `POINTS` of the 64^3 cells of the cube that the object's frame spans, the same ones every time.
"""

import torch
from torch import Tensor

from training.augment import plain_pose, posed, posed_pictures, posed_value
from training.base import base_of
from training.network import Network
from training.objects import Objects

SETS = {"1": (1, 0, 0, 0), "2": (1, 1, 0, 0), "3": (1, 1, 1, 0), "4": (1, 1, 1, 1)}
POINTS, CELLS = 16384, 64


def ious(network: Network, objects: Objects) -> dict[str, float]:
    """Mean IoU by number of views; "4 plain" is four views in one even colour."""
    found = {name: iou(network, objects, given).mean().item() for name, given in SETS.items()}
    found["4 plain"] = iou(network, objects, SETS["4"], is_plain=True).mean().item()
    return found


def iou(network: Network, objects: Objects, given: tuple[int, ...], is_plain: bool = False) -> Tensor:
    """The IoU of each object `(b,)` when the views `given` are shown."""
    device = objects.half.device
    generator = torch.Generator().manual_seed(0)
    cell = torch.randperm(CELLS**3, generator=generator)[:POINTS].to(device)
    at = (torch.stack([cell // CELLS**2, cell // CELLS % CELLS, cell % CELLS], dim=1) + 0.5) / CELLS - 0.5
    found = []
    for k in range(len(objects.half)):
        one = objects[torch.tensor([k], device=device)]
        pose = plain_pose(one.half, given)
        pictures = posed_pictures(one.pictures, pose, None) * pose.given[:, :, None, None, None]
        if is_plain:
            pictures[:, :, :3] = 0.5
        points = posed(at[None], pose)
        points = points[(points.abs() <= 1).all(2)][None]
        with torch.no_grad():
            base = base_of(pictures, points)
            says = network.value(network.encode(pictures, base.volume), points, base.points) > 0
        is_solid = posed_value(one.distance, pose, points) > 0
        missed = (posed_value(one.distance, pose, posed(at[None], pose)) > 0).sum() - is_solid.sum()
        found.append((says & is_solid).sum() / ((says | is_solid).sum() + missed))
    return torch.stack(found)
