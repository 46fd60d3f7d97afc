# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How good a network is on objects it never saw, while it trains and afterwards, beside the hull it began with.

    python -m training.validate RUN/finished.pt --pack ../shared/train

Owns      volume IoU on the validation split, by number of views, and without colour; that of a whole engine.
Not here  whole models through the pipeline (`benchmarks/quality.py`).

The points are middles of voxels of the truth, `POINTS` of 128^3, the same every time: between voxels, where the faces
of boxes fall, the truth is a matter of rounding.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fourview.arrays import Float
from fourview.surface.field import Field
from fourview.views.camera import AZIMUTH_DEG
from fourview.views.framing import frame
from fourview.views.view import Picture, View
from training.augment import plain_pose, posed, posed_pictures, posed_value
from training.base import base_of
from training.checkpoint import load, mean_network
from training.network import SHIPPED, Network
from training.objects import VOXELS, Objects, distance_at
from training.pack import Pack

SETS = {"1": (1, 0, 0, 0), "2": (1, 1, 0, 0), "3": (1, 1, 1, 0), "4": (1, 1, 1, 1)}
POINTS = 65536


def ious(network: Network, objects: Objects) -> dict[str, float]:
    """Mean IoU by number of views; "4 plain" is four views in one even colour."""
    found = {name: iou(network, objects, given).mean().item() for name, given in SETS.items()}
    found["4 plain"] = iou(network, objects, SETS["4"], is_plain=True).mean().item()
    return found


def iou(network: Network, objects: Objects, given: tuple[int, ...], is_plain: bool = False) -> Tensor:
    """The IoU of each object `(b,)` when the views `given` are shown."""
    device = objects.half.device
    at = middles().to(device)
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


def middles() -> Tensor:
    """The points `(POINTS, 3)` that are scored, the object's frame."""
    flat = torch.randperm(VOXELS**3, generator=torch.Generator().manual_seed(0))[:POINTS]
    voxel = torch.stack([flat // VOXELS**2, flat // VOXELS % VOXELS, flat % VOXELS], dim=1)
    return (voxel + 0.5) / VOXELS - 0.5


def views_of(one: Objects) -> list[View]:
    """The framed views of one object, as the pipeline makes them of its pictures."""
    pictures = [
        Picture(name, rgba[..., :3], rgba[..., 3] / np.float32(255))
        for name, rgba in zip(AZIMUTH_DEG, one.pictures[0].permute(0, 2, 3, 1).numpy(), strict=True)
    ]
    return frame(pictures, [picture.alpha for picture in pictures])[0]


def field_iou(field: Field, one: Objects) -> float:
    """The IoU of what an engine made of one object's views."""
    points: Float = middles().numpy()
    found = field(points / one.half.max().numpy()) > 0
    truth = (distance_at(one.distance, middles()[None])[0] > 0).numpy()
    return float((found & truth).sum() / (found | truth).sum())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--pack", type=Path, default=Path("../shared/train"))
    args = parser.parse_args()
    device = torch.device("cpu")
    pack = Pack(args.pack, "val", device)
    objects = pack.take(torch.arange(len(pack)))
    learnt = mean_network(load(args.checkpoint, device), device)
    rows = {"hull": ious(Network(SHIPPED).eval(), objects), "mini": ious(learnt, objects)}  # a new one is the hull
    print(f"| {len(pack)} objects | " + " | ".join(rows["hull"]) + " |")
    print("|---" * (1 + len(rows["hull"])) + "|")
    for name, found in rows.items():
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in found.values()) + " |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
