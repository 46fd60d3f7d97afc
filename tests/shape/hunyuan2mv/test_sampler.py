# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from shape.hunyuan2mv.small import LATENTS, PLAIN, ROWS_A_VIEW, difference, drawn, plain_velocity, small

from fourview.errors import CanceledError, RecipeError
from fourview.progress import CancelToken, RunProgress
from fourview.shape.hunyuan2mv.sampler import denoise, flow_schedule, noise, turbo_schedule

CPU = torch.device("cpu")


def plain_denoise(transformer, context, latents, schedule, guidance_scale):
    """Every step, two branches wherever there is guidance, all rows of the null condition."""
    zeros = torch.zeros_like(context)
    for i, time in enumerate(schedule.times[:, None].expand(-1, len(latents))):
        if transformer.params.guidance_embed:
            velocity = plain_velocity(transformer, latents, time, context, torch.full_like(time, guidance_scale))
        else:
            velocity = plain_velocity(transformer, latents, time, context)
            if guidance_scale >= 0:
                without = plain_velocity(transformer, latents, time, zeros)
                velocity = without + guidance_scale * (velocity - without)
        latents = latents + (schedule.sigmas[i + 1] - schedule.sigmas[i]) * velocity
    return latents


@pytest.mark.parametrize("dtype", PLAIN)
@pytest.mark.parametrize("guidance_scale", [5.0, 1.0, 0.0, -1.0])
@pytest.mark.parametrize("guidance_embed", [False, True])
def test_the_walk_is_the_plain_one(guidance_embed, guidance_scale, dtype):
    transformer = small(guidance_embed, dtype=dtype)
    context = drawn(2, 2 * ROWS_A_VIEW, 12, dtype=dtype, seed=1)
    latents = drawn(2, LATENTS, 8, dtype=dtype)

    found = denoise(transformer, context, latents, flow_schedule(5), guidance_scale)

    expected = plain_denoise(transformer, context, latents, flow_schedule(5), guidance_scale)
    assert difference(found, expected) < PLAIN[dtype]


@pytest.mark.parametrize("dtype", PLAIN)
@pytest.mark.parametrize("views", [1, 2, 3, 4])
def test_so_it_is_for_every_number_of_views_and_for_turbo(views, dtype):
    transformer = small(dtype=dtype)
    context = drawn(1, views * ROWS_A_VIEW, 12, dtype=dtype, seed=1)
    latents = drawn(1, LATENTS, 8, dtype=dtype)

    found = denoise(transformer, context, latents, turbo_schedule(3, 100), 5.0)

    expected = plain_denoise(transformer, context, latents, turbo_schedule(3, 100), 5.0)
    assert difference(found, expected) < PLAIN[dtype]


@pytest.mark.parametrize(
    ("guidance_embed", "guidance_scale", "passes"),
    [(False, 5.0, 2), (False, 1.0, 1), (False, 0.0, 1), (False, -1.0, 1), (True, 5.0, 1), (True, 0.0, 1)],
)
def test_a_step_costs_the_branches_that_its_guidance_needs_and_the_last_of_a_flow_none(
    guidance_embed, guidance_scale, passes
):
    transformer = small(guidance_embed)
    seen = []
    transformer.final_layer.register_forward_hook(lambda *_: seen.append(1))

    denoise(transformer, drawn(1, 5, 12), drawn(1, LATENTS, 8), flow_schedule(4), guidance_scale)

    assert len(seen) == 3 * passes


def test_what_no_step_changes_is_computed_once_a_run():
    transformer = small()
    seen = []
    for part in (transformer.cond_in, transformer.time_in, *(b.modulation for b in transformer.single_blocks)):
        part.register_forward_hook(lambda module, *_: seen.append(module))

    denoise(transformer, drawn(1, 5, 12), drawn(1, LATENTS, 8), flow_schedule(4), 5.0)

    assert len(seen) == len(set(seen)) == 4


def test_the_last_step_of_a_flow_schedule_alone_has_no_length():
    assert [bool(length) for length in flow_schedule(5).lengths] == [True, True, True, True, False]
    assert all(turbo_schedule(5, 100).lengths)
    assert flow_schedule(1).lengths == [1.0]


def test_times_rise_from_noise_to_data():
    for schedule in (flow_schedule(30), flow_schedule(30, shift=3.0), turbo_schedule(5, 100), turbo_schedule(50, 50)):
        assert schedule.sigmas[0] == 0
        assert schedule.sigmas[-1] == 1
        assert (schedule.sigmas.diff() >= 0).all()
        assert abs(sum(schedule.lengths) - 1) < 1e-6
        assert len(schedule.times) == len(schedule.lengths)


def test_the_times_of_turbo_are_those_of_its_table():
    assert (turbo_schedule(5, 100).sigmas * 999).round().tolist() == [0, 199, 399, 599, 799, 999]


def test_more_steps_than_turbo_has_times_are_refused():
    with pytest.raises(RecipeError, match="steps is 101; the turbo schedule has 100 times"):
        turbo_schedule(101, 100)


def test_noise_is_the_seeds_and_in_half_precision_that_of_float32_rounded():
    first = noise(LATENTS, 8, 7, CPU, torch.float32)

    assert first.shape == (1, LATENTS, 8)
    assert torch.equal(first, noise(LATENTS, 8, 7, CPU, torch.float32))
    for half in (torch.float16, torch.bfloat16):
        assert torch.equal(first.to(half), noise(LATENTS, 8, 7, CPU, half))
    assert not torch.equal(first, noise(LATENTS, 8, 8, CPU, torch.float32))


def test_latents_keep_their_own_precision():
    transformer = small(dtype=torch.bfloat16)
    latents = drawn(1, LATENTS, 8, dtype=torch.float32)

    found = denoise(transformer, drawn(1, 5, 12, dtype=torch.bfloat16), latents, flow_schedule(3), 5.0)

    assert found.dtype == torch.float32
    assert not torch.equal(found, found.bfloat16().float())


def test_every_step_is_seen():
    seen = []

    last = denoise(
        small(), drawn(1, 5, 12), drawn(1, LATENTS, 8), flow_schedule(4), 5.0, on_step=lambda *step: seen.append(step)
    )

    assert [i for i, _ in seen] == [0, 1, 2, 3]
    assert torch.equal(seen[-1][1], last)
    assert not torch.equal(seen[0][1], seen[1][1])


def test_a_cancel_stops_before_the_next_step():
    token, seen = CancelToken(), []

    def on_step(i, latents):
        seen.append(i)
        token.cancel()

    with pytest.raises(CanceledError, match="denoise"), RunProgress({}, cancel=token).stage("denoise") as tick:
        denoise(small(), drawn(1, 5, 12), drawn(1, LATENTS, 8), flow_schedule(4), 5.0, tick, on_step)

    assert seen == [0]
