# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Stages, events, cancel."""

import pytest

from fourview.engines import ENGINES
from fourview.errors import CanceledError
from fourview.kinds import KINDS
from fourview.progress import STAGES, CancelToken, RunProgress


def test_the_share_done_never_falls_and_never_reaches_one_before_the_end():
    events = []
    run = RunProgress(ENGINES["hunyuan2mv"].stages, events.append)

    for name in STAGES:
        with run.stage(name) as tick:
            tick(0.7)
            tick(0.2)

    done = [event.done for event in events]
    assert done == sorted(done)
    assert 0.99 < done[-1] < 1.0


@pytest.mark.parametrize(
    "stages", [e.stages for e in ENGINES.values()] + [k.stages for k in KINDS.values() if k.stages]
)
def test_every_share_is_of_a_stage_in_order_and_they_add_up_to_one(stages):
    assert [*stages] == [stage for stage in STAGES if stage in stages]
    assert sum(stages.values()) == pytest.approx(1.0)


def test_a_stage_of_equal_steps_counts_them_and_may_say_something():
    events = []

    with RunProgress({"denoise": 1.0}, events.append).stage("denoise", steps=4, note="on a GPU") as tick:
        tick(0.25)

    assert [(event.step, event.steps) for event in events] == [(0, 4), (1, 4), (4, 4)]
    assert {event.note for event in events} == {"on a GPU"}


def test_cancel_is_noticed_at_the_next_tick_and_names_the_stage():
    token = CancelToken()
    run = RunProgress({}, cancel=token)

    with pytest.raises(CanceledError, match="'decode'"), run.stage("decode") as tick:
        tick(0.1)
        token.cancel()
        tick(0.2)


def test_times_are_kept_by_stage_in_order():
    run = RunProgress({})

    for name in ("fetch", "matte", "export"):
        with run.stage(name):
            pass

    assert list(run.timings_s) == ["fetch", "matte", "export"]
