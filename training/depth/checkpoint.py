# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The state of a run of the depth network, and its file.

Owns      weights, their running mean, the optimizer, the step and the seconds spent; saving and loading them, whole.
Not here  the loop (`train`).

Everything is stored as float32, 16 bytes a number, so a resumed run goes on bit for bit on a CPU.
"""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.depth.network import Network, NetworkParams, placed


@dataclass
class Run:
    """What changes while training."""

    network: Network
    mean: dict[str, Tensor]  # the running mean of the weights: what is scored and exported
    optimizer: torch.optim.AdamW
    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)  # rows of the curve


def begin(params: NetworkParams, seed: int, device: torch.device) -> Run:
    """A new run."""
    torch.manual_seed(seed)
    network = placed(Network(params), device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=0.02)
    return Run(network, {k: v.detach().clone() for k, v in network.state_dict().items()}, optimizer)


def save(run: Run, path: Path) -> None:
    """Put `run` at `path`, whole or not at all."""
    partial = path.with_suffix(".part")
    torch.save(
        {
            "params": asdict(run.network.params), "step": run.step, "samples": run.samples, "seconds": run.seconds,
            "history": run.history, "weights": run.network.state_dict(), "mean": run.mean,
            "optimizer": run.optimizer.state_dict(),
        },
        partial,
    )  # fmt: skip
    os.replace(partial, path)


def load(path: Path, device: torch.device) -> Run:
    """The run that was saved at `path`."""
    stored = torch.load(path, map_location=device, weights_only=True)
    params = {k: tuple(v) if isinstance(v, (list, tuple)) else v for k, v in stored["params"].items()}
    run = begin(NetworkParams(**params), 0, device)
    run.network.load_state_dict(stored["weights"])
    run.mean = stored["mean"]
    run.optimizer.load_state_dict(stored["optimizer"])
    run.step, run.samples, run.seconds = stored["step"], stored["samples"], stored["seconds"]
    run.history = stored["history"]
    return run


def mean_network(run: Run, device: torch.device) -> Network:
    """The network with the mean's weights, for scores and export."""
    network = placed(Network(run.network.params), device)
    network.load_state_dict(run.mean)
    return network.eval().requires_grad_(False)
