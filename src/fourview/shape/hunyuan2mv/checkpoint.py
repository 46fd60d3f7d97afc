# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A folder in the official layout becomes the network.

Owns      which sizes stand where in `config.yaml`, and what each tensor of the files is called here.
Not here  reading files, strictness (`weights.load`).

Sizes come from the checkpoint alone; our params have no defaults. Where official code has one for a size that no
config names, it stands in `UNNAMED`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, TypeVar

import torch

from fourview.errors import CheckpointError
from fourview.shape.hunyuan2mv.conditioner import Conditioner, DinoParams
from fourview.shape.hunyuan2mv.preprocess import PreprocessParams
from fourview.shape.hunyuan2mv.sampler import Schedule, flow_schedule, turbo_schedule
from fourview.shape.hunyuan2mv.transformer import Transformer, TransformerParams
from fourview.shape.hunyuan2mv.vae import ShapeVae, VaeParams
from fourview.weights.load import Checkpoint, fill, open_checkpoint

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

# Official name -> ours, tried in order, all that match. What is not named keeps its name.
TRANSFORMER_NAMES = (
    (r"\bimg_(attn|mlp|mod)\b", r"latents.\1"),
    (r"\btxt_(attn|mlp|mod)\b", r"condition.\1"),
    (r"\bmod\.lin\b|\bmodulation\.lin\b|\badaLN_modulation\.1\b", "modulation"),
    (r"\battn\.(qkv|norm)\b", r"\1"),
    (r"\battn\.proj\b", "project"),
    (r"\bmlp\.0\b", "mlp_in"),
    (r"\bmlp\.2\b", "mlp_out"),
    (r"\bnorm\.(query_norm|key_norm)\b", r"\1"),
    (r"\blinear1\b", "project_in"),
    (r"\blinear2\b", "project_out"),
)
VAE_NAMES = (
    (r"^transformer\.resblocks\b", "blocks"),
    (r"^geo_decoder\.cross_attn_decoder\.ln_1\b", "points.norm_query"),
    (r"^geo_decoder\.cross_attn_decoder\.ln_2\b", "points.norm_tokens"),
    (r"^geo_decoder\.cross_attn_decoder\.ln_3\b", "points.norm_mlp"),
    (r"^geo_decoder(\.cross_attn_decoder)?\b", "points"),
    (r"\bln_post\b", "norm_post"),
    (r"\bln_([12])\b", r"norm_\1"),
    (r"\battn\.c_qkv\b", "qkv"),
    (r"\battn\.c_q\b", "query"),
    (r"\battn\.c_kv\b", "key_value"),
    (r"\battn\.c_proj\b", "project"),
    (r"\battn\.attention\.q_norm\b", "query_norm"),
    (r"\battn\.attention\.k_norm\b", "key_norm"),
    (r"\bmlp\.c_fc\b", "mlp_in"),
    (r"\bmlp\.c_proj\b", "mlp_out"),
)
CONDITIONER_NAMES = (
    (r"^embeddings\.patch_embeddings\.projection\b", "patches"),
    (r"^embeddings\.", ""),
    (r"^encoder\.layer\b", "layers"),
    (r"\bnorm([12])\b", r"norm_\1"),
    (r"\battention\.attention\.(query|key|value)\b", r"\1"),
    (r"\battention\.output\.dense\b", "project"),
    (r"\blayer_scale([12])\.lambda1\b", r"scale_\1"),
    (r"\bmlp\.weights_in\b", "mlp_in"),
    (r"\bmlp\.weights_out\b", "mlp_out"),
)

# The encoder makes latents of meshes; it is not needed and in few files.
VAE_ENCODER = ("encoder.", "pre_kl.")


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
    steps = {**UNNAMED, **scheduler.get("params", {})}
    return NetworkParams(
        _params(PreprocessParams, _at(config, "image_processor", "params")),
        _params(DinoParams, dino),
        int(_at(encoder, "kwargs")["image_size"]),
        _params(TransformerParams, _at(config, "model", "params")),
        ScheduleParams(steps["shift"], steps["pcm_timesteps"] if kinds[kind] else None),
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
    params = network_params(checkpoint.config)
    with torch.device("meta"):
        conditioner = Conditioner(params.dino, params.image_size)
        transformer = Transformer(params.transformer)
        vae = ShapeVae(params.vae)
    fill(conditioner.dino, checkpoint, "conditioner", CONDITIONER_NAMES, device=device, dtype=dtype)
    fill(transformer, checkpoint, "model", TRANSFORMER_NAMES, device=device, dtype=dtype)
    _fill_vae(vae, checkpoint, device, dtype)
    return Network(params, conditioner.eval(), transformer.eval(), vae.eval())


def load_vae(
    folder: str | PathLike[str], device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> ShapeVae:
    """The VAE in a folder of its own (the turbo VAE is published so)."""
    checkpoint = open_checkpoint(folder)
    with torch.device("meta"):
        vae = ShapeVae(vae_params(checkpoint.config))
    _fill_vae(vae, checkpoint, device, dtype)
    return vae.eval()


def _fill_vae(vae: ShapeVae, checkpoint: Checkpoint, device: torch.device | str, dtype: torch.dtype | None) -> None:
    fill(vae, checkpoint, "vae", VAE_NAMES, device=device, dtype=dtype, allow_unexpected=VAE_ENCODER)


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
    return kind(**{name: values[name] for name in names})
