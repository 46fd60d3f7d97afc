# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What every route reaches: the settings, the store, the files, and whoever helps.

Owns      the one object that is made at start and handed to everything. Not here: making it (`cli.serve`).

The event loop never waits for the disk or the database: `look` and `change` run their queries in a thread. Queries that
read take turns: reading SQLite is all Python, and threads that fight for the interpreter halve what it gets done.
"""

import asyncio
import contextvars
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import httpx
from anyio import to_thread
from sqlalchemy import Connection
from starlette.requests import HTTPConnection

from fourview.service.aside import Aside
from fourview.service.files import Files
from fourview.service.line import Line
from fourview.service.news import News
from fourview.service.settings import Settings
from fourview.service.store.database import Store

READERS = {"sqlite": 1, "postgresql": 4}  # threads; of two on SQLite each waits for the other more than it reads

T = TypeVar("T")


@dataclass(frozen=True)
class Desk:
    settings: Settings
    store: Store
    files: Files
    news: News
    aside: Aside
    transport: httpx.AsyncBaseTransport  # to the public internet and nowhere else
    secrets: tuple[bytes, ...]  # that sign URLs, newest first
    line: Line = field(default_factory=Line)

    async def look(self, query: Callable[[Connection], T]) -> T:
        """What a query finds, in a transaction that only reads. It is short, since others wait for it."""

        def run() -> T:
            with self.store.read() as tx:
                return query(tx)

        return await asyncio.get_running_loop().run_in_executor(self._readers, contextvars.copy_context().run, run)

    def free_mib(self) -> float:
        """How much fits where there is least: where files lie, where jobs run, or where SQLite writes."""
        settings = self.settings
        places = [settings.scratch]
        if settings.database.startswith("sqlite"):
            places.append(Path(settings.database.removeprefix("sqlite:///")).parent)
        free = [_free_mib(place) for place in places]
        in_files = self.files.free_mib()
        return min(free) if in_files is None else min(*free, in_files)

    async def change(self, query: Callable[[Connection], T]) -> T:
        """Do what a query does, in a transaction of its own."""

        def run() -> T:
            with self.store.begin() as tx:
                return query(tx)

        return await to_thread.run_sync(run)

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(READERS[self.store.engine.dialect.name], "reader")


def _free_mib(place: Path) -> float:
    there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    return float(shutil.disk_usage(there).free / 2**20)


def desk_of(connection: HTTPConnection) -> Desk:
    """The desk of the application that got this request."""
    desk: Desk = connection.app.state.desk
    return desk
