# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The database behind the store: SQLite in a file, or PostgreSQL by URL.

Owns      transactions, which errors mean that the database is away, bringing the tables to the newest form (Alembic).
Not here  connections (`store.sqlite`, `store.postgresql`), any query.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from fourview.errors import DependencyAwayError, ServiceError
from fourview.service.masking import masked
from fourview.service.store import postgresql, sqlite
from fourview.service.store.postgresql import Pulse, limit, silent_for

WORK_S = 10.0  # how long PostgreSQL may stay silent for work that no request waits for, seconds
MIGRATION_LOCK = 0x66767701  # PostgreSQL's advisory locks are numbers; "fvw" and a count
READS: dict[str, dict[str, Any]] = {
    "sqlite": {"reads_only": True},  # read by `store.sqlite`
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}
# Errors that our own statements cause; every other error means that the database is away.
OUR_FAULTS = ("21", "22", "23", "25P02", "42")  # SQLSTATE, or its class: data, integrity, a failed transaction, syntax
OUR_FAULTS_SQLITE = {
    sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_MISUSE,
    sqlite3.SQLITE_RANGE, sqlite3.SQLITE_TOOBIG,
}  # fmt: skip


@dataclass(frozen=True)
class Store:
    """An open database whose tables are of the newest form.

    `begin` and `read` raise `DependencyAwayError` while it is away; the errors of our own statements stay as they are.
    PostgreSQL may be silent for `silent_s` in their block, seconds; SQLite is a file and does not stop.
    """

    engine: Engine
    turn: AbstractContextManager[Any]  # of those who write
    pulse: Pulse | None = None  # of PostgreSQL

    @contextmanager
    def begin(self, silent_s: float = WORK_S) -> Iterator[Connection]:
        """A transaction that may write: everything in the block happens, or nothing."""
        with _translated(), silent_for(silent_s), self.turn, self._begun({}) as tx:
            yield tx

    @contextmanager
    def read(self, silent_s: float = WORK_S) -> Iterator[Connection]:
        """A transaction that only reads, one state of everything; it waits for no writer."""
        with _translated(), silent_for(silent_s), self._begun(READS[self.engine.dialect.name]) as tx:
            yield tx

    @contextmanager
    def _begun(self, options: dict[str, Any]) -> Iterator[Connection]:
        """A transaction that has begun. A pooled connection that has died is replaced once, as a ping would do."""
        with ExitStack() as stack:
            for is_last in (False, True):
                tx = stack.enter_context(self.engine.connect()).execution_options(**options)
                try:
                    stack.enter_context(tx.begin())
                    break
                except DBAPIError as error:
                    if is_last or not error.connection_invalidated or limit.was_silent:
                        raise
                    stack.close()
            yield tx

    def check_writes(self) -> None:
        """Raises `DependencyAwayError` while PostgreSQL takes no writes, as a read-only standby."""
        if self.pulse is not None:
            with self.begin():
                """It looks when it begins."""

    def close(self) -> None:
        self.engine.dispose()


def open_store(url: str) -> Store:
    """The store at `url` (`sqlite:///state.db`, `postgresql://user@host/name`), migrated where its tables are older."""
    if url.partition("://")[0] in ("postgresql", "postgres", "postgresql+psycopg"):
        pulse = Pulse()
        store = Store(postgresql.engine(url, pulse), nullcontext(), pulse)
    else:
        store = Store(sqlite.engine(url), threading.Lock())
    try:
        _migrate(store.engine)
    except ServiceError:
        store.close()
        raise
    except DBAPIError as error:
        store.close()
        why = " ".join(str(error.orig).split())
        raise ServiceError(
            f"the database '{masked(url)}' cannot be opened ({why}); name one that can be written"
        ) from error
    return store


@contextmanager
def _translated() -> Iterator[None]:
    """Turns errors of the driver and the pool that mean an unavailable database into `DependencyAwayError`."""
    try:
        yield
    except NoConnectionError as error:
        raise DependencyAwayError("database", "no connection came free in time") from error
    except DBAPIError as error:
        if _is_our_fault(error.orig):
            raise
        raise DependencyAwayError("database", str(error.orig), is_full=_is_full(error.orig)) from error


def _is_our_fault(cause: BaseException | None) -> bool:
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)  # without one Python's side refused the statement
        return code is None or code & 0xFF in OUR_FAULTS_SQLITE
    if isinstance(cause, psycopg.Error) and cause.sqlstate is not None:
        return cause.sqlstate.startswith(OUR_FAULTS)
    return not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)


def _is_full(cause: BaseException | None) -> bool:
    """Whether the database's disk is full."""
    return (
        getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL or getattr(cause, "sqlstate", None) == "53100"
    )


def _migrate(engine: Engine) -> None:
    """Bring the tables to the newest form; of processes that start at once, one does it and the others wait."""
    config = Config()
    config.set_main_option("script_location", "fourview.service.store:migrations")
    with engine.begin() as tx:
        if tx.dialect.name == "postgresql":
            tx.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": MIGRATION_LOCK})
        config.attributes["connection"] = tx
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ServiceError(
                f"the database was written by a newer fourview ({error}); install that one, or restore a backup"
            ) from error
