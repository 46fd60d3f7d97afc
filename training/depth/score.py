# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How far visible depth is off on objects that were never learnt, by kind, beside the hull's own.

Owns      median, mean and the share of pixels within 2 % of the longest side, over front and back, and its table.
Not here  volumes and meshes (`benchmarks/`).

The median and the mean are those of all pixels together; the share within 2 % is the mean of the objects' shares, so a
thin animal counts as much as a cupboard; `pixels` is the share of all pixels.
"""

from collections import defaultdict

import torch
import torch.nn.functional as F
from torch import Tensor

from training.depth.hulls import Hulls
from training.depth.network import Network
from training.depth.sample import PIXELS, Sample, plain
from training.depth.store import Store

WITHIN = 0.02
AT_ONCE = 8

Score = dict[str, float]


class Scorer:
    """Objects of a store that are scored again and again; their hulls are worked out once."""

    def __init__(self, store: Store, count: int | None, device: torch.device, given: tuple[int, ...] = (1, 1, 1, 1)):
        self.kinds = store.words()["categories"][:count]
        self.samples: list[Sample] = []
        self.hulls: list[Tensor] = []
        for start in range(0, len(self.kinds), AT_ONCE):
            index = range(start, min(start + AT_ONCE, len(self.kinds)))
            pictures, first, half = (part.to(device) for part in store.take(index))
            self.samples.append(plain((pictures, first, half), given))
            self.hulls.append(Hulls().start(self.samples[-1].pictures)())

    def hull(self) -> dict[str, Score]:
        """What the hull itself reaches; half the frame where it is missed."""
        depths = [F.interpolate(h, size=(PIXELS, PIXELS), mode="nearest") for h in self.hulls]
        return self._scores([torch.where(d < 0, 0.5, d) for d in depths])

    def network(self, network: Network, is_bf16: bool) -> dict[str, Score]:
        """What the network reaches."""
        depths = []
        for sample, hull in zip(self.samples, self.hulls, strict=True):
            with torch.no_grad(), torch.autocast(sample.pictures.device.type, torch.bfloat16, enabled=is_bf16):
                depths.append(network(sample.pictures, hull).depth)
        return self._scores(depths)

    def _scores(self, depths: list[Tensor]) -> dict[str, Score]:
        """By kind, and "all"."""
        errors = defaultdict(list)
        kinds = iter(self.kinds)
        for depth, sample in zip(depths, self.samples, strict=True):
            off = (depth - sample.depth).abs() / sample.longest[:, None, None, None]
            for one in off[:, [0, 2]]:
                error = one[~one.isnan()]
                errors["all"].append(error)
                errors[next(kinds)].append(error)
        return {kind: _score(errors[kind]) for kind in ("all", *sorted(set(errors) - {"all"}))}


def _score(errors: list[Tensor]) -> Score:
    every = torch.cat(errors)
    shares = [(error < WITHIN).float().mean() for error in errors]
    return {
        "median": every.median().item(), "mean": every.mean().item(), "within": torch.stack(shares).mean().item(),
        "pixels": (every < WITHIN).float().mean().item(), "objects": len(errors),
    }  # fmt: skip


def words(score: Score) -> str:
    """One score in a line."""
    return (
        f"median {score['median']:.2%} mean {score['mean']:.2%} within 2 % {score['within']:.3f} "
        f"(of pixels {score['pixels']:.3f})"
    )


def table(columns: dict[str, dict[str, Score]]) -> str:
    """The share within 2 % by kind, a column for each of `columns`."""
    kinds = list(next(iter(columns.values())))
    lines = ["| kind | objects | " + " | ".join(columns) + " |", "|---" * (2 + len(columns)) + "|"]
    for kind in kinds:
        found = [scores[kind] for scores in columns.values()]
        lines.append(f"| {kind} | {found[0]['objects']} | " + " | ".join(f"{s['within']:.3f}" for s in found) + " |")
    return "\n".join(lines)
