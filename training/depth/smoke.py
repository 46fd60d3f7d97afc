# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The whole way of the depth network in a minute or so, on one core, without the pack.

    python -m training.depth.smoke

Owns      a small network that learns a few made-up shapes by heart, is saved and exported, and says the same there.
Not here  whether the real network is any good (`train`).
"""

import sys
import tempfile
import time
from pathlib import Path

import torch

from training.depth.checkpoint import Run, begin, load, mean_network, save
from training.depth.export import ATOL, Exported, difference, export
from training.depth.hulls import Hulls
from training.depth.loss import depth_loss
from training.depth.network import NetworkParams
from training.depth.sample import Sample, plain
from training.depth.store import first_surface, stored_pictures
from training.render import made_up

TINY = NetworkParams(widths=(16, 24, 32, 48), last=12)
SEEDS = (1, 4, 9, 14)
STEPS, RATE = 110, 3e-3
GOAL = 0.82  # share of the pixels within 2 % of the longest side; the hull is below


def main() -> int:
    began = time.perf_counter()
    torch.set_num_threads(1)
    sample = plain(shapes(), (1, 1, 1, 1))
    hull = Hulls().start(sample.pictures)()
    run = begin(TINY, 0, torch.device("cpu"))
    before = within(run, sample, hull)
    learn(run, sample, hull, STEPS)
    after = within(run, sample, hull)
    with tempfile.TemporaryDirectory() as folder:
        save(run, Path(folder) / "checkpoint.pt")
        network = mean_network(load(Path(folder) / "checkpoint.pt", torch.device("cpu")), torch.device("cpu"))
        apart = difference(network, Exported(export(network, Path(folder))))
    print(
        f"depth within 2 % on {len(SEEDS)} shapes: {before:.3f} before, after {STEPS} steps {after:.3f} (at least "
        f"{GOAL}); onnxruntime differs from torch by {apart:.1e} (at most {ATOL:.0e}); "
        f"{time.perf_counter() - began:.0f} s"
    )
    return 0 if after >= GOAL and apart <= ATOL else 1


def shapes() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The made-up shapes as a store gives them."""
    made = [made_up(seed, torch.device("cpu")) for seed in SEEDS]
    return (
        torch.stack([stored_pictures(one.pictures[0]) for one in made]),
        torch.stack([first_surface(one.distance[0] > 0) for one in made]),
        torch.cat([one.half for one in made]),
    )


def learn(run: Run, sample: Sample, hull: torch.Tensor, steps: int) -> None:
    """Learn one sample by heart."""
    for step in range(steps):
        for group in run.optimizer.param_groups:
            group["lr"], group["weight_decay"] = RATE * min(1.0, (steps - step) / (0.5 * steps)), 0.0
        loss = depth_loss(run.network(sample.pictures, hull), sample.depth)
        run.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(run.network.parameters(), 1.0)
        run.optimizer.step()
        run.step += 1
    run.mean = {key: value.detach().clone() for key, value in run.network.state_dict().items()}


def within(run: Run, sample: Sample, hull: torch.Tensor) -> float:
    """The share of all pixels whose depth is right to 2 % of the longest side."""
    with torch.no_grad():
        off = (run.network(sample.pictures, hull).depth - sample.depth).abs() / sample.longest[:, None, None, None]
    return (off[~off.isnan()] < 0.02).float().mean().item()


if __name__ == "__main__":
    sys.exit(main())
