# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import asyncio

import pytest

from fourview.service.http.event_streams import CountedStream, Streams
from fourview.service.problems import Refused
from fourview.service.settings import Settings


def limits(**given):
    return Streams(Settings(streams_max=100, streams_max_per_key=3, streams_max_per_address=5, **given))


def test_one_key_may_not_have_all_streams():
    streams = limits()
    for _ in range(3):
        streams.take("one", None)

    with pytest.raises(Refused, match=r"3 event streams of the key one are open") as refused:
        streams.take("one", None)

    assert refused.value.code == "busy"
    streams.take("another", None)


def test_one_address_may_not_have_all_streams_unless_it_is_this_machine():
    streams = limits()
    for number in range(5):
        streams.take(f"key {number}", "192.0.2.1")

    with pytest.raises(Refused, match=r"5 event streams of the address 192\.0\.2\.1"):
        streams.take("a new key", "192.0.2.1")

    streams.take("a new key", "192.0.2.2")
    for number in range(20):
        streams.take(f"more {number}", "127.0.0.1")


def test_a_stream_that_ended_makes_room():
    streams = limits()
    taken = [streams.take("one", "192.0.2.1") for _ in range(3)]
    streams.drop(taken[0])

    streams.take("one", "192.0.2.1")


@pytest.mark.parametrize("fails", [False, True])
def test_a_stream_counts_until_it_is_over_however_it_ends(fails):
    streams = limits()

    async def events():
        yield "one"
        if fails:
            raise ValueError("broken")

    async def serve(stream):
        async def receive():
            await asyncio.sleep(60)

        async def send(message):
            with pytest.raises(Refused):
                streams.take("one", None)

        await stream({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)

    for _ in range(2):
        stream = CountedStream(events(), streams, "one", None)
        others = [streams.take("one", None) for _ in range(2)]
        if fails:
            with pytest.raises(ValueError, match="broken"):
                asyncio.run(serve(stream))
        else:
            asyncio.run(serve(stream))
        for names in others:
            streams.drop(names)
