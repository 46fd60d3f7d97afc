# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Hosts on the loopback for tests of fetching: one that answers as it is told, and a canary that nobody may reach."""

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager


def ok(body, *headers):
    head = "\r\n".join(("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers))
    return head.encode() + b"\r\n\r\n" + body


def redirect(target, *headers):
    head = "\r\n".join(("HTTP/1.1 302 Found", "Content-Length: 0", *headers))
    return head.encode() + b"\r\nLocation: " + target.encode("utf-8", "replace") + b"\r\n\r\n"


class Host:
    """Answers each path with its bytes, or lets a coroutine function write them; the connection is closed then."""

    def __init__(self, **answers):
        self.answers = {f"/{name}": answer for name, answer in answers.items()}
        self.heads = []  # of each request, as text
        self.left = asyncio.Event()  # a client went away while it was being answered
        self.port = 0

    async def serve(self, reader, writer):
        try:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            answer = self.answers[self.heads[-1].split(" ")[1].partition("?")[0]]
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        except asyncio.CancelledError:
            """The test is over."""
        finally:
            writer.close()


class Canary(Host):
    """Counts who connects, whatever they say."""

    reached = 0

    async def serve(self, reader, writer):
        self.reached += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ok(b"the canary sings"))
            await writer.drain()
        writer.close()


@asynccontextmanager
async def running(host, *names, port=0, wire=None):
    """`host` listens on every name (127.0.0.1 where none is given) at one port; or on `wire`, of `listener`."""
    if wire is not None:
        host.port = wire.getsockname()[1]
        async with await asyncio.start_server(host.serve, sock=wire):
            yield host
        return
    servers = []
    for name in names or ("127.0.0.1",):
        servers.append(await asyncio.start_server(host.serve, name, port))
        port = host.port = servers[0].sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        for server in servers:
            server.close()


def listener():
    """A socket that listens on the loopback, for hosts whose address has to be known before an event loop runs."""
    return socket.create_server(("127.0.0.1", 0))


def free_port():
    """A port of the loopback on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def names(table):
    """A resolver that knows the names of `table`, and counts how often it was asked in `asked`."""

    async def resolver(host, port):
        resolver.asked.append(host)
        answers = table.get(host, [])
        return answers if isinstance(answers, list) else answers()

    resolver.asked = []
    return resolver
