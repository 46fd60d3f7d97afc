# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from shape.hunyuan2mv.networks import SMALL, network

from fourview.errors import RecipeError
from fourview.shape.hunyuan2mv.approximate import Approximations, approximate_velocity, computed_steps, forecast
from fourview.shape.hunyuan2mv.sampler import denoise, flow_schedule, turbo_schedule, walk
from fourview.shape.hunyuan2mv.transformer import Transformer

STEPS = 20
SCHEDULE = flow_schedule(STEPS)


def walked(transformer: Transformer, words: tuple[str, ...], guidance_scale: float = 5.0) -> torch.Tensor:
    latents, context = drawn(1, 24, 16), drawn(1, 10, 128)
    velocity = approximate_velocity(transformer, context, SCHEDULE, guidance_scale, Approximations.of(words))
    return walk(velocity, latents, SCHEDULE)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(shape[1]))


def passes(transformer: Transformer) -> list[int]:
    """Grows by the number of condition rows at every pass of the network."""
    seen: list[int] = []
    transformer.double_blocks[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1].shape[1]))
    return seen


def test_all_are_off_and_words_turn_them_on():
    assert Approximations.of([]) == Approximations()
    assert Approximations().words == ()
    assert Approximations.of(["int8", "velocity-cache"]) == Approximations(int8=True, velocity_cache=True)


@pytest.mark.parametrize("word", ["guidance-interval", "velocity-cache", "flashvdm", "int8"])
def test_each_is_named_by_its_word(word):
    assert Approximations.of([word]).words == (word,)


def test_an_unknown_word_is_refused_with_the_known_ones():
    with pytest.raises(
        RecipeError, match=r"'fp8'; take any of guidance-interval, velocity-cache, flashvdm, turbo-vae, int8"
    ):
        Approximations.of(["int8", "fp8"])


@torch.inference_mode()
def test_with_none_on_the_walk_is_the_exact_one():
    transformer = network(SMALL).transformer

    exact = denoise(transformer, drawn(1, 10, 128), drawn(1, 24, 16), SCHEDULE, 5.0)

    assert torch.equal(walked(transformer, ()), exact)


@torch.inference_mode()
def test_outside_of_the_interval_there_is_one_branch():
    """Of the 19 steps that have a length, those at 3/19 to 14/19 are guided."""
    transformer = network(SMALL).transformer
    seen = passes(transformer)

    walked(transformer, ("guidance-interval",))

    assert seen == 3 * [10] + 12 * [1, 10] + 4 * [10]


@torch.inference_mode()
def test_without_guidance_the_interval_changes_nothing():
    transformer = network(SMALL).transformer

    assert torch.equal(walked(transformer, ("guidance-interval",), 1.0), walked(transformer, (), 1.0))


@torch.inference_mode()
def test_the_cache_saves_nearly_half_of_the_passes():
    transformer = network(SMALL).transformer
    seen = passes(transformer)

    walked(transformer, ("velocity-cache",))

    assert len(seen) == 2 * 11


def test_the_first_steps_and_the_last_are_computed_and_every_other_one_between():
    assert computed_steps(SCHEDULE) == {0, 1, 2, 4, 6, 8, 10, 12, 14, 16, 18}
    assert computed_steps(turbo_schedule(5, 100)) == {0, 1, 2, 4}
    assert computed_steps(flow_schedule(1)) == {0}


def test_no_line_leads_across_a_jump():
    assert computed_steps(flow_schedule(12), jumps={5}) == {0, 1, 2, 4, 5, 6, 7, 9, 10}


def test_a_velocity_that_changes_evenly_is_forecast_exactly():
    schedule = flow_schedule(STEPS, shift=3.0)
    slope, start = drawn(1, 24, 16), drawn(1, 25, 16)[:, 1:]
    asked = []

    def velocity(_: torch.Tensor, i: int) -> torch.Tensor:
        asked.append(i)
        return start + slope * schedule.sigmas[i]

    cached = forecast(velocity, schedule)

    for i in range(STEPS - 1):
        torch.testing.assert_close(cached(start, i), start + slope * schedule.sigmas[i], atol=1e-5, rtol=1e-5)
    assert len(asked) == 11


@torch.inference_mode()
def test_both_together_compute_anew_where_guidance_begins_and_ends():
    transformer = network(SMALL).transformer
    seen = passes(transformer)

    walked(transformer, ("guidance-interval", "velocity-cache"))

    assert seen == 3 * [10] + 7 * [1, 10] + 4 * [10]
