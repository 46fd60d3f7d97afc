# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What reaches the door before it is a request."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from fourview.service import protocol


def talk(server, *pieces):
    """What comes back until the server hangs up."""
    place, back = urlsplit(server.base_url), b""
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            while data := connection.recv(65536):
                back += data
        except ConnectionResetError:
            pass
    return back


@pytest.mark.parametrize(
    "raw",
    [
        b"FOO / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["method", "header", "two lengths", "TLS"],
)
def test_what_is_no_http_is_answered_with_a_problem(standing, raw):
    head, _, body = talk(standing, raw).partition(b"\r\n\r\n")

    said = json.loads(body)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    assert f"x-request-id: {said['request_id']}".encode() in head
    assert (said["code"], said["status"], said["billed"]) == ("malformed_request", 400, False)


@pytest.mark.parametrize("begin", [b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ", b"GET /"], ids=["header", "URL"])
def test_a_head_that_does_not_end_is_cut_off(standing, begin):
    back = talk(standing, begin, *[b"a" * 60_000] * 50)

    assert back == b"" or json.loads(back.partition(b"\r\n\r\n")[2])["code"] == "malformed_request"


def upload(server, *pieces):
    """An upload in chunks, of which the caller sends what follows the head."""
    head = f"POST /api/v1/uploads HTTP/1.1\r\nhost: localhost\r\nx-api-key: {server.add_key()}\r\n"
    more = "content-type: model/obj\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    return talk(server, (head + more).encode(), *pieces)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"1\r\nv\r\n0\r\nx: ", *[b"a" * 60_000] * 50],
        [b"1\r\nv\r\n0\r\n", *[b"x: a\r\n" * 10_000] * 50],
        [b"1;x=", *[b"a" * 60_000] * 50],
    ],
    ids=["one trailer", "many trailers", "an extension"],
)
def test_what_stands_around_a_body_is_counted_too(standing, pieces):
    back = upload(standing, *pieces)

    assert back == b"" or json.loads(back.partition(b"\r\n\r\n")[2])["code"] == "malformed_request"


def test_a_trailer_is_no_header(standing):
    mesh = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (mesh[:9], mesh[9:]))

    back = upload(standing, chunks + b"0\r\nx-api-key: fv_another\r\ncontent-encoding: gzip\r\n\r\n")

    assert back.startswith(b"HTTP/1.1 201 ")


def test_a_head_of_many_small_requests_is_not_one_large_one(standing):
    request = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 30_000 + b"\r\n"

    back = talk(standing, *[request + b"\r\n"] * 5, request + b"connection: close\r\n\r\n")

    assert back.count(b"HTTP/1.1 200 ") == 6


def test_who_sends_no_head_is_hung_up_on_in_time(monkeypatch):
    """The clock of the protocol itself: thirty seconds are too long for a test."""
    monkeypatch.setattr(protocol, "HEAD_S", 0.05)
    # A real loop and a real socket, an application that is never reached.
    import asyncio

    import uvicorn

    async def serve():
        config = uvicorn.Config(lambda *_: None, http=protocol.protocol("http://here"), lifespan="off", log_config=None)
        config.load()
        state = uvicorn.server.ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: config.http_protocol_class(config, state, {}), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        writer.write(b"GET / HTTP/1.1\r\nhost: here\r\n")
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()
        server.close()

    asyncio.run(serve())
