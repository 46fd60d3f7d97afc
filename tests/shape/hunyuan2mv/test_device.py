# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Words become devices, and in half precision ours is nearer to the truth than the official arithmetic.

Each test of the second kind computes one step three times: in float64, in half precision as we do it, and in half
precision with the one thing done as officially (said in its first line).
"""

import pytest
import torch
from shape.hunyuan2mv.networks import SMALL, network

from fourview.errors import RecipeError
from fourview.shape.hunyuan2mv.conditioner import side_embedding
from fourview.shape.hunyuan2mv.device import devices, find_device, find_precision
from fourview.shape.hunyuan2mv.sampler import denoise, flow_schedule, noise
from fourview.shape.hunyuan2mv.transformer import Transformer, sinusoids

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
HALVES = [torch.float16, torch.bfloat16]


def error(x: torch.Tensor, truth: torch.Tensor) -> float:
    return float((x.double() - truth).norm() / truth.norm())


def test_auto_is_a_device_that_is_here_and_its_own_name_too():
    assert str(find_device("auto")) == devices()[0]
    assert [str(find_device(name)) for name in devices()] == devices()
    assert find_device("cpu") == CPU


@pytest.mark.parametrize("word", ["cuda:99", "gpu", "cpu:1", ""])
def test_a_device_that_is_not_here_is_refused_with_those_that_are(word):
    with pytest.raises(RecipeError, match=f"device is '{word}'; here are .*cpu: name one of them"):
        find_device(word)


def test_auto_precision_is_the_official_one_on_a_gpu_and_single_on_a_cpu():
    assert find_precision("auto", CUDA) == find_precision("auto", torch.device("mps")) == torch.float16
    assert find_precision("auto", CPU) == torch.float32
    assert find_precision("bfloat16", CPU) == torch.bfloat16


def test_another_precision_is_refused():
    with pytest.raises(RecipeError, match="'fp8'; it takes one of float16, bfloat16, float32, or 'auto'"):
        find_precision("fp8", CUDA)


@pytest.mark.parametrize("half", HALVES)
def test_late_times_are_told_apart(half):
    """Officially the time is rounded to half precision in thousandths, where float16 has steps of 0.5 above 512."""
    times = flow_schedule(400).times[256:]  # above 0.64
    truth = sinusoids(times.double())

    ours = sinusoids(times).to(half)
    official = sinusoids(((1000 * times).to(half) / 1000).float()).to(half)

    assert error(ours, truth) < 0.2 * error(official, truth)


@torch.inference_mode()
def test_guidance_above_65_does_not_overflow():
    """Officially 1000 times the scale is a float16, whose largest number is 65504."""
    guidance = torch.tensor([60.0, 70.0, 100.0])
    truth = sinusoids(guidance.double())

    ours = sinusoids(guidance).half()
    official = (1000 * guidance.half()).isinf()

    assert official.tolist() == [False, True, True]
    assert error(ours, truth) < 1e-3


@pytest.mark.parametrize("half", HALVES)
@torch.inference_mode()
def test_points_keep_their_place_at_the_highest_frequency(half):
    """Officially points are rounded to half precision before the sinusoids."""
    points = 2.02 * torch.rand(1, 2000, 3, generator=torch.Generator().manual_seed(0)) - 1.01
    truth = network(SMALL, dtype=torch.float64).vae.points.rows(points.double())
    decoder = network(SMALL, dtype=half).vae.points

    ours, official = decoder.rows(points), decoder.rows(points.to(half).float())

    assert error(ours, truth) < 0.1 * error(official, truth)


@pytest.mark.parametrize("half", HALVES)
@torch.inference_mode()
def test_the_mark_of_a_side_is_rounded_once(half):
    """Officially it is rounded before it is added, and the sum again."""
    pictures = torch.rand(1, 4, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    conditioner = network(SMALL, dtype=half).conditioner
    rows = conditioner.dino(conditioner.prepare(pictures[0]))  # (4, m, c)
    mark = side_embedding(128)[:, None]
    truth = (rows.double() + mark.double()).flatten(0, 1)

    ours = conditioner(pictures, [range(4)])[0]
    official = (rows + mark.to(half)).flatten(0, 1)

    assert error(ours, truth) < 0.97 * error(official, truth)


@pytest.mark.parametrize("half", HALVES)
@torch.inference_mode()
def test_latents_are_walked_in_single_precision(half):
    """Officially each step's latents are rounded to half precision. Same seed, same noise either way."""
    schedule = flow_schedule(30)
    start = noise(96, 16, 7, CPU, half)
    context = torch.randn(1, 20, 128, generator=torch.Generator().manual_seed(1)).to(half)

    def walked(transformer: Transformer, latents: torch.Tensor) -> torch.Tensor:
        return denoise(transformer, context.to(latents.dtype), latents, schedule, -1)

    truth = walked(network(SMALL, dtype=half).transformer.double(), start.double())
    transformer = network(SMALL, dtype=half).transformer
    ours = denoise(transformer, context, start.float(), schedule, -1)
    official = denoise(transformer, context, start, schedule, -1)

    assert ours.dtype == torch.float32
    assert error(ours, truth) < 0.7 * error(official, truth)
