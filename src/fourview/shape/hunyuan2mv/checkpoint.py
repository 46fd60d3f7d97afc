# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A folder in the official layout becomes the network.

Owns      which sizes stand where in `config.yaml`, and what each tensor of the files is called here.
Not here  reading files, strictness (`weights.load`).

Sizes come from the checkpoint alone; our params have no defaults. Where official code has one for a size that no
config names, it stands in `UNNAMED`.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from typing import Any, TypeVar, get_type_hints

import torch
from torch import nn

from fourview.errors import CheckpointError
from fourview.shape.hunyuan2mv.conditioner import Conditioner, DinoParams
from fourview.shape.hunyuan2mv.preprocess import PreprocessParams
from fourview.shape.hunyuan2mv.sampler import Schedule, flow_schedule, turbo_schedule
from fourview.shape.hunyuan2mv.tensor_names import (
    CONDITIONER_NAMES,
    TRANSFORMER_NAMES,
    VAE_ENCODER,
    VAE_NAMES,
    Names,
    renames,
)
from fourview.shape.hunyuan2mv.transformer import Transformer, TransformerParams
from fourview.shape.hunyuan2mv.vae import ShapeVae, VaeParams
from fourview.weights.load import Checkpoint, fill, fitting, open_checkpoint

P = TypeVar("P")

UNNAMED = {
    "guidance_embed": False,
    "geo_decoder_mlp_expand_ratio": 4,
    "geo_decoder_downsample_ratio": 1,
    "geo_decoder_ln_post": True,
    "shift": 1.0,
    "pcm_timesteps": 50,
}
# In the configs, without a meaning for what is computed: there is no rotary embedding, and nothing is trained.
WITHOUT_MEANING = {
    "axes_dim", "theta", "num_encoder_layers", "num_train_timesteps", "attention_probs_dropout_prob", "drop_path_rate",
    "hidden_dropout_prob", "initializer_range", "layerscale_value", "model_type", "torch_dtype", "hidden_act",
    "use_swiglu_ffn", "architectures", "transformers_version",
}  # fmt: skip


@dataclass(frozen=True)
class ScheduleParams:
    """How a checkpoint wants its steps: `table_size` is the turbo models' number of times, None for flow models."""

    shift: float
    table_size: int | None

    def schedule(self, steps: int) -> Schedule:
        """The times of `steps` steps."""
        return flow_schedule(steps, self.shift) if self.table_size is None else turbo_schedule(steps, self.table_size)


@dataclass(frozen=True)
class NetworkParams:
    """All sizes of one checkpoint."""

    preprocess: PreprocessParams
    dino: DinoParams
    image_size: int  # px, what the vision transformer sees
    transformer: TransformerParams
    schedule: ScheduleParams
    vae: VaeParams

    @property
    def variant(self) -> str:
        """`base`, `fast` (guidance distilled) or `turbo` (steps distilled)."""
        if self.schedule.table_size is not None:
            return "turbo"
        return "fast" if self.transformer.guidance_embed else "base"


@dataclass(frozen=True)
class Network:
    """The three networks of a checkpoint, ready to run."""

    params: NetworkParams
    conditioner: Conditioner
    transformer: Transformer
    vae: ShapeVae


def network_params(config: Mapping[str, Any]) -> NetworkParams:
    """The sizes in a `config.yaml`; raises `CheckpointError` on what is missing, unknown or not multi-view."""
    encoder = _at(config, "conditioner", "params", "main_image_encoder")
    if encoder.get("type") != "DinoImageEncoderMV":
        raise CheckpointError(
            f"the checkpoint's image encoder is {encoder.get('type')!r}, that of a single-view model; the engine "
            "'hunyuan2mv' needs 'DinoImageEncoderMV': take a checkpoint of Hunyuan3D-2mv"
        )
    dino = _at(encoder, "kwargs", "config")
    if not dino.get("use_swiglu_ffn"):
        raise CheckpointError("the checkpoint's image encoder has no gated MLP (use_swiglu_ffn); expected DINOv2 giant")
    scheduler = _at(config, "scheduler")
    kinds = {"FlowMatchEulerDiscreteScheduler": False, "ConsistencyFlowMatchEulerDiscreteScheduler": True}
    kind = str(scheduler.get("target", "")).rpartition(".")[2]
    if kind not in kinds:
        raise CheckpointError(f"the checkpoint's scheduler is {kind!r}; expected one of {', '.join(kinds)}")
    steps = {**UNNAMED, **(scheduler.get("params") or {})}
    return NetworkParams(
        _params(PreprocessParams, _at(config, "image_processor", "params")),
        _params(DinoParams, dino),
        _number(int, "image_size", _at(encoder, "kwargs").get("image_size")),
        _params(TransformerParams, _at(config, "model", "params")),
        ScheduleParams(
            _number(float, "shift", steps["shift"]),
            _number(int, "pcm_timesteps", steps["pcm_timesteps"]) if kinds[kind] else None,
        ),
        _params(VaeParams, _at(config, "vae", "params")),
    )


def vae_params(config: Mapping[str, Any]) -> VaeParams:
    """The sizes in the `config.yaml` of a folder that holds nothing but a VAE."""
    return _params(VaeParams, _at(config, "params"))


def load_network(
    folder: str | PathLike[str], device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> Network:
    """The network in `folder`, on `device`; `dtype` None keeps the files'. Raises `CheckpointError`."""
    checkpoint = open_checkpoint(folder)
    network = _empty(checkpoint)
    for module, part, names, unneeded in _parts(network):
        fill(module, checkpoint, part, renames(names), device=device, dtype=dtype, allow_unexpected=unneeded)
    return network


def check_network(folder: str | PathLike[str]) -> Network:
    """The network in `folder` on the meta device, if every tensor is there; reads none. Raises `CheckpointError`."""
    checkpoint = open_checkpoint(folder)
    network = _empty(checkpoint)
    for module, part, names, unneeded in _parts(network):
        fitting(module, checkpoint, part, renames(names), allow_unexpected=unneeded)
    return network


def check_vae(folder: str | PathLike[str], replaced: VaeParams) -> None:
    """Raise `CheckpointError` where the VAE in `folder` is not whole, or not one for the latents of another."""
    checkpoint, vae = _empty_vae(folder)
    fitting(vae, checkpoint, "vae", renames(VAE_NAMES), allow_unexpected=VAE_ENCODER)
    if vae.params.embed_dim != replaced.embed_dim:
        raise CheckpointError(
            f"the VAE in {folder} reads latents of {vae.params.embed_dim} channels, the network makes "
            f"{replaced.embed_dim}: take the VAE that belongs to it"
        )


def _empty_vae(folder: str | PathLike[str]) -> tuple[Checkpoint, ShapeVae]:
    checkpoint = open_checkpoint(folder)
    params = vae_params(checkpoint.config)
    with torch.device("meta"), _possible(params):
        return checkpoint, ShapeVae(params).eval()


def _empty(checkpoint: Checkpoint) -> Network:
    """The network without numbers."""
    params = network_params(checkpoint.config)
    with torch.device("meta"), _possible(params):
        conditioner = Conditioner(params.dino, params.image_size)
        return Network(params, conditioner.eval(), Transformer(params.transformer).eval(), ShapeVae(params.vae).eval())


@contextmanager
def _possible(params: object) -> Iterator[None]:
    """Turns sizes that do not go together into a `CheckpointError`."""
    try:
        yield
    except (TypeError, ValueError, ZeroDivisionError, RuntimeError) as error:
        raise CheckpointError(
            f"config.yaml has sizes that do not go together ({error}) in {params}; take the config of the checkpoint"
        ) from error


def _parts(network: Network) -> list[tuple[nn.Module, str, Names, tuple[str, ...]]]:
    """Each network, the part of the files that holds it, its names, and what else may stand there."""
    return [
        (network.conditioner.dino, "conditioner", CONDITIONER_NAMES, ()),
        (network.transformer, "model", TRANSFORMER_NAMES, ()),
        (network.vae, "vae", VAE_NAMES, VAE_ENCODER),
    ]


def load_vae(
    folder: str | PathLike[str], device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> ShapeVae:
    """The VAE in a folder of its own (the turbo VAE is published so)."""
    checkpoint, vae = _empty_vae(folder)
    fill(vae, checkpoint, "vae", renames(VAE_NAMES), device=device, dtype=dtype, allow_unexpected=VAE_ENCODER)
    return vae


def _at(config: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The mapping at `path` of a config."""
    found: Any = config
    for depth, name in enumerate(path, 1):
        found = found.get(name) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            raise CheckpointError(f"config.yaml has no {'.'.join(path[:depth])}; take the config of the checkpoint")
    mapping: Mapping[str, Any] = found
    return mapping


def _params(kind: type[P], given: Mapping[str, Any]) -> P:
    """`kind` filled from a config, to the last name."""
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    values = {name: UNNAMED[name] for name in names if name in UNNAMED} | dict(given)
    missing = [name for name in names if name not in values]
    unknown = [name for name in given if name not in names and name not in WITHOUT_MEANING]
    if missing or unknown:
        raise CheckpointError(
            f"config.yaml does not fit {kind.__name__}: missing {missing}, unknown {unknown}; take the config of the "
            "checkpoint"
        )
    types = get_type_hints(kind)
    return kind(**{name: _number(types[name], name, values[name]) for name in names})


def _number(kind: type, name: str, value: Any) -> Any:
    """`value` as `kind`, int and float greater than 0; yaml reads a number like 1e-06 as text."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if kind is bool:
        is_right = isinstance(value, bool)
    else:
        is_right = not isinstance(value, bool) and 0 < number < math.inf and (kind is float or number % 1 == 0)
    if not is_right:
        raise CheckpointError(
            f"config.yaml has {name}: {value!r}; a {kind.__name__}{'' if kind is bool else ' greater than 0'} is "
            "expected: take the config of the checkpoint"
        )
    return kind(number)
