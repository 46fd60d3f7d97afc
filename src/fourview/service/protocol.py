# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The lowest layer of the door: how long and how slow the head of a request may be, and what is told to non-HTTP.

Owns      those two limits of uvicorn's httptools protocol, which has none, and its one answer of its own; what stands
          between the pieces of a body and after the last, which is read past and counts as a head does.
Not here  bodies (`middleware` counts them, `body` loses patience), connections idle between requests (uvicorn).
"""

import asyncio
import json
import secrets
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fourview.service.problems import MEDIA_TYPE, Refused, body_of

HEAD_MAX = 64 * 1024  # bytes until a head is complete; pieces of one are joined again and again
HEAD_S = 30.0  # seconds until a connection has sent its first head, or a head that it began

log = structlog.get_logger(__name__)


def protocol(base_url: str) -> type[HttpToolsProtocol]:
    """The protocol of a service whose absolute URLs begin with `base_url`."""

    class Protocol(HttpToolsProtocol):
        _head_bytes = 0
        _is_in_body = False  # between the last byte of a head and the last of its body
        _has_body = False  # whether something of a body came in this piece
        _other_bytes = 0  # that came since, and were none: sizes of chunks, their extensions, trailers
        _is_in_message = False  # between the first byte of a request and the last of its body
        _patience: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._await_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._have_head()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            head, self._has_body = self._patience, False
            super().data_received(data)
            self._other_bytes = self._other_bytes + len(data) if self._is_in_body and not self._has_body else 0
            if self._other_bytes > HEAD_MAX:
                self._refuse(f"{HEAD_MAX} bytes of the body are none of its content: shorten its trailers")
                return
            is_waiting = self._patience is not None or self.timeout_keep_alive_task is not None
            if not is_waiting and not self._is_in_message and self._is_idle():
                self._await_head()  # it sent what begins no head, an empty line
            if head is None or head is not self._patience or self.transport.is_closing():
                return  # none is incomplete, or it began in this very piece
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_MAX:
                self._refuse(f"the head of the request is larger than {HEAD_MAX} bytes: shorten its URL and headers")

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._is_in_message = True
            if self._patience is None:
                self._await_head()

        def on_header(self, name: bytes, value: bytes) -> None:
            if not self._is_in_body:  # what trails a body is no header: those were looked at before it came
                super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._have_head()
            self._is_in_body = True
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._has_body = True
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._is_in_message = self._is_in_body = False
            super().on_message_complete()

        def send_400_response(self, msg: str) -> None:
            self._refuse("this is no HTTP/1.1 request: check the method, the URL and the headers")

        def _await_head(self) -> None:
            self._head_bytes = 0
            self._patience = self.loop.call_later(HEAD_S, self._lose_patience)

        def _lose_patience(self) -> None:
            if self._is_idle():
                self.transport.close()
            else:  # the answer before is under way, and nothing is read meanwhile
                self._patience = self.loop.call_later(HEAD_S, self._lose_patience)

        def _is_idle(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _have_head(self) -> None:
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None

        def _refuse(self, detail: str) -> None:
            """Answer before there is a request, and hang up."""
            request_id = "req_" + secrets.token_hex(8)
            log.info("no_request", request_id=request_id, detail=detail, client=self.client and self.client[0])
            body = body_of(Refused("malformed_request", detail), 400, base_url, request_id)
            if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
                self.transport.write(_response(body, request_id))
            self.transport.close()

    return Protocol


def _response(body: dict[str, Any], request_id: str) -> bytes:
    data = json.dumps(body).encode()
    head = (
        f"HTTP/1.1 400 Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(data)}\r\n"
        f"x-request-id: {request_id}\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + data
