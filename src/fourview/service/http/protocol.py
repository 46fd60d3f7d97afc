# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 on a connection: uvicorn's h11 protocol, with limits for clients that are slow, endless or too many.

Owns      how long and how large the head of a request may be; what happens to a connection whose answer left before
          the request's body came; how many connections a process keeps, and which it gives up; the answer to what is no
          HTTP request.
Not here  how fast a body must come and how large it may be (`middleware`), connections that are idle between requests
          (uvicorn closes them).

Why h11 and not httptools, uvicorn's faster parser: httptools stops parsing at any `Upgrade` header, gives up the body
and reads its bytes as the next request, so behind a proxy one client gets another client's answer. h11 tracks the state
of both sides of a connection and refuses what breaks the framing (RFC 9112). It costs about 0.15 ms a request; reading
a job's status costs ten times as much (`benchmarks/service.py status`).

Why a subclass: uvicorn has no limit for the time of a head, and keeps a connection open whose body is still owed. The
class leans on these parts of uvicorn 0.54: `conn`, `cycle`, `connections`, `flow`, `data_received`,
`on_response_complete`, `send_400_response`, `shutdown`, `_should_upgrade`. pyproject.toml pins uvicorn for that reason,
and tests/interfaces/test_protocol.py covers each.
"""

import asyncio
import json
import secrets
from http import HTTPStatus
from typing import Any, cast

import h11
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from fourview.service.http.problem_answers import MEDIA_TYPE, RETRY_S
from fourview.service.problems import PROBLEMS, Refused, document

HEAD_MAX = 64 * 1024  # bytes of a request's head, of a chunk's head, or of the trailers
HEAD_S = 30.0  # seconds for a head: from the connection's start, or from the head's first byte on a used connection
LINGER_S = 30.0  # seconds for which the rest of a body is read and thrown away after an early answer
LINGER_QUIET_S = 5.0  # the same, where nothing comes

log = structlog.get_logger(__name__)


def protocol(base_url: str, connections_max: int) -> type[H11Protocol]:
    """The protocol of a service whose absolute URLs begin with `base_url`, for at most so many connections at once."""

    class Protocol(_Protocol):
        _base_url, _connections_max = base_url, connections_max

    return Protocol


class _Protocol(H11Protocol):
    """One connection."""

    _base_url: str
    _connections_max: int
    _wire: "_LingeringTransport"

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.app = self._closing_early(self.app)
        self._head_timer: asyncio.TimerHandle | None = None
        self._waiting_since = self.loop.time()  # for the client: its head, or the rest of its body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._wire = _LingeringTransport(transport, self)
        super().connection_made(cast(asyncio.Transport, self._wire))
        self._expect_head()
        if len(self.connections) > self._connections_max:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._wire.connection_lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            self._wire.discarded()
            return
        super().data_received(data)

    def handle_events(self) -> None:
        """Process what has come; uvicorn calls it for new bytes, and for pipelined requests after an answer."""
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self._stop_head_timer()
        elif self._head_timer is None and self.conn.trailing_data[0]:
            self._expect_head()

    def on_response_complete(self) -> None:
        self._waiting_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        detail = "this is no HTTP/1.1 request: check the method, the URL, the headers and the framing of the body"
        if len(self.conn.trailing_data[0]) > HEAD_MAX:
            detail = f"a head of the request is larger than {HEAD_MAX} bytes: shorten its URL, headers or trailers"
        self._refuse(Refused("malformed_request", detail))

    def shutdown(self) -> None:
        self._wire.stop_lingering()
        if not self.transport.is_closing():
            super().shutdown()

    def owes_body(self) -> bool:
        """Whether more of a request is to come, or what came is no request and more of that may follow."""
        return self.conn.their_state in (h11.SEND_BODY, h11.ERROR)

    def _should_upgrade(self) -> bool:
        return False  # RFC 9110, 7.8: a server may ignore Upgrade

    def _closing_early(self, app: ASGIApp) -> ASGIApp:
        """`app`, whose answers say `Connection: close` where they leave before the body has come (RFC 9112, 9.3)."""

        async def run(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_closing(message: Message) -> None:
                if message["type"] == "http.response.start" and self.owes_body():
                    headers = [(name, value) for name, value in message["headers"] if name.lower() != b"connection"]
                    message = {**message, "headers": [*headers, (b"connection", b"close")]}
                await send(message)

            await app(scope, receive, send_closing)

        return run

    def _expect_head(self) -> None:
        self._waiting_since = self.loop.time()
        self._head_timer = self.loop.call_later(HEAD_S, self._end_head)

    def _end_head(self) -> None:
        if self._is_answering():  # a pipelined head, which is not read meanwhile
            self._expect_head()
        else:
            self._head_timer = None
            self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _make_room(self) -> None:
        """Give up the connection that has waited longest for its client; where each is at work, this one."""
        others = cast(set[_Protocol], self.connections - {self})
        waiting = [one for one in others if one.is_waiting()]
        min(waiting, key=lambda one: one._waiting_since, default=self).give_up()

    def is_waiting(self) -> bool:
        """Whether the next step is the client's."""
        return not self._is_answering() or self.conn.their_state is h11.SEND_BODY

    def give_up(self) -> None:
        """Close the connection to make room for another; a client that waits for an answer gets `busy`."""
        detail = f"{self._connections_max} connections are open, the most that this process keeps; try again soon"
        self._refuse(Refused("busy", detail))
        self._wire.stop_lingering()
        self.connections.discard(self)

    def _refuse(self, refused: Refused) -> None:
        """Answer on the connection itself, where no answer has begun, and close it."""
        if not self.transport.is_closing() and not (self._is_answering() and self.cycle.response_started):
            problem, request_id = PROBLEMS[refused.code], "req_" + secrets.token_hex(8)
            log.info("connection_refused", code=refused.code, request_id=request_id, detail=refused.detail)
            body = document(refused, problem.status, self._base_url, request_id)
            self.transport.write(_response(problem.status, body, request_id))
        if self._is_answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


class _LingeringTransport:
    """A transport that goes on reading for a while when it is closed before the client has sent everything.

    A socket that is closed with unread bytes resets the connection, and the client loses the answer. So only the
    sending side is closed at once. What still comes is thrown away until the client closes its side, is silent for
    `LINGER_QUIET_S`, or `LINGER_S` have passed.
    """

    def __init__(self, transport: asyncio.Transport, connection: _Protocol) -> None:
        self._transport, self._connection = transport, connection
        self._timer: asyncio.TimerHandle | None = None
        self._is_lost = False
        self._until = self._heard_at = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._timer is not None or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        if self._is_lost or not self._connection.owes_body():
            self._transport.close()
            return
        loop = self._connection.loop
        self._heard_at = loop.time()
        self._until = self._heard_at + LINGER_S
        self._timer = loop.call_later(LINGER_QUIET_S, self._look)
        self._transport.write_eof()
        self._connection.flow.resume_reading()

    def discarded(self) -> None:
        """Bytes came, and are thrown away."""
        self._heard_at = self._connection.loop.time()

    def stop_lingering(self) -> None:
        """Close at once, if it is to be closed at all."""
        if self._timer is not None:
            self._timer.cancel()
            self._transport.close()

    def connection_lost(self) -> None:
        self._is_lost = True
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        loop = self._connection.loop
        ends_at = min(self._until, self._heard_at + LINGER_QUIET_S)
        if loop.time() >= ends_at:
            self._transport.abort()
        else:
            self._timer = loop.call_at(ends_at, self._look)


def _response(status: int, body: dict[str, Any], request_id: str) -> bytes:
    data = json.dumps(body).encode()
    more = {"retry-after": RETRY_S} if status == 503 else {}
    headers = {
        "content-type": MEDIA_TYPE, "content-length": len(data), "x-request-id": request_id,
        "x-content-type-options": "nosniff", **more, "connection": "close",
    }  # fmt: skip
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        *(f"{name}: {value}" for name, value in headers.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + data
