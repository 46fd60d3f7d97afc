# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""From references and maps to painted views: latents, the steps, decoding.

Owns      the order of random draws, guidance, both schedules, the loop, decoding one view at a time.
Not here  the network (`network`), the pictures' numbers (`pictures`), attention masks (`masks`).

Standard: Euler ancestral steps with classifier-free guidance. Turbo: latent consistency steps (S. Luo et al., 2023)
without guidance. Random numbers come from torch's CPU generator, so that a seed means the same on every machine: one
generator for the posteriors (references, normals, positions), another with the same seed for the walk.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from diffusers import EulerAncestralDiscreteScheduler, LCMScheduler
from torch import Tensor

from fourview.arrays import Byte
from fourview.errors import RecipeError
from fourview.progress import Tick, no_tick, part
from fourview.texture.paint.block import Call
from fourview.texture.paint.checkpoint import Painter
from fourview.texture.paint.network import PaintNetwork
from fourview.texture.paint.pictures import as_codes, map_pixels, pixels

GUIDANCE = 2.0
STEPS = {"standard": 30, "turbo": 10}
TURBO_GRID = 30  # times that the turbo weights were distilled to

OnStep = Callable[[int, Tensor, Tensor], None]  # step, model output after guidance, latents after it


@dataclass(frozen=True)
class Conditions:
    """Scaled latents: `references (1, r, 4, h, w)`, `normals` and `positions (1, n, 4, h, w)`; `cameras (1, n)`."""

    references: Tensor
    normals: Tensor
    positions: Tensor
    cameras: Tensor


@dataclass(frozen=True)
class Sampling:
    """How views are painted. `variant`: standard or turbo; `prepared` False takes the plain path, for comparison."""

    variant: str = "standard"
    steps: int | None = None
    seed: int = 0
    guidance: float = GUIDANCE
    prepared: bool = True
    masks: Mapping[int, Tensor] = field(default_factory=dict)


@torch.no_grad()
def paint_views(
    painter: Painter,
    references: Byte,
    normals: Byte,
    positions: Byte,
    cameras: list[int],
    sampling: Sampling,
    tick: Tick = no_tick,
    on_step: OnStep | None = None,
) -> Byte:
    """Painted views `(n, s, s, 3)` of maps `(n, s, s, 3)` after `references (r, s, s, 3)`, all 8 bits RGB."""
    conditions = encode(painter, references, normals, positions, cameras, sampling.seed, part(tick, 0, 0.05))
    latents = sample(painter, conditions, sampling, part(tick, 0.05, 0.95), on_step)
    return decode(painter.vae, latents, part(tick, 0.95, 1))


def encode(
    painter: Painter,
    references: Byte,
    normals: Byte,
    positions: Byte,
    cameras: list[int],
    seed: int,
    tick: Tick = no_tick,
) -> Conditions:
    """The latents that condition the views: each a random draw from its posterior."""
    generator = torch.Generator().manual_seed(seed)
    kinds = [pixels(references), map_pixels(normals), map_pixels(positions)]
    latents = []
    for number, batch in enumerate(kinds):
        tick(number / len(kinds))
        latents.append(_drawn(painter.vae, batch, generator)[None])
    return Conditions(latents[0], latents[1], latents[2], torch.tensor([cameras], device=painter.vae.device))


def posterior(vae: Any, batch: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance of pictures `(n, 3, s, s)`, encoded one by one."""
    found = [vae.encode(one[None].to(vae.device, vae.dtype)).latent_dist for one in batch]
    return torch.cat([p.mean for p in found]), torch.cat([p.logvar for p in found])


def _drawn(vae: Any, batch: Tensor, generator: torch.Generator) -> Tensor:
    mean, log_variance = posterior(vae, batch)
    noise = torch.randn(mean.shape, generator=generator).to(mean)
    drawn: Tensor = (mean + torch.exp(0.5 * log_variance) * noise) * vae.config["scaling_factor"]
    return drawn


def scheduler_for(config: Mapping[str, Any], variant: str, steps: int) -> Any:
    """The scheduler of diffusers with its times set, from the folder's config; raises `RecipeError`."""
    if variant == "standard":
        euler = EulerAncestralDiscreteScheduler.from_config(dict(config), timestep_spacing="trailing")
        euler.set_timesteps(steps)
        return euler
    if variant != "turbo":
        raise RecipeError(f"paint_variant is {variant!r}; expected standard or turbo")
    if not 1 <= steps <= TURBO_GRID:
        raise RecipeError(f"paint_steps is {steps}; the turbo model has {TURBO_GRID} times: ask for 1 to {TURBO_GRID}")
    lcm = LCMScheduler.from_config(dict(config), timestep_spacing="trailing")
    lcm.set_timesteps(steps, original_inference_steps=TURBO_GRID)
    return lcm


@torch.no_grad()
def sample(
    painter: Painter, conditions: Conditions, sampling: Sampling, tick: Tick = no_tick, on_step: OnStep | None = None
) -> Tensor:
    """Walk from noise to the latents of the views, `(n, 4, h, w) float32`. `tick` is asked before every step."""
    network = painter.network
    steps = sampling.steps or STEPS[sampling.variant]
    scheduler = scheduler_for(painter.schedule, sampling.variant, steps)
    guided = sampling.variant == "standard" and sampling.guidance != 1
    wide = torch.promote_types(network.prompt.dtype, torch.float32)
    device = network.prompt.device
    predict = predictor(network, conditions, sampling, guided)
    generator = torch.Generator().manual_seed(sampling.seed)
    noise = torch.randn(conditions.normals.shape[1:], generator=generator)
    latents = noise.to(device, wide) * scheduler.init_noise_sigma
    for i, time in enumerate(scheduler.timesteps):
        tick(i / steps)
        out = predict(scheduler.scale_model_input(latents, time), time)
        latents = scheduler.step(out, time, latents, generator=generator, return_dict=False)[0]
        if on_step is not None:
            on_step(i, out, latents)
    return latents


def predictor(
    network: PaintNetwork, conditions: Conditions, sampling: Sampling, guided: bool
) -> Callable[[Tensor, Tensor], Tensor]:
    """A function of scaled latents `(n, 4, h, w)` and a time: the prediction after guidance, in the latents' dtype."""
    dtype = network.prompt.dtype
    items = 2 if guided else 1  # the unconditional item first
    fixed = [x.to(dtype).expand(items, *x.shape[1:]) for x in (conditions.normals, conditions.positions)]
    cameras = conditions.cameras.expand(items, -1)
    references = conditions.references.to(dtype)
    views = conditions.normals.shape[1]
    text = network.prompt
    if guided:
        text = torch.cat([torch.zeros_like(text), text])
    call = Call(views, masks=sampling.masks)
    if sampling.prepared:
        call.prepared = network.prepare(network.references(references), network.prompt)
        call.unconditional = items - 1
    elif guided:
        call.reference_scale = torch.tensor([0.0, 1.0], device=text.device, dtype=dtype)

    def predict(latents: Tensor, time: Tensor) -> Tensor:
        if not sampling.prepared:  # as the official program does: both items, every step
            both = torch.cat([torch.zeros_like(references), references]) if guided else references
            call.read = network.references(both)
        batch = latents.to(dtype)[None].expand(items, *latents.shape)
        out = network(batch, *fixed, text, cameras, time, call).to(latents.dtype)
        return out[0] + sampling.guidance * (out[1] - out[0]) if guided else out[0]

    return predict


def decode(vae: Any, latents: Tensor, tick: Tick = no_tick) -> Byte:
    """8-bit views `(n, s, s, 3)` of latents `(n, 4, h, w)`, one at a time."""
    views = []
    for number, one in enumerate(latents):
        tick(number / len(latents))
        scaled = (one[None] / vae.config["scaling_factor"]).to(vae.dtype)
        views.append(as_codes(vae.decode(scaled, return_dict=False)[0])[0])
    return np.stack(views)
