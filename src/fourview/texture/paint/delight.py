# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A picture without its light: what Hunyuan3D's delight network makes of it.

Owns      the walk of the delight network. Not here: its folder (`checkpoint`), the picture's edges (`pictures`).

InstructPix2Pix (T. Brooks et al., 2023) with the empty prompt and without guidance, as the official program runs it:
the picture's latents (the posterior's mode, not scaled) stand behind the noisy ones on the channel axis.
"""

from collections.abc import Callable

import torch
from diffusers import EulerAncestralDiscreteScheduler
from torch import Tensor

from fourview.arrays import Byte
from fourview.progress import Tick, no_tick
from fourview.texture.paint.checkpoint import Delighter
from fourview.texture.paint.pictures import as_codes, fitted, on_white, pixels, recoloured, shrunk_alpha

STEPS = 50
SEED = 42  # the official program's own, whatever the seed of the run

OnStep = Callable[[int, Tensor, Tensor], None]  # step, model output, latents after it


def delight(
    delighter: Delighter, picture: Byte, side: int, tick: Tick = no_tick, on_step: OnStep | None = None
) -> Byte:
    """`picture (h, w, 3 or 4)` with flat light, on white, `(side, side, 3)`."""
    colours, alpha = shrunk_alpha(fitted(picture, side))
    lit = _repainted(delighter, colours, tick, on_step)
    share = torch.from_numpy(alpha).float()[..., None] / 255
    model, target = (torch.from_numpy(x.copy()).float() / 255 for x in (lit, colours))
    return on_white(recoloured(model, target, share), share)


@torch.no_grad()
def _repainted(delighter: Delighter, colours: Byte, tick: Tick, on_step: OnStep | None) -> Byte:
    """What the network itself makes of RGB `(s, s, 3)`."""
    vae, unet = delighter.vae, delighter.unet
    device, dtype = unet.device, unet.dtype
    # Official pictures reach this VAE channels-last; on a CPU torch 2.13 then differs by 1e-3 in the latents.
    seen = pixels(colours[None]).to(device, dtype, memory_format=torch.channels_last)
    given = vae.encode(seen).latent_dist.mode()
    scheduler = EulerAncestralDiscreteScheduler.from_config(delighter.schedule)
    scheduler.set_timesteps(STEPS, device=device)
    generator = torch.Generator().manual_seed(SEED)
    noise = torch.randn(given.shape, generator=generator)
    latents = noise.to(device) * scheduler.init_noise_sigma
    for i, time in enumerate(scheduler.timesteps):
        tick(i / STEPS)
        scaled = scheduler.scale_model_input(latents, time).to(dtype)
        out = unet(torch.cat([scaled, given], dim=1), time, encoder_hidden_states=delighter.prompt, return_dict=False)[
            0
        ]
        latents = scheduler.step(out.float(), time, latents, generator=generator, return_dict=False)[0]
        if on_step is not None:
            on_step(i, out, latents)
    decoded = vae.decode(latents.to(dtype) / vae.config["scaling_factor"], return_dict=False)[0]
    return as_codes(decoded)[0]
