# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""One request never becomes two, and slow clients keep no other client out: raw sockets against the real service."""

import asyncio
import json
import re
import resource
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from interfaces.pictures import V1, text
from interfaces.server import Server
from require import require
from service.acts import png

from fourview.service.http import protocol

KEYLESS = b"POST /v1/hunyuan3d-2mv HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
SECOND = b"GET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n"


def talk(server, *pieces, pause_s=0.0, quiet_s=20.0):
    """What comes back until the server closes the connection, or for `quiet_s` sends nothing."""
    place, back = urlsplit(server.base_url), b""
    with socket.create_connection((place.hostname, place.port), timeout=quiet_s) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)
        with suppress(ConnectionResetError, TimeoutError):
            while data := connection.recv(65536):
                back += data
    return back


def statuses(back):
    """The status of each answer in `back`."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", back)]


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        LIVE + b"content-length: +1\r\n\r\nx",
        LIVE + b"content-length: 0x1\r\n\r\nx",
        LIVE + b"content-length: -1\r\n\r\n",
        LIVE + b"content-length : 1\r\n\r\nx",
        LIVE + b"transfer-encoding: gzip\r\n\r\n",
        LIVE + b"transfer-encoding: chunked, identity\r\n\r\n",
        LIVE + b"x: a\rb\r\n\r\n",
        LIVE + b"x: a\0b\r\n\r\n",
    ],
    ids=[
        "request line",
        "header",
        "two lengths",
        "TLS",
        "signed length",
        "hexadecimal length",
        "negative length",
        "blank before a colon",
        "unknown coding",
        "chunked is not last",
        "carriage return",
        "NUL",
    ],
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


@pytest.mark.parametrize("pause_s", [0, 0.2], ids=["one packet", "packets of their own"])
@pytest.mark.parametrize(
    "wish", ["h2c", "websocket", "TLS/1.0, HTTP/1.1"], ids=["h2c", "websocket", "a list of protocols"]
)
def test_an_upgrade_is_ignored_and_the_body_stays_a_body(standing, wish, pause_s):
    body = json.dumps({"front_image": text(png())}).encode()
    head = (
        f"POST /v2/hunyuan3d-2mv HTTP/1.1\r\nhost: localhost\r\nx-api-key: {standing.add_key()}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"connection: Upgrade, HTTP2-Settings\r\nupgrade: {wish}\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
    ).encode()

    back = talk(standing, head, body, LIVE + b"connection: close\r\n\r\n", pause_s=pause_s)

    assert statuses(back) == [200, 200]
    assert b'"status":"QUEUED"' in back


def test_connect_is_a_method_like_others(standing):
    back = talk(standing, b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n" + SECOND, quiet_s=1)

    assert statuses(back)[0] in (404, 405)
    assert set(statuses(back)) <= {404, 405}


@pytest.mark.parametrize(
    ("status", "head"),
    [
        (401, KEYLESS),
        (400, KEYLESS.replace(b"localhost", b"elsewhere.example")),
        (403, KEYLESS + b"origin: https://elsewhere.example\r\n"),
        (404, KEYLESS.replace(b"v1/", b"nowhere/")),
        (405, KEYLESS.replace(b"POST", b"PUT")),
    ],
)
def test_the_rest_of_a_body_whose_answer_left_early_is_no_request(standing, status, head):
    """Whether the body comes at once or late, the answer is one, says `close`, and the connection ends."""
    for pieces in ([b"content-length: 500\r\n\r\n" + SECOND], [b"content-length: 500\r\n\r\n", SECOND, SECOND]):
        back = talk(standing, head + pieces[0], *pieces[1:], pause_s=0.2)

        assert statuses(back) == [status]
        assert b"connection: close" in back.lower()


def test_a_large_body_is_taken_and_thrown_away_so_that_its_answer_arrives(standing):
    head = KEYLESS + b"content-length: 41943040\r\n\r\n"

    back = talk(standing, head, *[b"x" * 2**20] * 40)

    assert statuses(back) == [401]
    assert json.loads(back.partition(b"\r\n\r\n")[2])["code"] == "key_missing"


@pytest.mark.parametrize(
    "head",
    [
        KEYLESS + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        KEYLESS + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        KEYLESS.replace(b"1.1", b"1.0") + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["length first", "coding first", "HTTP/1.0"],
)
def test_a_body_with_two_ends_is_refused_and_nothing_after_it_is_read(standing, head):
    back = talk(standing, head + SECOND)

    assert statuses(back) == [400]
    assert b'"code":"malformed_request"' in back


@pytest.mark.parametrize(
    "body",
    [
        b'transfer-encoding: chunked\r\n\r\n1;a=b;c="d"\r\n{\r\n1\r\n}\r\n0\r\n\r\n',
        b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-api-key: a\r\ncontent-length: 7\r\n\r\n",
        b"x-more: a\r\n b\r\ncontent-length: 2\r\n\r\n{}",
        b"content-length: 2\r\nexpect: 200-ok\r\n\r\n{}",
    ],
    ids=["chunk extensions", "trailers", "a folded header", "an unknown expectation"],
)
def test_a_request_ends_where_its_framing_says(standing, body):
    key = b"x-api-key: %s\r\n" % standing.add_key().encode()

    back = talk(standing, KEYLESS + key + body + LIVE + b"connection: close\r\n\r\n")

    assert statuses(back) == [400, 200]
    assert b"front_image is missing" in back


@pytest.mark.parametrize("body", [b"1\nx\n0\n\n", b"1\r\nxyz\r\n0\r\n\r\n", b"g\r\nx\r\n0\r\n\r\n", b"-1\r\n"])
def test_nothing_is_read_after_chunks_that_are_none(standing, body):
    key = b"x-api-key: %s\r\n" % standing.add_key().encode()
    for head in (KEYLESS, KEYLESS + key):
        back = talk(standing, head + b"transfer-encoding: chunked\r\n\r\n" + body + SECOND, quiet_s=1)

        assert statuses(back) in ([400], [401], [])


def test_requests_in_one_packet_are_answered_in_their_order(standing):
    back = talk(standing, LIVE + b"\r\n" + SECOND + LIVE + b"connection: close\r\n\r\n")

    assert statuses(back) == [200, 404, 200]


def test_a_client_that_waits_for_100_is_refused_before_it_has_sent_its_body(standing):
    expecting = KEYLESS + b"content-length: 9\r\nexpect: 100-continue\r\n"

    refused = talk(standing, expecting + b"\r\n")
    admitted = talk(
        standing, expecting + b"x-api-key: %s\r\n\r\n" % standing.add_key().encode(), b"not json!",
        pause_s=0.5, quiet_s=1,
    )  # fmt: skip

    assert statuses(refused) == [401]
    assert statuses(admitted) == [100, 400]


JAVA = """
import java.net.URI; import java.net.http.*; import java.nio.file.*;
public class Client {
  public static void main(String[] args) throws Exception {
    var body = HttpRequest.BodyPublishers.ofFile(Path.of(args[2]));
    for (int i = 0; i < 3; i++) {
      var request = HttpRequest.newBuilder(URI.create(args[0])).header("x-api-key", args[1])
          .header("content-type", "application/json").POST(body).build();
      System.out.println(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).statusCode());
    }
  }
}
"""


def test_the_client_of_java_which_asks_for_http_2_is_answered(standing, tmp_path):
    java, program, body = require("java"), tmp_path / "Client.java", tmp_path / "body.json"
    program.write_text(JAVA)
    body.write_text(json.dumps({"front_image": text(png())}))

    words = [java, program, f"{standing.base_url}/v2/hunyuan3d-2mv", standing.add_key(), body]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)

    assert done.stdout.split() == ["200"] * 3, done.stderr


def test_curl_that_asks_for_http_2_is_answered(standing, tmp_path):
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"front_image": text(png())}))
    words = ["--http2", "-s", "-o", tmp_path / "out", "-w", "%{http_code}", "-H", f"x-api-key: {standing.add_key()}"]
    words += ["-H", "content-type: application/json", "-d", f"@{body}", f"{standing.base_url}{V1}"]

    done = subprocess.run([require("curl"), *words], capture_output=True, text=True, timeout=60)

    assert done.stdout == "200", done.stderr


def test_slow_strangers_keep_no_client_out(migrated_file, tmp_path):
    """1,100 connections owe a body and send a byte now and then; the process may open 1,024 files, and no more."""
    require("prlimit")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    wrapper = ("prlimit", "--nofile=1024:1024")
    server = Server(f"sqlite:///{shutil.copy(migrated_file, tmp_path)}", tmp_path, wrapper=wrapper).start()
    try:
        with ExitStack() as strangers:
            place, connections, answers = urlsplit(server.base_url), [], []
            for number in range(1100):
                connection = socket.create_connection((place.hostname, place.port), timeout=5)
                connections.append(strangers.enter_context(connection))
                connection.sendall([KEYLESS + b"content-length: 4000000\r\n\r\n{", LIVE, b""][number % 3])
                if number % 100 == 99:
                    answers.append(httpx.get(f"{server.base_url}/health/live", timeout=10).status_code)
        assert answers == [200] * 11
        assert "Traceback" not in server.log.read_text()
    finally:
        server.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def with_protocol(app, connections_max, act):
    """Run `act(host, port)` against a server of the protocol alone: a real loop and real sockets."""

    async def run():
        http = protocol.protocol("http://here", connections_max)
        config = uvicorn.Config(app, http=http, lifespan="off", log_config=None, ws="none")
        config.load()
        state = uvicorn.server.ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: http(config, state, {}), "127.0.0.1", 0)
        try:
            await asyncio.wait_for(act(*server.sockets[0].getsockname()[:2]), 60)
        finally:
            server.close()

    asyncio.run(run())


async def refusing(scope, receive, send):
    await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


def test_a_connection_that_sends_no_head_is_closed_in_time(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_S", 0.05)

    async def act(host, port):
        for begin in (b"", b"GET / HTTP/1.1\r\nhost: here\r\n"):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(begin)
            assert await reader.read() == b""
            writer.close()

    with_protocol(refusing, 100, act)


def test_a_body_that_is_owed_after_the_answer_is_waited_for_only_for_a_while(monkeypatch):
    """However steadily it trickles."""
    monkeypatch.setattr(protocol, "LINGER_S", 0.5)
    monkeypatch.setattr(protocol, "LINGER_QUIET_S", 0.2)

    async def act(host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 1000\r\n\r\n")
        assert statuses(await reader.read()) == [401]
        with pytest.raises(ConnectionError):
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()

    with_protocol(refusing, 100, act)


def test_where_no_connection_is_left_the_one_that_waited_longest_for_its_client_goes():
    async def act(host, port):
        async def connect(data):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(data)
            await asyncio.sleep(0.05)
            return reader, writer

        first = await connect(b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\n")
        second = await connect(b"GET /long HTTP/1.1\r\nhost: here\r\n\r\n")
        third = await connect(b"GET /long HTTP/1.1\r\nhost: here\r\n\r\n")
        busy = await first[0].read()
        fourth = await connect(b"GET /long HTTP/1.1\r\nhost: here\r\n\r\n")
        assert (statuses(busy), b'"code": "busy"' in busy, b"retry-after: " in busy) == ([503], True, True)
        assert statuses(await fourth[0].read()) == [503]  # all others are being answered
        for _, writer in (first, second, third, fourth):
            writer.close()

    async def app(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass

    with_protocol(app, 2, act)
