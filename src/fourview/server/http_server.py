# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The HTTP process: listening, the ready line, webhooks, and ending in order after a signal.

Owns      the socket, the options of uvicorn, what starts with the server and in which order it ends.
Not here  the application (`service.app`), what each signal means (`server.lifecycle`), the printed lines of the start
          (`server.welcome`).

The end, in order: the server accepts nothing more; running jobs may go on for `shutdown_grace_s` and are put back after
that; waiting requests are answered; webhooks under way get `DELIVERED_S`.
"""

import asyncio
import errno
import gc
import socket
from importlib.util import find_spec
from types import FrameType
from typing import TYPE_CHECKING

import click
import uvicorn

from fourview.errors import DependencyAwayError, ServiceError
from fourview.server import file_limit
from fourview.server.lifecycle import Signals, exit_code, health_port
from fourview.server.workers import LOOK_S
from fourview.service.background.pauses import pauses
from fourview.service.settings import Settings

if TYPE_CHECKING:
    from fourview.server.workers import WorkerPool
    from fourview.service.context import AppContext

if find_spec("fastapi") is None:  # else it is missed only after workers have started, which load while it is imported
    raise ModuleNotFoundError("No module named 'fastapi'", name="fastapi")

BACKLOG = 2048  # connections that wait to be accepted
IDLE_S = 75  # seconds that a connection may be silent: longer than proxies keep theirs, so that they close it first
ANSWERS_S = 10  # seconds after the grace in which answers may leave
DELIVERED_S = 2  # seconds for webhooks under way at the end; those not delivered by then are sent after the next start


def open_listener(settings: Settings) -> socket.socket:
    """A socket that already listens, so that clients that connect during the start wait instead of being refused.

    Raises `ServiceError` where the address or the port cannot be used.
    """
    host, port = settings.bind_host, settings.bind_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::")
    except OSError as error:
        cure = "name an address of this machine with --host, and a port that you may use with --port"
        if error.errno == errno.EADDRINUSE:
            cure = "stop what listens there, or name another with --port"
        raise ServiceError(f"cannot listen on {host} port {port} ({error.strerror}): {cure}") from None


def serve_until_signal(context: "AppContext", listener: socket.socket, pool: "WorkerPool") -> int:
    """Answer HTTP until a signal comes or a thread dies for good, then end in order; returns the exit code."""
    from fourview.service.app import create_app  # here, because the workers load while these modules do
    from fourview.service.http.protocol import HEAD_MAX, protocol

    settings, app = context.settings, create_app(context)
    config = uvicorn.Config(
        app, http=protocol(settings.base_url, file_limit.connections_max()), ws="none", lifespan="on",
        h11_max_incomplete_event_size=HEAD_MAX, log_config=None, access_log=False, proxy_headers=False,
        server_header=False, timeout_keep_alive=IDLE_S, backlog=BACKLOG,
        timeout_graceful_shutdown=int(settings.shutdown_grace_s) + ANSWERS_S,
    )  # fmt: skip
    server = HttpServer(config, context, pool)
    with health_port(settings, lambda: app.state.probes):
        server.run(sockets=[listener])
    return exit_code(server.force_exit, context.supervisor)


class HttpServer(uvicorn.Server):
    """uvicorn's server, with workers and webhooks that start and end with it.

    After the end it does not send itself the signals that it got, as uvicorn's own does.
    """

    def __init__(self, config: uvicorn.Config, context: "AppContext", pool: "WorkerPool") -> None:
        from fourview.service.background.deliveries import Deliverer

        super().__init__(config)
        self._context, self._pool, self._signals = context, pool, Signals()
        self._deliverer = Deliverer(context)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then start webhooks and the two tasks that look after workers."""
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        self._deliver()
        self._context.supervisor.add(
            "webhooks", lambda: not self._delivering.done(), lambda: loop.call_soon_threadsafe(self._deliver)
        )
        self._watching = asyncio.create_task(self._watch())
        self._announcing = asyncio.create_task(self._announce(sockets or []))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in the order that the head of this module gives."""
        self._announcing.cancel()
        self._watching.cancel()
        self._context.supervisor.stop()
        draining = asyncio.create_task(self._drain())
        await super().shutdown(sockets)
        await draining
        self._deliverer.stop()
        await asyncio.wait((self._delivering,), timeout=0 if self.force_exit else DELIVERED_S)
        self._delivering.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle one signal."""
        self._signals.count(sig, frame)
        self.should_exit, self.force_exit = True, self._signals.is_forced

    def _deliver(self) -> None:
        self._delivering = asyncio.create_task(self._deliverer.run())

    async def _watch(self) -> None:
        """Where a thread dies again and again, end in order, so that a service manager starts another process."""
        while not self._context.supervisor.gave_up.is_set():
            await asyncio.sleep(LOOK_S)
        self.should_exit = True

    async def _announce(self, sockets: list[socket.socket]) -> None:
        """Print the lines of the start once a worker can take a job, so that they work as soon as they are read."""
        from fourview.server.welcome import open_page, welcome

        while not await asyncio.to_thread(self._pool.is_ready):
            await asyncio.sleep(LOOK_S)
        gc.collect()
        gc.freeze()  # modules stay loaded; without this each full collection looks at them for a tenth of a second
        for wait_s in pauses():
            try:
                greeting = await asyncio.to_thread(welcome, self._context.settings, self._context.store)
                break
            except DependencyAwayError:
                await asyncio.sleep(wait_s)
        click.echo(greeting.text)
        host, port = sockets[0].getsockname()[:2]
        click.echo(f"ready http://{f'[{host}]' if ':' in host else host}:{port}")
        if greeting.link and self._context.settings.open_browser:
            open_page(greeting.link)

    async def _drain(self) -> None:
        """End the workers, then wake the requests that wait for jobs of others."""
        self._pool.stop(self._context.settings.shutdown_grace_s)
        await asyncio.to_thread(self._pool.drain, lambda: self.force_exit)
        self._context.wakeups.close()
