# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Runs that share passes, against `denoise`, which runs one alone."""

from dataclasses import dataclass

import pytest
import torch
from benchmarks.batcher import Batcher
from shape.hunyuan2mv.small import LATENTS, PLAIN, ROWS_A_VIEW, difference, drawn, small

from fourview.shape.hunyuan2mv.sampler import Schedule, denoise, flow_schedule, turbo_schedule


@dataclass
class Order:
    context: torch.Tensor
    latents: torch.Tensor
    schedule: Schedule
    guidance_scale: float


def order(seed, views, schedule, guidance_scale=5.0, dtype=torch.float64):
    context = drawn(1, views * ROWS_A_VIEW, 12, dtype=dtype, seed=2 * seed)
    return Order(context, drawn(1, LATENTS, 8, dtype=dtype, seed=2 * seed + 1), schedule, guidance_scale)


def join(batcher, order):
    return batcher.join(order.context, order.latents, order.schedule, order.guidance_scale)


def alone(transformer, order):
    return denoise(transformer, order.context, order.latents, order.schedule, order.guidance_scale)


def drain(batcher):
    """Step until nobody is left: ticket -> (latents, the step that ended it)."""
    finished = {}
    for step in range(100):
        if not len(batcher):
            break
        finished |= {ticket: (latents, step) for ticket, latents in batcher.step().items()}
    return finished


@pytest.mark.parametrize("dtype", PLAIN)
@pytest.mark.parametrize("guidance_embed", [False, True])
def test_runs_of_different_views_steps_and_guidance_end_as_if_alone(guidance_embed, dtype):
    transformer = small(guidance_embed, dtype=dtype)
    orders = [
        order(0, 4, flow_schedule(4), 5.0, dtype),
        order(1, 2, flow_schedule(6), 2.0, dtype),
        order(2, 2, turbo_schedule(3, 100), 5.0, dtype),
        order(3, 1, flow_schedule(5), 1.0, dtype),
        order(4, 2, flow_schedule(4, shift=3.0), 0.0, dtype),
        order(5, 4, flow_schedule(1), -1.0, dtype),
    ]
    batcher = Batcher(transformer, most=6)

    tickets = [join(batcher, each) for each in orders]
    finished = drain(batcher)

    assert len(finished) == 6
    for ticket, each in zip(tickets, orders, strict=True):
        assert difference(finished[ticket][0], alone(transformer, each)) < PLAIN[dtype]


@pytest.mark.parametrize("dtype", PLAIN)
def test_who_joins_late_or_leaves_early_changes_nothing_for_the_others(dtype):
    transformer = small(dtype=dtype)
    first, second, third = (order(i, 2, flow_schedule(6), dtype=dtype) for i in range(3))
    batcher = Batcher(transformer, most=3)

    ticket = join(batcher, first)
    batcher.step()
    early = join(batcher, second)
    batcher.step()
    batcher.leave(early)
    late = join(batcher, third)
    finished = drain(batcher)

    assert set(finished) == {ticket, late}
    assert difference(finished[ticket][0], alone(transformer, first)) < PLAIN[dtype]
    assert difference(finished[late][0], alone(transformer, third)) < PLAIN[dtype]


def test_branches_that_are_alike_share_a_pass_and_no_pass_is_larger_than_allowed():
    """Five runs, four at once: two and two of equal views, and one pass for all null conditions."""
    transformer = small()
    passes = []
    transformer.final_layer.register_forward_hook(lambda module, inputs, output: passes.append(len(output)))
    batcher = Batcher(transformer, most=4)

    for i, views in enumerate([4, 1, 4, 1, 4]):
        join(batcher, order(i, views, flow_schedule(9)))
    batcher.step()

    assert sorted(passes) == [2, 2, 4]


def test_who_came_first_goes_first_and_who_waits_begins_as_soon_as_there_is_room():
    batcher = Batcher(small(), most=2)

    short, long, third, fourth = (join(batcher, order(steps, 1, turbo_schedule(steps, 100))) for steps in [2, 5, 3, 1])
    ends = {ticket: step for ticket, (_, step) in drain(batcher).items()}

    assert ends == {short: 1, third: 4, long: 4, fourth: 5}


def test_the_step_of_a_flow_schedule_that_has_no_length_is_not_waited_for():
    batcher = Batcher(small(), most=1)

    ticket = join(batcher, order(0, 1, flow_schedule(4)))

    assert drain(batcher)[ticket][1] == 2


def test_who_waits_may_leave_too_and_who_left_may_leave_again():
    batcher = Batcher(small(), most=1)
    first, second = (join(batcher, order(i, 1, turbo_schedule(2, 100))) for i in range(2))

    batcher.leave(second)
    finished = drain(batcher)
    batcher.leave(first)

    assert list(finished) == [first]
    assert len(batcher) == 0
    assert batcher.step() == {}
