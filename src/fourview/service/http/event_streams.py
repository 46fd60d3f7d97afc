# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Count the open event streams: all of them, those of each key and those of each client address.

Owns      counting, refusing a stream above a limit. Not here: the events of a stream (`routes.jobs`).

A signed URL needs no key, so its stream counts for the key that made the job. Streams from the loopback do not count
for an address: behind a proxy on this machine that is missing in `trusted_proxies`, every client has that address.

Why no library sends the streams:
- `sse-starlette` changes uvicorn's server when it is imported, and ends every stream within half a second of the first
  signal. Here a stream goes on for `shutdown_grace_s`, in which its job may end.
- `fastapi.sse` (0.135 and later) writes the events of generator routes. Such a route has one status, where ours answers
  204 once all events were seen; its heartbeat is a constant of 15 s, where ours is the setting `events_heartbeat_s`.
- Neither counts streams. What is left to replace is three short texts in `routes.jobs`.
"""

from collections import Counter

from starlette.responses import ContentStream, StreamingResponse
from starlette.types import Receive, Scope, Send

from fourview.service.hosts import is_loopback
from fourview.service.problems import Refused
from fourview.service.settings import Settings


class Streams:
    """The open event streams of one process, counted."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: Counter[str] = Counter()

    def take(self, key_id: str, address: str | None) -> tuple[str, ...]:
        """Count a new stream; returns the names to give to `drop`. Raises `Refused("busy")` above a limit."""
        settings = self._settings
        names = {"all": settings.streams_max, f"key {key_id}": settings.streams_max_per_key}
        if address is not None and not is_loopback(address):
            names[f"address {address}"] = settings.streams_max_per_address
        for name, most in names.items():
            if self._open[name] >= most:
                whose = "" if name == "all" else f" of the {name}"
                raise Refused("busy", f"{most} event streams{whose} are open, which is the limit; close some")
        self._open.update(names.keys())
        return tuple(names)

    def drop(self, names: tuple[str, ...]) -> None:
        """Stop counting a stream that has ended."""
        self._open -= Counter(names)


class CountedStream(StreamingResponse):
    """An event stream that counts from when it is made until it ends, even if it ends before its first event."""

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
