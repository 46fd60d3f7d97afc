# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How many event streams are open, in all, for each key and for each client address.

Owns      counting and refusing. Not here: what a stream sends (`routes.jobs`).

A signed URL needs no key, so its stream counts for the key that made the job. The loopback is no client address: a
proxy on this machine that is missing in `trusted_proxies` gives its own to every client.
"""

from collections import Counter

from starlette.responses import ContentStream, StreamingResponse
from starlette.types import Receive, Scope, Send

from fourview.service.problems import Refused
from fourview.service.settings import Settings
from fourview.service.settings_checks import is_loopback


class Streams:
    """The open event streams of one process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: Counter[str] = Counter()

    def take(self, key_id: str, address: str | None) -> tuple[str, ...]:
        """Count a new stream, by names that `drop` takes; raises `Refused("busy")` where there are too many."""
        settings = self._settings
        names = {"all": settings.streams_max, f"key {key_id}": settings.streams_max_per_key}
        if address is not None and not is_loopback(address):
            names[f"address {address}"] = settings.streams_max_per_address
        for name, most in names.items():
            if self._open[name] >= most:
                whose = "" if name == "all" else f" of the {name}"
                raise Refused("busy", f"{most} event streams{whose} are open, the most there may be; close some")
        self._open.update(names.keys())
        return tuple(names)

    def drop(self, names: tuple[str, ...]) -> None:
        """A stream has ended."""
        self._open -= Counter(names)


class CountedStream(StreamingResponse):
    """An event stream that counts from its making until its end, also where it ends before its first event."""

    media_type = "text/event-stream"

    def __init__(self, content: ContentStream, streams: Streams, key_id: str, address: str | None) -> None:
        super().__init__(content, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._streams, self._names = streams, streams.take(key_id, address)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.drop(self._names)
