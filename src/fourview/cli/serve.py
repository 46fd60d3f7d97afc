# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview serve`: the service on one machine, from nothing to ready, and down again in order.

Owns      the command; making the desk; listening; signals, and the order in which everything ends after them.
Not here  the application (`service.app`), the workers (`cli.work`), what is printed at the start (`server.welcome`).

The first Ctrl-C or SIGTERM ends it in order: nothing new is accepted, jobs that run here may go on for
`shutdown_grace_s` and are put back after that, then whoever still waits is answered. The second ends all that at once,
and still puts the jobs back; the third does not even do that.
"""

import asyncio
import errno
import gc
import os
import socket
from contextlib import closing, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from fourview.cli.state import serve_extra
from fourview.cli.work import INTERRUPTED, LOOK_S, OUR_FAULT, WorkerPool, listening, settings_of, settings_options
from fourview.errors import DependencyAwayError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fourview.service.context import AppContext
    from fourview.service.settings import Settings

BACKLOG = 2048  # connections that wait to be accepted
IDLE_S = 75  # how long a connection may be silent: longer than proxies keep theirs, so that none is closed under them
ANSWERS_S = 10  # how long, after the grace, answers may take to leave
DELIVERED_S = 2  # how long webhooks that are under way may take; what is not told then is told after the next start


@click.command()
@click.option("--host", "bind_host", help="The address to listen on (default: 127.0.0.1).")
@click.option("--port", "bind_port", help="The port to listen on, 0 for a free one (default: 8000).")
@click.option("--no-auth", is_flag=True, help="No keys and no credits; on the loopback only.")
@click.option("--no-browser", "open_browser", flag_value="false", help="Print the first start's link, and open none.")
@click.option("--no-runners", is_flag=True, help="HTTP alone: `fourview work` does the jobs, elsewhere.")
@click.option("--show-settings", is_flag=True, help="Print the settings in force, without secrets, and end.")
@settings_options
def serve(no_runners: bool, show_settings: bool, **given: Any) -> int:
    """Run the HTTP service: keys, credits, a queue, and workers on this machine.

    Every setting can be given as --set NAME=VALUE, as FOURVIEW_NAME in the environment, or in a file (--settings);
    docs/reference/settings.md has them all.
    """
    settings = settings_of(**given)
    if show_settings:
        from fourview.service.settings import describe

        for name, value in describe(settings).items():
            click.echo(f"{name} = {value}")
        return 0
    with serve_extra():
        from fourview.server import file_limit, logs
    logs.configure(settings)
    file_limit.raise_limit()
    with closing(_listener(settings)) as listener:
        settings = settings.model_copy(update={"bind_port": listener.getsockname()[1]})
        with serve_extra(), _context(settings) as context:
            return _serve(context, listener, not no_runners)


def _listener(settings: "Settings") -> socket.socket:
    """A socket that listens already: who comes while we start waits a moment, and is not refused."""
    host, port = settings.bind_host, settings.bind_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::")
    except OSError as error:
        cure = "name an address of this machine with --host, and a port that you may use with --port"
        if error.errno == errno.EADDRINUSE:
            cure = "stop what listens there, or name another with --port"
        raise ServiceError(f"cannot listen on {host} port {port} ({error.strerror}): {cure}") from None


@contextmanager
def _context(settings: "Settings") -> "Iterator[AppContext]":
    from fourview.cli.work import quick_lane_runner
    from fourview.service.context import AppContext
    from fourview.service.files import open_files
    from fourview.service.outbound.fetch import PinnedTransport
    from fourview.service.quick_lane import QuickLane
    from fourview.service.store.database import open_store
    from fourview.service.store.instance import secret
    from fourview.service.wakeups import Wakeups

    with closing(open_store(settings.database)) as store:
        with store.begin() as tx:
            own_secret = secret(tx, "signing")
        with closing(QuickLane(lambda: quick_lane_runner(settings), settings.scratch)) as quick_lane:
            yield AppContext(
                settings=settings,
                store=store,
                files=open_files(settings),
                wakeups=Wakeups(),
                quick_lane=quick_lane,
                transport=PinnedTransport(settings.outbound_rules),
                secrets=tuple(word.get_secret_value().encode() for word in settings.signing_secrets) or (own_secret,),
            )


def _serve(context: "AppContext", listener: socket.socket, is_working: bool) -> int:
    import uvicorn  # noqa: F401 - where it is missing nothing is to begin

    pool = WorkerPool(context.settings, context.store, context.files, context.wakeups, context.supervisor, is_working)
    pool.start()  # runners load while this process still does
    try:
        return _listen(context, listener, pool)
    finally:
        pool.stop(0)
        pool.join()


def _listen(context: "AppContext", listener: socket.socket, pool: WorkerPool) -> int:
    import uvicorn

    from fourview.server import file_limit
    from fourview.server.welcome import open_page, welcome
    from fourview.service.app import create_app
    from fourview.service.background.deliveries import Deliverer
    from fourview.service.background.pauses import pauses
    from fourview.service.http.protocol import HEAD_MAX, protocol

    settings, deliverer = context.settings, Deliverer(context)

    class Server(uvicorn.Server):
        """Starts and ends what belongs to it, in our order; the signals it got it does not send itself once more."""

        signals = 0

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            loop = asyncio.get_running_loop()
            self.deliver()
            context.supervisor.add(
                "webhooks", lambda: not self.delivering.done(), lambda: loop.call_soon_threadsafe(self.deliver)
            )
            self.watching = asyncio.create_task(self.watch())
            self.announcing = asyncio.create_task(self.announce())

        def deliver(self) -> None:
            self.delivering = asyncio.create_task(deliverer.run())

        async def watch(self) -> None:
            """Where a part dies again and again, end in order, so that whatever runs this process starts another."""
            while not context.supervisor.gave_up.is_set():
                await asyncio.sleep(LOOK_S)
            self.should_exit = True

        async def announce(self) -> None:
            """What is printed works from the moment when it is read: a worker is there, too."""
            while not await asyncio.to_thread(pool.is_ready):
                await asyncio.sleep(LOOK_S)
            gc.collect()
            gc.freeze()  # what is loaded by now stays: a look at all of it takes a tenth of a second, again and again
            for wait_s in pauses():
                try:
                    greeting = await asyncio.to_thread(welcome, settings, context.store)
                    break
                except DependencyAwayError:
                    await asyncio.sleep(wait_s)
            click.echo(greeting.text)
            host, port = listener.getsockname()[:2]
            click.echo(f"ready http://{f'[{host}]' if ':' in host else host}:{port}")
            if greeting.link and settings.open_browser:
                open_page(greeting.link)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            self.announcing.cancel()
            self.watching.cancel()
            context.supervisor.stop()
            draining = asyncio.create_task(self.drain())
            await super().shutdown(sockets)
            await draining
            deliverer.stop()
            await asyncio.wait((self.delivering,), timeout=0 if self.force_exit else DELIVERED_S)
            self.delivering.cancel()

        async def drain(self) -> None:
            """Let jobs end or put them back, then wake who waits for others."""
            pool.stop(settings.shutdown_grace_s)
            ending = asyncio.create_task(asyncio.to_thread(pool.join))
            while not ending.done():
                await asyncio.wait((ending,), timeout=LOOK_S)
                if self.force_exit:
                    pool.stop(0)
            context.wakeups.close()

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.signals += 1
            self.should_exit, self.force_exit = True, self.signals > 1
            if self.signals > 2:
                os._exit(INTERRUPTED)

    app = create_app(context)
    config = uvicorn.Config(
        app, http=protocol(settings.base_url, file_limit.connections_max()), ws="none", lifespan="on",
        h11_max_incomplete_event_size=HEAD_MAX, log_config=None, access_log=False, proxy_headers=False,
        server_header=False, timeout_keep_alive=IDLE_S, backlog=BACKLOG,
        timeout_graceful_shutdown=int(settings.shutdown_grace_s) + ANSWERS_S,
    )  # fmt: skip
    server = Server(config)
    with listening(settings, lambda: app.state.probes):
        server.run(sockets=[listener])
    if server.force_exit:
        return INTERRUPTED
    return OUR_FAULT if context.supervisor.gave_up.is_set() else 0
