# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures become the official context."""

import re

import pytest
import torch
from parity.golden import Recording, recordings, sized

from fourview.shape.hunyuan2mv.conditioner import Conditioner, DinoParams, side_embedding
from fourview.shape.hunyuan2mv.tensor_names import CONDITIONER_NAMES

TOLERANCE = 1e-5


@pytest.mark.parametrize("path", recordings("conditioner"))
@torch.inference_mode()
def test_contexts_of_all_subsets_of_views_are_the_official_ones(path):
    with Recording(path) as recording:
        conditioner = Conditioner(sized(DinoParams, recording.said("dino_config")), int(recording.words["image_size"]))
        conditioner.dino.load_state_dict(recording.weights("conditioner.main_image_encoder.model.", CONDITIONER_NAMES))
        pictures = recording["in.image"]  # (1, v, 3, s, s)

        for key in recording.named("out."):
            if "view_embed" in key:
                recording.agree(key, side_embedding(recording[key].shape[1]), TOLERANCE)
        prepared = conditioner.prepare(pictures.flatten(0, 1))
        recording.agree("mid.transformed_all", prepared, TOLERANCE)
        recording.agree("mid.dino_last_hidden_all", conditioner.dino(prepared), TOLERANCE)
        for name, sides in recording.said("subsets").items():
            sides = sorted(sides)
            recording.agree(f"out.{name}", conditioner(pictures[:, sides], [sides]), TOLERANCE)
        for key in [key for key in recording.words if f"out.{key}" in recording]:  # batches, in words
            shown, labels = (
                numbers(recording.words[key], r"\[([\d, ]+)\]"),
                numbers(recording.words[key], r"\(([\d, ]+)\)"),
            )
            shown = shown if len(shown) == len(labels) else shown * len(labels)
            batch = torch.cat([pictures[:, views] for views in shown])
            recording.agree(f"out.{key}", conditioner(batch, labels), TOLERANCE)


def numbers(words, pattern):
    """The lists of numbers in `words`: all that stand in one kind of brackets."""
    return [[int(number) for number in found.split(",")] for found in re.findall(pattern, words)]
