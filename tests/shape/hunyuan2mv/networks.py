# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Networks of any size with random weights."""

import torch
from torch import nn

from fourview.shape.hunyuan2mv.checkpoint import Network, NetworkParams, ScheduleParams
from fourview.shape.hunyuan2mv.conditioner import Conditioner, DinoParams
from fourview.shape.hunyuan2mv.preprocess import PreprocessParams
from fourview.shape.hunyuan2mv.transformer import Transformer, TransformerParams
from fourview.shape.hunyuan2mv.vae import ShapeVae, VaeParams

OFFICIAL = NetworkParams(
    PreprocessParams(512, 0.15),
    DinoParams(1536, 40, 24, 4, 3, 14, 518, 1e-6, True),
    518,
    TransformerParams(64, 1536, 1024, 4.0, 16, 16, 32, True, False),
    ScheduleParams(1.0, None),
    VaeParams(3072, 64, 8, False, 16, 1024, 16, False, True, 0.9990943042622529, 4, 1, True),
)
SMALL = NetworkParams(
    PreprocessParams(70, 0.15),
    DinoParams(128, 3, 2, 4, 3, 14, 70, 1e-6, True),
    70,
    TransformerParams(16, 128, 128, 4.0, 2, 2, 3, True, False),
    ScheduleParams(1.0, None),
    VaeParams(96, 16, 8, False, 2, 128, 3, False, True, 1.0, 4, 1, True),
)


def network(params: NetworkParams, device: str = "cpu", dtype: torch.dtype = torch.float32, seed: int = 0) -> Network:
    """Weights of all three networks drawn anew."""
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(seed)
        parts = Conditioner(params.dino, params.image_size), Transformer(params.transformer), ShapeVae(params.vae)
        for part in parts:
            randomize(part)
    return Network(params, *(part.to(dtype).eval() for part in parts))


@torch.no_grad()
def randomize(module: nn.Module) -> None:
    """Matrices that keep the size of what they multiply, and small numbers elsewhere."""
    for tensor in module.parameters():
        if tensor.ndim > 1:
            tensor.normal_(std=tensor[0].numel() ** -0.5)
        else:
            tensor.add_(torch.randn_like(tensor), alpha=0.1)
