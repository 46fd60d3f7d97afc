# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Our modules have the tensors that the official files have: each name, each shape, no more and no fewer."""

import json

import pytest
import torch
from parity.golden import manifest_files, sized

from fourview.shape.hunyuan2mv.checkpoint import network_params, vae_params
from fourview.shape.hunyuan2mv.conditioner import Dino, DinoParams
from fourview.shape.hunyuan2mv.tensor_names import CONDITIONER_NAMES, TRANSFORMER_NAMES, VAE_ENCODER, VAE_NAMES, renames
from fourview.shape.hunyuan2mv.transformer import Transformer, TransformerParams
from fourview.shape.hunyuan2mv.vae import ShapeVae
from fourview.weights.load import PREFIXES, renamed


@pytest.mark.parametrize("path", manifest_files())
def test_names_and_shapes_are_those_of_the_official_files(path):
    manifest = json.loads(path.read_text())

    parts = parts_of(manifest["config"])

    names = list(manifest["tensors"])
    for prefix, module, table in parts:
        official = {
            renamed(name.removeprefix(prefix), renames(table)): tuple(shape)
            for name, shape in manifest["tensors"].items()
            if name.startswith(prefix)
        }
        ours = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
        differ = sorted(official.items() ^ ours.items())
        assert not differ, f"{path.stem} {prefix}: {differ[:6]}"
        names = [name for name in names if not name.startswith(prefix)]
    assert not names, f"{path.stem} holds tensors of no part: {names[:6]}"
    for name in manifest.get("tensors_vae_encoder_not_needed", ()):
        assert name.removeprefix("vae.").startswith(VAE_ENCODER), f"{path.stem} {name} would be refused"


def parts_of(config):
    """Each part of a checkpoint: its prefix, its module on the meta device, its table of names."""
    with torch.device("meta"):
        if "model" not in config:
            return [("", ShapeVae(vae_params(config)), VAE_NAMES)]
        encoder = config["conditioner"]["params"]["main_image_encoder"]
        if encoder["type"] == "DinoImageEncoderMV":
            params = network_params(config)
            dino, transformer, vae = params.dino, params.transformer, params.vae
        else:
            dino = sized(DinoParams, encoder["kwargs"]["config"])
            transformer = sized(TransformerParams, config["model"]["params"])
            vae = vae_params(config["vae"])
        return [
            (PREFIXES["conditioner"][0], Dino(dino), CONDITIONER_NAMES),
            (PREFIXES["model"][0], Transformer(transformer), TRANSFORMER_NAMES),
            (PREFIXES["vae"][0], ShapeVae(vae), VAE_NAMES),
        ]
