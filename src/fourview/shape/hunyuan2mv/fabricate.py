# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny checkpoint of random numbers in the official layout, so that the whole engine runs without the weights.

Owns      its sizes, and that its field is a lumpy ball. Not here: reading it (`checkpoint`).

The field of a random network has no usable surface. So the last layer, a single row, is fitted by least squares toward
a ball, over points and over latents like those of the sampler. Lumps remain, and they depend on the pictures and the
seed.
"""

import re
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import yaml
from safetensors.torch import save_file
from torch import Tensor, nn

from fourview.errors import OutputError, RecipeError
from fourview.shape.hunyuan2mv.checkpoint import NetworkParams, network_params
from fourview.shape.hunyuan2mv.conditioner import Conditioner
from fourview.shape.hunyuan2mv.sampler import denoise
from fourview.shape.hunyuan2mv.tensor_names import CONDITIONER_NAMES, TRANSFORMER_NAMES, VAE_NAMES, Names, renames
from fourview.shape.hunyuan2mv.transformer import Transformer
from fourview.shape.hunyuan2mv.vae import ShapeVae

VARIANTS = ("base", "fast", "turbo")
RADIUS = 0.85  # of the ball, box units
SHAPES, STEPS, POINTS = 192, 4, 32  # runs to whose latents the last row is fitted, and points of each
RIDGE = 1e-3  # keeps the row small, so that other pictures change the ball only a little


@torch.no_grad()
def fabricate(folder: Path, variant: str = "base", seed: int = 0) -> None:
    """Write `config.yaml` and `model.fp16.safetensors` into `folder`, new or empty; the same for the same `seed`."""
    if variant not in VARIANTS:
        raise RecipeError(f"variant is {variant!r}; it takes one of {', '.join(VARIANTS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"'{folder}' is there already and not an empty folder; name a new one")
    config = _config(variant)
    params = network_params(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        conditioner, transformer = Conditioner(params.dino, params.image_size), Transformer(params.transformer)
        vae = ShapeVae(params.vae)
        for module in (conditioner, transformer, vae):
            _fill(module)
        _calm(vae)
        _fit(params, conditioner, transformer, vae)
    tensors = (
        _named(conditioner.dino, "conditioner.main_image_encoder.model.", CONDITIONER_NAMES)
        | _named(transformer, "model.", TRANSFORMER_NAMES)
        | _named(vae, "vae.", VAE_NAMES)
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        save_file(tensors, folder / "model.fp16.safetensors")
    except OSError as error:
        raise OutputError(f"'{folder}' cannot be written ({error.strerror}); name a folder that can") from error


def _config(variant: str) -> dict[str, Any]:
    package = "hy3dgen.shapegen"
    turbo = variant == "turbo"
    scheduler = "ConsistencyFlowMatchEulerDiscreteScheduler" if turbo else "FlowMatchEulerDiscreteScheduler"
    dino = {
        "hidden_size": 48, "image_size": 56, "layer_norm_eps": 1e-6, "mlp_ratio": 4, "model_type": "dinov2",
        "num_attention_heads": 4, "num_channels": 3, "num_hidden_layers": 2, "patch_size": 14, "qkv_bias": True,
        "use_swiglu_ffn": True,
    }  # fmt: skip
    return {
        "model": {
            "target": f"{package}.models.Hunyuan3DDiT",
            "params": {
                "in_channels": 16, "context_in_dim": 48, "hidden_size": 64, "mlp_ratio": 4.0, "num_heads": 4,
                "depth": 2, "depth_single_blocks": 2, "axes_dim": [16], "theta": 10000, "qkv_bias": True,
                "guidance_embed": variant != "base",
            },
        },
        "vae": {
            "target": f"{package}.models.ShapeVAE",
            "params": {
                "num_latents": 64, "embed_dim": 16, "num_freqs": 8, "include_pi": False, "heads": 4, "width": 64,
                "num_decoder_layers": 2, "qkv_bias": False, "qk_norm": True, "scale_factor": 0.9990943042622529,
            },
        },
        "conditioner": {
            "target": f"{package}.models.SingleImageEncoder",
            "params": {
                "main_image_encoder": {"type": "DinoImageEncoderMV", "kwargs": {"config": dino, "image_size": 56}}
            },
        },
        "scheduler": {
            "target": f"{package}.schedulers.{scheduler}",
            "params": {"num_train_timesteps": 1000} | ({"pcm_timesteps": 100} if turbo else {}),
        },
        "image_processor": {
            "target": f"{package}.preprocessors.MVImageProcessorV2",
            "params": {"size": 64, "border_ratio": 0.15},
        },
        "pipeline": {"target": f"{package}.pipelines.Hunyuan3DDiTFlowMatchingPipeline"},
    }  # fmt: skip


def _fill(module: nn.Module) -> None:
    """Random numbers, scaled so that rows keep about their size; rounded to float16, as in the file."""
    for parameter in module.parameters():
        fresh = torch.randn(parameter.shape)
        if parameter.ndim == 1:  # biases, norms, scales
            fresh = parameter + 0.1 * fresh if parameter.any() else 0.1 * fresh
        else:
            fresh = fresh / parameter[0].numel() ** 0.5
        parameter.copy_(fresh.half())


def _calm(vae: ShapeVae) -> None:
    """Weaken fast sinusoids, so that the field is smooth, as trained ones are."""
    rates = torch.tensor(vae.points.frequencies).repeat(6)
    vae.points.query_proj.weight[:, 3:] /= rates**2
    vae.points.query_proj.weight.copy_(vae.points.query_proj.weight.half())


def _fit(params: NetworkParams, conditioner: Conditioner, transformer: Transformer, vae: ShapeVae) -> None:
    """Fit the last row of the VAE to a ball."""
    features: list[Tensor] = []
    last = vae.points.output_proj
    hook = last.register_forward_hook(lambda module, inputs, output: features.append(inputs[0]))
    side = params.preprocess.size
    context = conditioner(2 * torch.rand(SHAPES, 2, 3, side, side) - 1, [(0, 2)] * SHAPES)
    first = torch.randn(SHAPES, params.vae.num_latents, params.vae.embed_dim)
    latents = denoise(transformer, context, first, params.schedule.schedule(STEPS), 5.0)
    points = F.normalize(torch.randn(SHAPES, POINTS, 3), dim=-1) * 2 * RADIUS * torch.rand(SHAPES, POINTS, 1)
    vae(vae.tokens(latents), points)
    hook.remove()
    rows = features[0].flatten(0, 1).double()  # (shapes points, width)
    rows = torch.cat([rows, torch.ones(len(rows), 1)], dim=1)
    target = RADIUS - points.flatten(0, 1).norm(dim=1).double()
    moment = rows.T @ rows / len(rows) + RIDGE * torch.eye(rows.shape[1])
    solved = torch.linalg.solve(moment, rows.T @ target / len(rows))
    last.weight.copy_(solved[None, :-1].half())
    last.bias.copy_(solved[-1:].half())


def _named(module: nn.Module, prefix: str, names: Names) -> dict[str, Tensor]:
    """The tensors of `module` by their official names, float16."""
    back = renames(tuple((ours, official) for official, ours in names))
    named = {}
    for name, tensor in module.state_dict().items():
        for pattern, official in back:
            name, count = re.subn(pattern, official, name)
            if count:
                break
        named[prefix + name] = tensor.half().contiguous()
    return named
