# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Shortcuts that change the result a little: each is off unless it is named, and the report names those that are on.

Owns      the list of shortcuts, and the two that skip whole computations of a step.
Not here  fewer keys for a point (`key_selection`), coarser weights (`int8`); savings that change only rounding have no
          switch (`transformer`, `attention`).

    guidance-interval  guidance only in the middle of the walk, one branch outside: T. Kynkaanniemi et al., "Applying
                       guidance in a limited interval improves sample and distribution quality in diffusion models",
                       2024
    velocity-cache     every second velocity is extrapolated by a line through the last two computed ones: the first
                       order of J. Liu et al., "From reusing to forecasting: accelerating diffusion models with
                       TaylorSeers", 2025, for the velocity alone
    flashvdm           `key_selection`
    turbo-vae          the official smaller decoder instead of the checkpoint's own, as official FlashVDM takes it
    int8               `int8`

docs/how/hunyuan2mv_memory.md has what each costs and saves.
"""

import dataclasses
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fourview.errors import RecipeError
from fourview.shape.hunyuan2mv.sampler import Schedule, Velocity, guided_velocity, steer
from fourview.shape.hunyuan2mv.transformer import Transformer

# Chosen for Stable Diffusion XL in the paper, as (0.28, 5.42] of noise over data; that is (1 - t) / t at our time t.
# It has not been tuned for shapes.
GUIDANCE_INTERVAL = (1 / (1 + 5.42), 1 / (1 + 0.28))
WARM_UP = 3  # velocities that are computed before the first is extrapolated; the first steps matter most
EVERY = 2  # of the others, one in so many is computed


@dataclass(frozen=True)
class Approximations:
    """Which are on; a word is the name of its field, with hyphens."""

    guidance_interval: bool = False
    velocity_cache: bool = False
    flashvdm: bool = False
    turbo_vae: bool = False
    int8: bool = False

    @classmethod
    def of(cls, words: Iterable[str]) -> "Approximations":
        """Those that `words` name; raises `RecipeError`."""
        names = {field.name.replace("_", "-"): field.name for field in dataclasses.fields(cls)}
        asked = list(words)
        for word in asked:
            if word not in names:
                raise RecipeError(f"there is no approximation '{word}'; take any of {', '.join(names)}, or none")
        return cls(**{names[word]: True for word in asked})

    @property
    def words(self) -> tuple[str, ...]:
        """The words of those that are on."""
        return tuple(name.replace("_", "-") for name, is_on in dataclasses.asdict(self).items() if is_on)


def approximate_velocity(
    transformer: Transformer,
    context: Tensor,
    schedule: Schedule,
    guidance_scale: float,
    approximations: Approximations,
) -> Velocity:
    """What `sampler.walk` walks along, under `context (b, m, d)`; with nothing on, what `sampler.denoise` does."""
    steering = steer(transformer, context, schedule, guidance_scale)
    conditional = replace(steering, branches=steering.branches[-1:])
    has_interval = approximations.guidance_interval and len(steering.branches) > 1
    low, high = GUIDANCE_INTERVAL if has_interval else (0.0, 1.0)
    is_guided = [low <= time < high for time in schedule.sigmas[:-1].tolist()]

    def velocity(latents: Tensor, i: int) -> Tensor:
        return guided_velocity(transformer, latents, steering if is_guided[i] else conditional, i)

    jumps = {i for i in range(1, len(is_guided)) if is_guided[i] != is_guided[i - 1]}
    return forecast(velocity, schedule, jumps) if approximations.velocity_cache else velocity


def forecast(velocity: Velocity, schedule: Schedule, jumps: Collection[int] = ()) -> Velocity:
    """`velocity` at some steps, and a line through its last two values at the others; ask once a step, in order.

    No line crosses the steps in `jumps`, where the velocity changes abruptly.
    """
    times = schedule.sigmas.tolist()
    computed = computed_steps(schedule, jumps)
    known: list[tuple[float, Tensor]] = []  # time and velocity, the last two

    def at(latents: Tensor, i: int) -> Tensor:
        if i in computed:
            known.append((times[i], velocity(latents, i)))
            del known[:-2]
            return known[-1][1]
        (time_0, velocity_0), (time_1, velocity_1) = known
        return torch.lerp(velocity_0, velocity_1, (times[i] - time_0) / (time_1 - time_0))

    return at


def computed_steps(schedule: Schedule, jumps: Collection[int] = ()) -> set[int]:
    """The steps at which `forecast` computes: the first ones, those after a jump, every other one, and the last."""
    walked = [i for i, length in enumerate(schedule.lengths) if length]
    since = 0
    computed = set(walked[-1:])
    for i in walked:
        since = 0 if i in jumps else since
        if since < WARM_UP or (since - WARM_UP) % EVERY == EVERY - 1:
            computed.add(i)
        since += 1
    return computed
