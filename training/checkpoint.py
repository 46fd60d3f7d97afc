# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The state of a run, and its file: 10 bytes a parameter, so that it stays under 16 MB.

Owns      weights, their running mean, the optimizer, the step and the seconds spent; saving and loading them.
Not here  the loop (`train`).

Weights are stored as float32; the mean's difference to them as float16; Adam's two moments as bfloat16. Saving rounds
the running state in the same way, so a run that is resumed goes on exactly as one that was not.
"""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.network import Network, NetworkParams, placed


@dataclass
class Run:
    """What changes while training."""

    network: Network
    mean: dict[str, Tensor]  # the running mean of the weights: what is evaluated and exported
    optimizer: torch.optim.AdamW
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)  # rows of the curve


def begin(params: NetworkParams, seed: int, device: torch.device) -> Run:
    """A new run."""
    torch.manual_seed(seed)
    network = placed(Network(params), device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=0.02)
    return Run(network, {k: v.detach().clone() for k, v in network.state_dict().items()}, optimizer)


def save(run: Run, path: Path) -> None:
    """Put `run` at `path`, whole or not at all, and round it to what the file holds."""
    weights = run.network.state_dict()
    less = {k: (run.mean[k] - v).half() for k, v in weights.items()}
    moments = {}
    for name, parameter in run.network.named_parameters():
        state = run.optimizer.state[parameter]
        moments[name] = {key: state[key].bfloat16() for key in ("exp_avg", "exp_avg_sq")} if state else {}
    partial = path.with_suffix(".part")
    torch.save(
        {
            "params": asdict(run.network.params), "step": run.step, "seconds": run.seconds, "history": run.history,
            "weights": weights, "less": less, "moments": moments,
        },
        partial,
    )  # fmt: skip
    os.replace(partial, path)
    _set(run, less, moments)


def load(path: Path, device: torch.device) -> Run:
    """The run that was saved at `path`."""
    stored = torch.load(path, map_location=device, weights_only=True)
    params = NetworkParams(**{k: tuple(v) if isinstance(v, (list, tuple)) else v for k, v in stored["params"].items()})
    run = begin(params, 0, device)
    run.network.load_state_dict(stored["weights"])
    run.step, run.seconds, run.history = stored["step"], stored["seconds"], stored["history"]
    _set(run, stored["less"], stored["moments"])
    return run


def mean_network(run: Run, device: torch.device) -> Network:
    """The network with the mean's weights, for evaluation."""
    network = placed(Network(run.network.params), device)
    network.load_state_dict(run.mean)
    return network.eval().requires_grad_(False)


def _set(run: Run, less: dict[str, Tensor], moments: dict[str, dict[str, Tensor]]) -> None:
    """The mean and the optimizer's state from what a file holds."""
    run.mean = {k: v + less[k].float() for k, v in run.network.state_dict().items()}
    for name, parameter in run.network.named_parameters():
        if moments[name]:
            run.optimizer.state[parameter] = {
                "step": torch.tensor(float(run.step)),
                **{key: torch.empty_like(parameter).copy_(value) for key, value in moments[name].items()},
            }
