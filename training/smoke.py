# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The whole way in a minute or two, on a CPU, without the pack: `make train-smoke`.

Owns      a tiny network that learns a few made-up objects by heart, is exported, and says the same in onnxruntime.
Not here  whether the real network is any good (`train`, `evaluate`).
"""

import sys
import tempfile
import time
from pathlib import Path

import torch

from training.augment import Sample, draw_points, plain_pose, posed_pictures, posed_value
from training.base import base_of
from training.checkpoint import begin, load, mean_network, save
from training.export import ATOL, Exported, difference, export
from training.network import NetworkParams
from training.objects import Objects
from training.render import made_up
from training.train import distance_loss
from training.validate import SETS, iou

TINY = NetworkParams(stride=4, picture=(12, 16, 24), volume=(8, 12, 16), pixel=12, point=48)
SEEDS = (1, 4, 9, 14)
STEPS, RATE = 220, 4e-3
GOAL = 0.9  # IoU on the objects it learns; the hull of their silhouettes is below


def main() -> int:
    began = time.perf_counter()
    device = torch.device("cpu")
    objects = Objects.joined([made_up(seed, device) for seed in SEEDS])
    pose = plain_pose(objects.half, SETS["4"])
    pictures = posed_pictures(objects.pictures, pose, None)
    run = begin(TINY, 0, device)
    hull = iou(run.network, objects, SETS["4"]).mean().item()
    for group in run.optimizer.param_groups:
        group["weight_decay"] = 0.0
    for step in range(STEPS):
        points = draw_points(objects, pose, 3000, torch.Generator().manual_seed(step))
        sample = Sample(pictures, points, posed_value(objects.distance, pose, points))
        for group in run.optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (STEPS - step) / (0.5 * STEPS))
        base = base_of(sample.pictures, sample.points)
        value = run.network.value(run.network.encode(sample.pictures, base.volume), sample.points, base.points)
        loss = distance_loss(value, sample.value)
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
    run.mean = {key: value.detach().clone() for key, value in run.network.state_dict().items()}
    learnt = iou(run.network, objects, SETS["4"]).mean().item()
    with tempfile.TemporaryDirectory() as folder:
        save(run, Path(folder) / "checkpoint.pt")
        network = mean_network(load(Path(folder) / "checkpoint.pt", device), device)
        export(network, Path(folder))
        apart = difference(network, Exported(Path(folder)))
    print(
        f"IoU on {len(SEEDS)} objects: hull {hull:.3f}, after {STEPS} steps {learnt:.3f} (at least {GOAL}); "
        f"onnxruntime differs from torch by {apart:.1e} (at most {ATOL:.0e}); {time.perf_counter() - began:.0f} s"
    )
    return 0 if learnt >= GOAL and apart <= ATOL else 1


if __name__ == "__main__":
    sys.exit(main())
