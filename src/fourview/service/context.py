# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What routes reach: settings, store, files and helpers, without blocking the loop.

Owns      the one object that is made at start and handed to everything. Not here: making it (`server.compose`).

The event loop never waits for the disk, the database or the file store: `look`, `change` and `with_files` run in
threads, a pool for each of the three, so that one that hangs does not block the others. Reading queries take turns on
SQLite: they are all Python, and threads that compete for the interpreter halve the throughput.

A request waits for PostgreSQL as long as the server answers any request. Once the server has answered none for a while,
it counts as away for every request that has waited so long, also for those still in the queue.
"""

import asyncio
import contextvars
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import httpx
from sqlalchemy import Connection
from starlette.requests import HTTPConnection

from fourview.errors import DependencyAwayError
from fourview.service.files import Files
from fourview.service.links import Links
from fourview.service.quick_lane import QuickLane
from fourview.service.settings import Settings
from fourview.service.store.database import Store
from fourview.service.store.postgresql import CLIENT_S, REQUEST_S
from fourview.service.store.queue_places import QueuePlaces
from fourview.service.supervisor import Supervisor
from fourview.service.wakeups import Wakeups

READERS = {"sqlite": 1, "postgresql": 4}  # threads; of two on SQLite each waits for the other more than it reads
WRITERS = {"sqlite": 40, "postgresql": 8}  # with the readers fewer than connections, so that the workers have some too
FILERS = 20
SILENT_S = REQUEST_S + 2 * CLIENT_S  # how long a request waits for a database that is silent
AGAIN_S = 0.25  # the same where others waited in vain before; what was begun goes on, and sees when it answers again

T = TypeVar("T")


@dataclass(frozen=True)
class AppContext:
    settings: Settings
    store: Store
    files: Files
    wakeups: Wakeups
    quick_lane: QuickLane
    transport: httpx.AsyncBaseTransport  # to the public internet and nowhere else
    secrets: tuple[bytes, ...]  # that sign URLs, newest first
    queue_places: QueuePlaces = field(default_factory=QueuePlaces)
    supervisor: Supervisor = field(default_factory=Supervisor)

    @cached_property
    def links(self) -> Links:
        """The URLs in answers."""
        return Links(self.settings.base_url, self.secrets, self.settings.signed_url_s)

    async def look(self, query: Callable[[Connection], T]) -> T:
        """What a query finds, in a transaction that only reads. It is short, since others wait for it."""

        def run() -> T:
            with self.store.read(REQUEST_S) as tx:
                return query(tx)

        return await self._answered(self._readers, run)

    async def change(self, query: Callable[[Connection], T]) -> T:
        """Do what a query does, in a transaction of its own."""

        def run() -> T:
            with self.store.begin(REQUEST_S) as tx:
                return query(tx)

        return await self._answered(self._writers, run)

    async def with_files(self, act: Callable[[Files], T]) -> T:
        """What `act` does with the file store, in a thread."""
        return await _in_thread(self._filers, lambda: act(self.files))

    async def _answered(self, threads: ThreadPoolExecutor, run: Callable[[], T]) -> T:
        """What `run` gives; raises `DependencyAwayError` once the database has been silent for too long."""
        running, pulse, began = _in_thread(threads, run), self.store.pulse, time.monotonic()
        patience_s = AGAIN_S if pulse is not None and pulse.is_silent else SILENT_S
        try:
            while pulse is not None and not running.done():
                left_s = max(began, pulse.answered_at) + patience_s - time.monotonic()
                if left_s <= 0:
                    pulse.missed_at = time.monotonic()
                    raise DependencyAwayError("database", "it does not answer")
                await asyncio.wait((running,), timeout=left_s)
            return await running
        finally:
            running.cancel()  # what has not begun by now never does

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(READERS[self.store.engine.dialect.name], "reader")

    @cached_property
    def _writers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(WRITERS[self.store.engine.dialect.name], "writer")

    @cached_property
    def _filers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(FILERS, "files")


def _in_thread(threads: ThreadPoolExecutor, run: Callable[[], T]) -> "asyncio.Future[T]":
    return asyncio.get_running_loop().run_in_executor(threads, contextvars.copy_context().run, run)


def context_of(connection: HTTPConnection) -> AppContext:
    """The context of the application that got this request."""
    context: AppContext = connection.app.state.context
    return context
