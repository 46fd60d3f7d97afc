# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What every route reaches: the settings, the store, the files, and whoever helps.

Owns      the one object that is made at start and handed to everything. Not here: making it (`cli.serve`).

The event loop never waits for the disk or the database: `look` and `change` run their queries in a thread.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
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
        """What a query finds, in a transaction that only reads."""

        def run() -> T:
            with self.store.read() as tx:
                return query(tx)

        return await to_thread.run_sync(run)

    async def change(self, query: Callable[[Connection], T]) -> T:
        """Do what a query does, in a transaction of its own."""

        def run() -> T:
            with self.store.begin() as tx:
                return query(tx)

        return await to_thread.run_sync(run)


def desk_of(connection: HTTPConnection) -> Desk:
    """The desk of the application that got this request."""
    desk: Desk = connection.app.state.desk
    return desk
