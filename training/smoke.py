# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The whole way in a minute or two, on a CPU, without the pack: `make train-smoke`.

Owns      a tiny network that learns a few made-up objects by heart, is exported, says the same in onnxruntime, and
          makes the same solid in the engine `mini`.
Not here  whether the real network is any good (`train`).
"""

import sys
import tempfile
import time
from pathlib import Path

import torch

from fourview.progress import RunProgress
from fourview.recipe import Recipe
from fourview.shape.mini.engine import Mini
from training.augment import draw_points, plain_pose, posed_pictures, posed_value
from training.base import base_of
from training.checkpoint import begin, load, mean_network, save
from training.export import ATOL, Exported, difference, export
from training.network import NetworkParams
from training.objects import Objects
from training.render import made_up
from training.train import distance_loss
from training.validate import SETS, field_iou, iou, views_of

TINY = NetworkParams(stride=4, picture=(12, 16, 24), volume=(8, 12, 16), pixel=12, point=48)
SEEDS = (1, 4, 9, 14)
STEPS, RATE = 150, 4e-3
POINTS, POINTS_A_STEP = 30_000, 3_000
GOAL = 0.9  # IoU on the objects it learns, by the network and by the engine; the hull of their silhouettes is below


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
    points = draw_points(objects, pose, POINTS, torch.Generator().manual_seed(0))
    truth, base = posed_value(objects.distance, pose, points), base_of(pictures, points)
    for step in range(STEPS):
        pick = torch.randint(points.shape[1], (POINTS_A_STEP,), generator=torch.Generator().manual_seed(step))
        for group in run.optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (STEPS - step) / (0.5 * STEPS))
        features = run.network.encode(pictures, base.volume)
        loss = distance_loss(run.network.value(features, points[:, pick], base.points[:, pick]), truth[:, pick])
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
        engine = Mini(Path(folder))
        made = 0.0
        for k in range(len(SEEDS)):
            one = objects[torch.tensor([k])]
            made += field_iou(engine.shape(views_of(one), Recipe(), RunProgress({})).field, one) / len(SEEDS)
    print(
        f"IoU on {len(SEEDS)} objects: hull {hull:.3f}, after {STEPS} steps {learnt:.3f} (at least {GOAL}), by the "
        f"engine {made:.3f} (at least {GOAL}); onnxruntime differs from torch by {apart:.1e} "
        f"(at most {ATOL:.0e}); {time.perf_counter() - began:.0f} s"
    )
    return 0 if learnt >= GOAL and made >= GOAL and apart <= ATOL else 1


if __name__ == "__main__":
    sys.exit(main())
