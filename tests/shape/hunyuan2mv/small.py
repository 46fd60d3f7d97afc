# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A small transformer of random numbers, and the plain way through any: every row of every block, all zeros as rows."""

import torch

from fourview.shape.hunyuan2mv.transformer import Transformer, TransformerParams

ROWS_A_VIEW, LATENTS = 37, 24
PLAIN = {torch.float64: 1e-10, torch.float32: 1e-5}  # how near every exact speed-up comes to the plain way


def small(guidance_embed=False, depth=2, depth_single_blocks=2, dtype=torch.float64):
    """Queries and keys are scaled so that some rows are attended to far more than others."""
    torch.manual_seed(depth + 10 * depth_single_blocks)
    params = TransformerParams(8, 12, 64, 4.0, 4, depth, depth_single_blocks, True, guidance_embed)
    transformer = Transformer(params)
    for name, parameter in transformer.named_parameters():
        if parameter.ndim == 2:
            parameter.data = torch.randn(parameter.shape) / parameter.shape[1] ** 0.5
        else:
            parameter.data = (1.5 if name.endswith("norm.scale") else 0) + 0.3 * torch.randn(parameter.shape)
    return transformer.to(dtype).requires_grad_(False)


def drawn(*shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def plain_velocity(transformer, latents, time, context, guidance=None):
    """Modulations for these times alone, as many condition rows as there are, no row left out of any block."""
    modulations = transformer.modulations(time, guidance)[:, :, None]
    x, c = transformer.latent_in(latents), transformer.cond_in(context)
    used = 0
    for block in transformer.double_blocks:
        x, c = block(x, c, modulations[:, used : used + 12])
        used += 12
    rows = torch.cat([c, x], dim=1)
    for block in transformer.single_blocks:
        rows = block(rows, modulations[:, used : used + 3])
        used += 3
    return transformer.final_layer(rows[:, c.shape[1] :], modulations[:, used:])


def difference(found, expected):
    """The largest, as a share of the largest expected number."""
    return ((found - expected).abs().max() / expected.abs().max()).item()
