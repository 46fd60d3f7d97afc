# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Several runs at once: each advances by one step of its own, in passes that they share.

Owns      who is under way and what goes into one pass. Not here: what a step is (`sampler`), threads, queues of jobs.

Every item of a pass has modulations of its own, so runs may sit at different steps of different schedules; they come
and leave between steps (continuous batching, G.-I. Yu et al., "Orca", 2022). Rows of one pass must be equally many:
conditions are grouped by theirs, and so by the number of views; the null condition is one row for every run, so all
of those go together.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from fourview.shape.hunyuan2mv.sampler import Schedule, Steering, guide, steer
from fourview.shape.hunyuan2mv.transformer import Condition, Transformer


@dataclass
class Run:
    """One item under way: its latents `(1, n, c)`, and which steps of its schedule are left."""

    latents: Tensor
    steering: Steering
    lengths: list[float]
    left: list[int]  # without those of length 0, which change nothing


class Batcher:
    """Runs that advance together, at most `most` of them; the rest waits, and whoever came first goes first.

    Of its calls only one may be going on at a time.
    """

    def __init__(self, transformer: Transformer, most: int) -> None:
        self._transformer = transformer
        self._most = most
        self._runs: dict[int, Run] = {}  # by ticket, in the order they came
        self._tickets = 0

    def __len__(self) -> int:
        """How many runs are under way or wait."""
        return len(self._runs)

    def join(self, context: Tensor, latents: Tensor, schedule: Schedule, guidance_scale: float) -> int:
        """Let a run begin, `context (1, m, d)`, `latents (1, n, c)`, and return its ticket."""
        steering = steer(self._transformer, context, schedule, guidance_scale)
        lengths = schedule.lengths
        self._tickets += 1
        self._runs[self._tickets] = Run(latents, steering, lengths, [i for i, length in enumerate(lengths) if length])
        return self._tickets

    def leave(self, ticket: int) -> None:
        """Forget a run; one that is finished has left already."""
        self._runs.pop(ticket, None)

    def step(self) -> dict[int, Tensor]:
        """Advance the first `most` runs by one step; the latents of those that are finished, by ticket."""
        active = dict(islice(self._runs.items(), self._most))
        asked = [
            (run.latents.to(branch.rows.dtype), branch, run.steering.modulations[run.left[0]][None])
            for run in active.values()
            for branch in run.steering.branches
        ]
        velocities = iter(self._velocities(asked))
        for run in active.values():
            velocity = guide([next(velocities) for _ in run.steering.branches], run.steering.guidance_scale)
            run.latents = run.latents + run.lengths[run.left.pop(0)] * velocity.to(run.latents.dtype)
        finished = {ticket: run.latents for ticket, run in active.items() if not run.left}
        for ticket in finished:
            self.leave(ticket)
        return finished

    def _velocities(self, asked: list[tuple[Tensor, Condition, Tensor]]) -> list[Tensor]:
        """One `(1, n, c)` for each of the latents, conditions and modulations; those of equal shape share a pass."""
        passes = defaultdict(list)
        for place, (latents, condition, _) in enumerate(asked):
            passes[latents.shape, condition.rows.shape, condition.log_repeats is None].append(place)
        velocities: dict[int, Tensor] = {}
        for places in passes.values():
            latents_of, conditions, modulations_of = zip(*(asked[place] for place in places), strict=True)
            together = self._transformer.velocity(
                torch.cat(latents_of), _stacked(conditions), torch.cat(modulations_of)
            )
            velocities.update(zip(places, together.split(1), strict=True))
        return [velocities[place] for place in range(len(asked))]


def _stacked(conditions: Sequence[Condition]) -> Condition:
    """Conditions of one kind, `rows (1, m, h)` each, as one."""
    repeats = [condition.log_repeats for condition in conditions if condition.log_repeats is not None]
    return Condition(torch.cat([condition.rows for condition in conditions]), torch.cat(repeats) if repeats else None)
