# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Stages, events, cancel."""

import pytest

from fourview.errors import CanceledError
from fourview.progress import STAGES, CancelToken, Journey


def test_the_share_done_never_falls_and_never_reaches_one_before_the_end():
    events = []
    journey = Journey(events.append)

    for name in STAGES:
        with journey.stage(name) as tick:
            tick(0.7)
            tick(0.2)

    done = [event.done for event in events]
    assert done == sorted(done)
    assert 0.99 < done[-1] < 1.0


def test_stage_weights_add_up_to_one():
    assert sum(STAGES.values()) == pytest.approx(1.0)


def test_cancel_is_noticed_at_the_next_tick_and_names_the_stage():
    token = CancelToken()
    journey = Journey(cancel=token)

    with pytest.raises(CanceledError, match="'decode'"), journey.stage("decode") as tick:
        tick(0.1)
        token.cancel()
        tick(0.2)


def test_times_are_kept_by_stage_in_order():
    journey = Journey()

    for name in ("fetch", "matte", "export"):
        with journey.stage(name):
            pass

    assert list(journey.timings_s) == ["fetch", "matte", "export"]
