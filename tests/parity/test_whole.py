# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""From a folder in the official layout and pictures to the official mesh; a disagreement names the stage."""

import json

import numpy as np
import pytest
import torch
import trimesh
from parity.golden import Recording, agree, distance, recordings
from parity.oracle import mapped
from skimage.measure import marching_cubes

from fourview.shape.hunyuan2mv import official
from fourview.shape.hunyuan2mv.checkpoint import load_network
from fourview.shape.hunyuan2mv.conditioner import SIDES
from fourview.shape.hunyuan2mv.preprocess import preprocess
from fourview.shape.hunyuan2mv.sampler import denoise, noise
from fourview.shape.hunyuan2mv.tensor_names import VAE_ENCODER
from fourview.weights.load import PREFIXES, open_checkpoint

CONTEXT, LATENTS, SURFACE = 1e-5, 1e-4, 1e-3
CPU = torch.device("cpu"), torch.float32


@pytest.mark.parametrize("path", recordings("whole"))
def test_every_tensor_of_a_folder_has_its_place(path):
    network, checkpoint = load_network(path.parent), open_checkpoint(path.parent)

    loaded = [*network.conditioner.parameters(), *network.transformer.parameters(), *network.vae.parameters()]

    recorded = [header for part in PREFIXES for name, header in checkpoint.tensors(part).items()
                if part != "vae" or not name.startswith(VAE_ENCODER)]  # fmt: skip
    assert sorted(tuple(tensor.shape) for tensor in loaded) == sorted(header.shape for header in recorded)


@pytest.mark.parametrize("path", recordings("whole"))
@torch.inference_mode()
def test_the_whole_way_ends_at_the_official_mesh(path):
    network = load_network(path.parent, dtype=torch.float32)
    with Recording(path) as recording:
        said = {name: number(word) for name, word in recording.words.items()}
        context = network.conditioner(*pictures_of(recording, network))
        halves = torch.cat([context, torch.zeros_like(context)])[: len(recording["mid.context"])]
        recording.agree("mid.context", halves, CONTEXT)
        latents = recording["mid.initial_latents"]
        recording.agree("mid.initial_latents", noise(*latents.shape[1:], said["seed"], *CPU), 0)
        schedule = network.params.schedule.schedule(said["steps"])

        check_plain_walk(recording, network.transformer, context, schedule.times, schedule.sigmas, said)
        latents = denoise(
            network.transformer, context, latents, schedule, said["guidance_scale"],
            on_step=lambda i, x: recording.agree(f"mid.step_{i}.latents_after", x, LATENTS),
        )  # fmt: skip

        recording.agree("out.latents", latents, LATENTS)
        tokens = network.vae.tokens(latents)
        recording.agree("out.tokens", tokens, LATENTS)
        points = network.vae.points
        where = said["octree_resolution"], said["bounds"]
        grid = official.vanilla(points, points.memory(tokens), *where, said["num_chunks"])
        recording.agree("out.grid", grid[None], LATENTS)
        cells, faces, _, _ = marching_cubes(grid.numpy(), said["mc_level"])
        check_surface(recording, "out.raw", mapped(cells, *where), faces)
        mesh = trimesh.Trimesh(mapped(cells, *where), faces[:, ::-1])
        check_surface(recording, "out.trimesh", mesh.vertices, mesh.faces)


def number(word):
    """A word of the metadata as what it says, or as it is."""
    try:
        return json.loads(word)
    except ValueError:
        return word


def pictures_of(recording, network):
    """All views of a recording, ready for the conditioner: `(1, v, 3, s, s)` and their sides."""
    numbers = [i for i, side in enumerate(SIDES) if f"in.{side}" in recording]
    size = network.params.preprocess
    framed = [preprocess(recording[f"in.{SIDES[i]}"].numpy(), size, SIDES[i])[0] for i in numbers]
    return (torch.tensor(np.stack(framed)).permute(0, 3, 1, 2) / 255 * 2 - 1)[None], [numbers]


def check_plain_walk(recording, transformer, context, times, sigmas, said):
    """The official way: both branches in full at every step, the null condition as so many rows of zeros."""
    latents = recording["mid.initial_latents"]
    two = len(recording["mid.context"]) == 2 * len(latents)
    conditions = torch.cat([context, torch.zeros_like(context)]) if two else context
    for i, time in enumerate(times):
        inputs = torch.cat([latents, latents]) if two else latents
        scale = torch.full((len(inputs),), said["guidance_scale"]) if transformer.params.guidance_embed else None
        out = transformer(inputs, time.expand(len(inputs)), conditions, scale)
        recording.agree(f"mid.step_{i}.model_output", out, LATENTS)
        velocity = out[1:] + said["guidance_scale"] * (out[:1] - out[1:]) if two else out
        latents = latents + (sigmas[i + 1] - sigmas[i]) * velocity
        recording.agree(f"mid.step_{i}.latents_after", latents, LATENTS)
    recording.agree("out.latents", latents, LATENTS)


def check_surface(recording, name, vertices, faces):
    """Vertex by vertex where the faces are the same; a value near 0 may have changed them, then as surfaces."""
    wanted, wanted_faces = (recording[f"{name}.{part}"].numpy() for part in ("vertices", "faces"))
    if np.array_equal(faces, wanted_faces):
        recording.agree(f"{name}.vertices", vertices, SURFACE)
        return
    there = distance(vertices, wanted, wanted_faces), distance(wanted, vertices, faces)
    agree(
        np.concatenate(there), np.zeros(len(vertices) + len(wanted)), SURFACE, f"{recording.path} {name}, as surfaces"
    )
