# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Times, steps and the first noise are the official ones."""

import pytest
import torch
from parity.golden import Recording, recordings

from fourview.shape.hunyuan2mv.sampler import TRAINING_TIMES, denoise, flow_schedule, noise, turbo_schedule
from fourview.shape.hunyuan2mv.transformer import Transformer, TransformerParams

TOLERANCE = 1e-7
LATENTS = (3072, 64)  # of all official models
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


@pytest.mark.parametrize("path", recordings("schedules"))
@torch.inference_mode()
def test_times_and_steps_are_the_official_ones(path):
    with Recording(path) as recording:
        for key in recording.named(end=".sigmas"):
            kind, steps, _ = key.rsplit(".", 2)
            found = schedule(kind, int(steps))
            recording.agree(key, found.sigmas, TOLERANCE)
            recording.agree(f"{kind}.{steps}.timesteps", found.sigmas[:-1] * TRAINING_TIMES, TOLERANCE)
            recording.agree(f"{kind}.{steps}.model_t", found.times, TOLERANCE)
        for key in recording.named(end=".table_sigmas"):
            kind = key.removesuffix(".table_sigmas")
            table = schedule(kind, len(recording[key])).sigmas[:-1]
            recording.agree(key, table, TOLERANCE)
            recording.agree(f"{kind}.table_indices", (table * (TRAINING_TIMES - 1)).round(), 0)
        if "step.in.sample" in recording:
            check_walk(recording)


def schedule(kind, steps):
    """`flow`, `flow_shift3` or `turbo_pcm100`: the schedule of that name."""
    if kind.startswith("turbo_pcm"):
        return turbo_schedule(steps, int(kind.removeprefix("turbo_pcm")))
    return flow_schedule(steps, float(kind.removeprefix("flow").removeprefix("_shift") or 1))


def check_walk(recording):
    """Euler's steps under a velocity that is always the same."""
    sample, velocity = recording["step.in.sample"], recording["step.in.velocity"]
    steps = len(recording.named("step.out."))

    class Still(Transformer):
        def velocity(self, latents, condition, modulations):
            return velocity

    net = Still(TransformerParams(sample.shape[-1], 4, 8, 1.0, 1, 0, 0, False, False))
    walk = []
    denoise(net, torch.zeros(1, 1, 4), sample, flow_schedule(steps), 1.0, on_step=lambda _, x: walk.append(x))

    for i, latents in enumerate(walk):
        recording.agree(f"step.out.{i}", latents, TOLERANCE)


@pytest.mark.parametrize("path", recordings("noise"))
def test_the_first_noise_is_that_of_the_seed(path):
    with Recording(path) as recording:
        for key in recording.named(end=".mean_std"):
            start = key.removesuffix("mean_std")
            device, seed, dtype = start.rstrip(".").split(".")
            drawn = noise(*LATENTS, int(seed), torch.device(device), DTYPES[dtype]).flatten()
            for end in recording.named(f"{start}first"):
                recording.agree(end, drawn[: len(recording[end])], 0)
            for end in recording.named(f"{start}last"):
                recording.agree(end, drawn[-len(recording[end]) :], 0)
            recording.agree(key, [drawn.double().mean().item(), drawn.double().std().item()], TOLERANCE)
