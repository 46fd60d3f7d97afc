# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Folders in the official layout become networks: strictly, and without running code from the folder.

Owns      where each network lies in a folder, its config, the names of its tensors.
Not here  the networks (`network`, `text_tower`), soundness of a safetensors file (`weights.verify`).

A `.bin` file is read with torch's `weights_only`, which refuses everything but tensors; a safetensors file beside it
is preferred. Text tower, tokenizer and image encoder of a paint folder are never run and need not be there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn

from fourview.errors import CheckpointError
from fourview.texture.paint.network import PaintNetwork
from fourview.texture.paint.text_tower import TextParams, TextTower, empty_prompt
from fourview.weights.load import renamed
from fourview.weights.verify import read_header

STEM = "diffusion_pytorch_model"
SUFFIXES = (".safetensors", ".fp16.safetensors", ".bin", ".fp16.bin")
CONFIG_LIMIT = 2**20  # bytes; the official ones have less than 2000
LISTED = 8  # names of each kind in an error
# Names that diffusers had for the VAE's attention before 2023.
OLD_VAE_NAMES = (
    (r"attentions\.0\.query\.", "attentions.0.to_q."),
    (r"attentions\.0\.key\.", "attentions.0.to_k."),
    (r"attentions\.0\.value\.", "attentions.0.to_v."),
    (r"attentions\.0\.proj_attn\.", "attentions.0.to_out.0."),
)


@dataclass(frozen=True)
class Painter:
    """A paint folder: the network, its VAE, and the scheduler's config."""

    network: PaintNetwork
    vae: Any  # AutoencoderKL, whose methods diffusers leaves untyped
    schedule: Mapping[str, Any]


@dataclass(frozen=True)
class Delighter:
    """A delight folder: UNet, VAE, the scheduler's config, and the empty prompt `(1, words, d)`."""

    unet: Any  # UNet2DConditionModel
    vae: Any  # AutoencoderKL, whose methods diffusers leaves untyped
    schedule: Mapping[str, Any]
    words: Tensor  # token numbers (1, words)
    prompt: Tensor


def load_painter(folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> Painter:
    """The painter in `folder`; `dtype` None keeps the file's. Raises `CheckpointError`."""
    unet = build(PaintNetwork, folder / "unet")
    fill(unet, folder / "unet", device, dtype)
    return Painter(unet, load_vae(folder / "vae", device, dtype), read_json(folder / "scheduler/scheduler_config.json"))


def load_delighter(folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> Delighter:
    """The delighter in `folder`; its text tower is run once, for the empty prompt. Raises `CheckpointError`."""
    unet = build(UNet2DConditionModel.from_config, folder / "unet")
    fill(unet, folder / "unet", device, dtype)
    vae = load_vae(folder / "vae", device, dtype)
    place = folder / "text_encoder"
    tower = build(lambda config: TextTower(TextParams.of(config)), place)
    fill(tower, place, device, dtype, "model", ((r"^text_model\.", ""),), ("embeddings.position_ids",))
    words = empty_prompt(
        read_json(folder / "tokenizer/vocab.json"),
        read_json(folder / "tokenizer/tokenizer_config.json"),
        read_json(folder / "tokenizer/special_tokens_map.json", needed=False),
        tower.params.words,
    ).to(device)
    with torch.no_grad():
        prompt = tower(words)
    return Delighter(unet, vae, read_json(folder / "scheduler/scheduler_config.json"), words, prompt)


def load_vae(folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> AutoencoderKL:
    """The VAE in `folder`."""
    vae = build(AutoencoderKL.from_config, folder)
    fill(vae, folder, device, dtype, renames=OLD_VAE_NAMES)
    return vae


def build(kind: Any, folder: Path) -> Any:
    """`kind` on the meta device from the `config.json` in `folder`."""
    config = read_json(folder / "config.json")
    try:
        with torch.device("meta"):
            return kind(config).eval()
    except (TypeError, ValueError, KeyError, ZeroDivisionError, RuntimeError, AttributeError, IndexError) as error:
        raise CheckpointError(
            f"{folder / 'config.json'} has sizes that do not go together ({error}); take the config of the checkpoint"
        ) from error


def fill(
    module: nn.Module,
    folder: Path,
    device: torch.device | str,
    dtype: torch.dtype | None,
    stem: str = STEM,
    renames: tuple[tuple[str, str], ...] = (),
    unneeded: tuple[str, ...] = (),
) -> None:
    """Give `module`, built on the meta device, its tensors: every name and every shape has to fit."""
    path = _weights_file(folder, stem)
    found = {renamed(name, renames): tensor for name, tensor in _read(path).items()}
    found = {name: tensor for name, tensor in found.items() if name not in unneeded}
    expected = module.state_dict()
    wrong = [
        f"{name} {tuple(found[name].shape)} for {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    faults = {
        "missing": sorted(expected.keys() - found.keys()),
        "unexpected": sorted(found.keys() - expected.keys()),
        "of another shape": sorted(wrong),
    }
    if any(faults.values()):
        listed = "; ".join(
            f"{len(names)} {fault}: {', '.join(names[:LISTED])}" for fault, names in faults.items() if names
        )
        raise CheckpointError(f"{path} does not fit the config.json beside it: {listed}. Are both of the same model?")
    placed = {name: tensor.to(device, dtype or tensor.dtype) for name, tensor in found.items()}
    module.load_state_dict(placed, strict=True, assign=True)
    module.requires_grad_(False)


def read_json(path: Path, needed: bool = True) -> dict[str, Any]:
    """The object in a JSON file; {} where it may be missing and is."""
    if not path.is_file():
        if not needed:
            return {}
        raise CheckpointError(f"{path} is missing; a folder with the official files is expected")
    try:
        if path.name == "config.json" and path.stat().st_size > CONFIG_LIMIT:
            raise ValueError("it is too long")
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON ({error}); put the official one there") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds a {type(found).__name__}, not an object; put the official one there")
    return found


def _weights_file(folder: Path, stem: str) -> Path:
    names = [stem + suffix for suffix in SUFFIXES]
    if stem == "model":
        names += ["pytorch_model.bin", "pytorch_model.fp16.bin"]
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise CheckpointError(f"{folder} holds no {names[0]}; a folder with the official files is expected")
    return path


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            if path.parent.name != "text_encoder":  # it may hold whole numbers, which the house's reader refuses
                read_header(path)
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except Exception as error:  # whatever a damaged file makes the two readers raise
        raise CheckpointError(f"{path} cannot be read as tensors ({str(error)[:200]}); fetch it again") from error
    if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise CheckpointError(f"{path} holds more than tensors by name; fetch the official file")
    return found
