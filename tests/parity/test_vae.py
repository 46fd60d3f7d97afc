# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Latents become the official tokens, and tokens the official logits."""

import pytest
import torch
from parity.golden import Recording, recorded_vae, recordings

from fourview.shape.hunyuan2mv.vae import sinusoids

TOLERANCE = 1e-5


@pytest.mark.parametrize("path", recordings("vae"))
@torch.inference_mode()
def test_tokens_and_logits_are_the_official_ones(path):
    with Recording(path) as recording:
        vae = recorded_vae(recording)
        latents, points = recording["in.latents_from_sampler"], recording["in.queries"]
        seen = {}
        vae.post_kl.register_forward_hook(
            lambda _, args, out: seen.update({"latents_unscaled": args[0], "post_kl": out})
        )

        tokens = vae.tokens(latents)
        logits = vae(tokens, points)

        for name, value in seen.items():
            recording.agree(f"mid.{name}", value, TOLERANCE)
        recording.agree("out.tokens", tokens, TOLERANCE)
        recording.agree("mid.fourier", sinusoids(points, vae.points.frequencies), TOLERANCE)
        recording.agree("out.logits", logits[..., None], TOLERANCE)
