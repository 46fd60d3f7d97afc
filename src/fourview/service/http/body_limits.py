# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How large a request's body may be, how slowly it may come, and how much memory all bodies may hold together.

Owns      counting the bytes of bodies while they arrive, and the time that the service waits for them.
Not here  the time of a head (`protocol`), what stands in a body (`body`).

A body must come with `RATE` bytes a second on average, after `GRACE_S` for its start, and whole within `BODY_S`. Only
the time counts in which the service waits for the client. The rule is that of Apache's `mod_reqtimeout`.
"""

import asyncio
import time
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from fourview.service.http.problem_answers import BodyRefused
from fourview.service.settings import Settings

GRACE_S = 20.0
RATE = 8192  # bytes a second: a slow mobile connection has ten times as much
BODY_S = 900.0

_MIB = 2**20


class BodyLimits:
    """The limits of one process."""

    def __init__(self, settings: Settings) -> None:
        self.body_max, self._bodies_max = settings.body_max_mib * _MIB, settings.bodies_max_mib * _MIB
        self._held = 0  # bytes, of all requests

    def hold(self, size: int) -> None:
        """Count bytes of a body; raises `BodyRefused` (503 `busy`) where all bodies together hold too much."""
        if self._held + size > self._bodies_max:
            sentence = (
                f"the requests that are being read hold {self._bodies_max // _MIB} MiB, the most there is room for"
            )
            raise BodyRefused("busy", f"{sentence}; send it again soon")
        self._held += size

    def release(self, size: int) -> None:
        """Stop counting bytes that are no longer held."""
        self._held -= size


class LimitedBody:
    """The body of one request, as its handler receives it."""

    def __init__(self, limits: BodyLimits, scope: Scope, receive: Receive, send: Send) -> None:
        self._limits, self._receive, self._send = limits, receive, send
        self._size = 0  # bytes that came
        self._held = 0  # of these
        self._waited_s = 0.0
        self._is_complete, self._is_answered = False, False
        length = Headers(scope=scope).get("content-length", "")
        self.is_too_large = length.isdecimal() and int(length[:20]) > limits.body_max

    async def send(self, message: Message) -> None:
        """Send, and remember that the answer has begun."""
        self._is_answered = True
        await self._send(message)

    async def receive(self) -> Message:
        """The next message; raises `BodyRefused` before an answer has begun."""
        if self._is_complete:
            return await self._receive()
        try:
            message = await self._in_time()
            size = len(message.get("body", b""))
            self._size += size
            if self._size > self._limits.body_max:
                raise self.too_large()
            self._limits.hold(size)
        except BodyRefused:
            if self._is_answered:
                return {"type": "http.disconnect"}
            raise
        self._held += size
        self._is_complete = not message.get("more_body", False)
        return message

    def release(self) -> None:
        """The body is no longer held in memory: it was taken apart and kept elsewhere."""
        self._limits.release(self._held)
        self._held = 0

    def too_large(self) -> BodyRefused:
        """The error for a body that is larger than one may be."""
        mib = self._limits.body_max // _MIB
        return BodyRefused(
            "too_large", f"the request is larger than {mib} MiB; send less, or pictures as URLs or uploads"
        )

    async def _in_time(self) -> Message:
        began = time.monotonic()
        budget_s = min(BODY_S, GRACE_S + self._size / RATE)
        with suppress(TimeoutError):
            async with asyncio.timeout(budget_s - self._waited_s):
                message = await self._receive()
                self._waited_s += time.monotonic() - began
                return message
        raise BodyRefused(
            "too_slow",
            f"{self._size} bytes of the body came in {budget_s:.0f} s; send it faster, at least {RATE} bytes a second",
        )
