# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""From noise to latents: the schedule of the steps, and the integration of the velocity.

Owns      schedules, the first noise, guidance, the loop. Not here: the velocity itself (`transformer`).

Flow matching (Y. Lipman et al., 2023): the time runs from 0, noise, to 1, data; the network gives the velocity; Euler's
method integrates it. The turbo models were distilled to a few steps of a fixed table of times (phased consistency
models, F.-Y. Wang et al., 2024) and are integrated in the same way.

Guidance (J. Ho, T. Salimans, "Classifier-free diffusion guidance", 2022) combines the velocity under the condition and
under none: v = v_none + g (v_condition - v_none). For g = 1 only the first is needed, for g = 0 only the second;
g < 0 turns guidance off. Distilled models take g as an input and need one velocity.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fourview.errors import RecipeError
from fourview.progress import Tick, no_tick
from fourview.shape.hunyuan2mv.transformer import Condition, Transformer

TRAINING_TIMES = 1000

Velocity = Callable[[Tensor, int], Tensor]  # of latents (b, n, c) at step i


@dataclass(frozen=True)
class Schedule:
    """Times `sigmas (n + 1,) float32`, rising from 0 to 1; step i walks from sigmas[i] to sigmas[i + 1]."""

    sigmas: Tensor

    @property
    def times(self) -> Tensor:
        """The time input of the network at each step, `(n,)`: thousandths, rounded as in training, 0..1."""
        return self.sigmas[:-1] * TRAINING_TIMES / TRAINING_TIMES

    @property
    def lengths(self) -> list[float]:
        """The length of each step, as many as there are `times`."""
        return self.sigmas.diff().tolist()


def flow_schedule(steps: int, shift: float = 1.0) -> Schedule:
    """Evenly spread times, both ends included: the last of `steps` has length 0."""
    sigmas = torch.linspace(0, 1, steps, dtype=torch.float64)
    return _closed(shift * sigmas / (1 + (shift - 1) * sigmas))


def turbo_schedule(steps: int, table_size: int) -> Schedule:
    """`steps` times of the table that the turbo models were distilled to, `table_size` long, then 1."""
    if steps > table_size:
        raise RecipeError(f"steps is {steps}; the turbo schedule has {table_size} times: ask for fewer, 5 are usual")
    stride = TRAINING_TIMES // table_size
    table = torch.tensor([0, *(stride * k - 1 for k in range(1, table_size))], dtype=torch.float64)
    chosen = np.floor(np.linspace(0, table_size, steps, endpoint=False)).astype(int)
    return _closed(table[torch.from_numpy(chosen)] / (TRAINING_TIMES - 1))


def _closed(sigmas: Tensor) -> Schedule:
    return Schedule(torch.cat([sigmas, torch.ones(1, dtype=sigmas.dtype)]).float())


def noise(rows: int, channels: int, seed: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Standard normal latents `(1, rows, channels)`, drawn on `device` in float32 at least, then rounded to `dtype`.

    torch's CPU generator gives the same numbers on every machine, a GPU's gives others. For half precision, torch 2.13
    rounds float32 as well; 2.6 draws other numbers on a CPU.
    """
    generator = torch.Generator(device).manual_seed(seed)
    wide = torch.promote_types(dtype, torch.float32)
    return torch.randn(1, rows, channels, generator=generator, device=device, dtype=wide).to(dtype)


def denoise(
    transformer: Transformer,
    context: Tensor,
    latents: Tensor,
    schedule: Schedule,
    guidance_scale: float,
    tick: Tick = no_tick,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Walk `latents (b, n, c)` from noise to data under `context (b, m, d)`; they stay in the dtype they come in.

    `tick` is called before every step; `on_step(i, latents)` gets the latents after step i.
    """
    steering = steer(transformer, context, schedule, guidance_scale)
    return walk(lambda latents, i: guided_velocity(transformer, latents, steering, i), latents, schedule, tick, on_step)


def walk(
    velocity: Velocity,
    latents: Tensor,
    schedule: Schedule,
    tick: Tick = no_tick,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """The loop of `denoise` along any `velocity`, which is called in order at the steps with a length."""
    steps = len(schedule.lengths)
    for i, length in enumerate(schedule.lengths):
        tick(i / steps)
        if length:  # that of the last step of a flow schedule is 0
            latents = latents + length * velocity(latents, i).to(latents.dtype)
        if on_step is not None:
            on_step(i, latents)
    return latents


@dataclass(frozen=True)
class Steering:
    """What the velocity of a run depends on besides its latents; computed once, before the first step."""

    branches: tuple[Condition, ...]  # conditions of the velocity: one, or the null condition and one
    guidance_scale: float
    modulations: Tensor  # (steps, k, h)


def steer(transformer: Transformer, context: Tensor, schedule: Schedule, guidance_scale: float) -> Steering:
    """The steering of a run under `context (b, m, d)`, without branches that the guidance does not need."""
    times = schedule.times.to(context.device)
    is_distilled = transformer.params.guidance_embed
    rows = torch.full((len(context),), context.shape[1], device=context.device)
    branches = []
    if not is_distilled and guidance_scale >= 0 and guidance_scale != 1:
        branches.append(transformer.null_condition(rows))
    if is_distilled or guidance_scale != 0:
        branches.append(transformer.condition(context))
    modulations = transformer.modulations(times, torch.full_like(times, guidance_scale) if is_distilled else None)
    return Steering(tuple(branches), guidance_scale, modulations)


def guided_velocity(transformer: Transformer, latents: Tensor, steering: Steering, i: int) -> Tensor:
    """The velocity of `latents (b, n, c)` at step i, in the network's dtype."""
    modulations = steering.modulations[i : i + 1]
    velocities = [
        transformer.velocity(latents.to(branch.rows.dtype), branch, modulations) for branch in steering.branches
    ]
    return guide(velocities, steering.guidance_scale)


def guide(velocities: Sequence[Tensor], guidance_scale: float) -> Tensor:
    """The velocities of a run's branches, combined."""
    if len(velocities) == 1:
        return velocities[0]
    without, conditional = velocities
    return torch.lerp(without, conditional, guidance_scale)
