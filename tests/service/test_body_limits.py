# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import asyncio

import pytest

from fourview.service.http import body_limits
from fourview.service.http.body_limits import BodyLimits, LimitedBody
from fourview.service.http.problem_answers import BodyRefused
from fourview.service.settings import Settings

MIB = 2**20


@pytest.fixture
def limits():
    return BodyLimits(Settings(body_max_mib=2, bodies_max_mib=3, picture_max_mib=1))


def arriving(limits, *pieces, pause_s=0.0):
    """A body that comes in these pieces, the last of which ends it, with a pause before each."""
    coming = iter(pieces)
    left = len(pieces)

    async def receive():
        nonlocal left
        await asyncio.sleep(pause_s)
        left -= 1
        return {"type": "http.request", "body": next(coming), "more_body": left > 0}

    async def send(message):
        """The answer goes nowhere."""

    return LimitedBody(limits, {"type": "http", "headers": []}, receive, send)


async def taken(body, count):
    return [await body.receive() for _ in range(count)]


def refusal(body, count):
    with pytest.raises(BodyRefused) as refused:
        asyncio.run(taken(body, count))
    return refused.value.refused.code, refused.value.status_code


def test_a_body_without_a_length_is_counted_while_it_comes(limits):
    assert refusal(arriving(limits, b"x" * MIB, b"x" * MIB, b"x"), 3) == ("too_large", 413)


def test_all_bodies_together_hold_no_more_than_there_is_room_for(limits):
    first, second = arriving(limits, b"x" * MIB, b"x" * MIB), arriving(limits, b"x" * MIB, b"x")
    asyncio.run(taken(first, 2))

    assert refusal(second, 2) == ("busy", 503)

    second.release()
    first.release()
    asyncio.run(taken(arriving(limits, b"x" * MIB, b"x" * MIB), 2))


def test_what_is_released_twice_counts_once(limits):
    body = arriving(limits, b"x" * MIB)
    asyncio.run(taken(body, 1))
    body.release()
    body.release()

    asyncio.run(taken(arriving(limits, b"x" * MIB, b"x" * MIB), 2))
    assert refusal(arriving(limits, b"x" * MIB, b"x"), 2) == ("busy", 503)


def test_a_body_that_stops_is_not_waited_for_for_ever(limits, monkeypatch):
    monkeypatch.setattr(body_limits, "GRACE_S", 0.05)

    assert refusal(arriving(limits, b"x", pause_s=60), 1) == ("too_slow", 408)


def test_a_body_that_trickles_is_refused_although_something_comes_all_the_time(limits, monkeypatch):
    monkeypatch.setattr(body_limits, "GRACE_S", 0.3)
    monkeypatch.setattr(body_limits, "RATE", 1000)

    assert refusal(arriving(limits, *[b"x"] * 1000, pause_s=0.02), 1000) == ("too_slow", 408)
    steady = arriving(limits, *[b"x" * 1000] * 30, pause_s=0.02)
    assert len(asyncio.run(taken(steady, 30))) == 30


def test_a_body_has_a_deadline_however_fast_it_comes(limits, monkeypatch):
    monkeypatch.setattr(body_limits, "BODY_S", 0.2)

    assert refusal(arriving(limits, *[b"x" * 1000] * 1000, pause_s=0.02), 1000) == ("too_slow", 408)


def test_after_the_answer_has_begun_a_slow_body_is_a_client_that_is_gone(limits, monkeypatch):
    monkeypatch.setattr(body_limits, "GRACE_S", 0.05)

    async def answer(body):
        await body.send({"type": "http.response.start", "status": 200, "headers": []})
        return await body.receive()

    assert asyncio.run(answer(arriving(limits, b"x", pause_s=60))) == {"type": "http.disconnect"}


def test_after_a_body_a_client_may_stay_silent(limits, monkeypatch):
    """The framework waits for a disconnect while a job is waited for."""
    monkeypatch.setattr(body_limits, "GRACE_S", 0.01)
    came = []

    async def receive():
        if came:
            await asyncio.sleep(60)
        came.append({"type": "http.request", "body": b"x", "more_body": False})
        return came[0]

    async def act():
        body = LimitedBody(limits, {"type": "http", "headers": []}, receive, None)
        await body.receive()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await body.receive()

    asyncio.run(act())
