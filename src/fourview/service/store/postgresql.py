# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The store on PostgreSQL.

Owns      connections, how long the server may stay silent, the options of its URL.
Not here  transactions (`store.database`).

The URL goes to libpq unchanged, so several hosts and every option of libpq work. Nothing is bound to a session:
settings and locks last for one transaction, and statements are not prepared on the server unless the URL has
`prepare_threshold=N`. So a pooler in transaction mode works.

A server that is stopped keeps its connections open and answers nothing, and none of its own time limits applies then.
So `_Connection` stops waiting by itself. This is our own code, because no driver has a time limit in the client.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import ExceptionContext

from fourview.errors import DependencyAwayError, ServiceError
from fourview.service.masking import masked

REQUEST_S = 2.0  # how long PostgreSQL may stay silent while a request waits for it
OPEN_S = 10.0  # how long PostgreSQL may take to accept connections at the start
CLIENT_S = 0.2  # how much later than the server's own limit the client gives up, for servers that cannot answer
POOL = 15  # connections to PostgreSQL, at most
FORGOTTEN_S = 60  # PostgreSQL ends a transaction whose client was silent for so long, and frees its locks
# Unless the URL says otherwise: a host that vanished is noticed within half a minute.
KEEPALIVE = {"keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3", "tcp_user_timeout": "10000"}
# Errors of a server that takes no writes, or is starting or stopping: such a connection is closed.
UNUSABLE = ("25006", "0A000", "55000", "57P01", "57P02", "57P03")
# For this transaction only: a pooler gives the session to others afterwards.
LIMITS = text(
    "SELECT current_setting('transaction_read_only'), set_config('statement_timeout', CAST(:statement AS text), true), "
    "set_config('idle_in_transaction_session_timeout', CAST(:forgotten AS text), true)"
)


class Pulse:
    """When a transaction began last, in any thread of this process, and when the server was waited for in vain.

    Both are `time.monotonic()`.
    """

    answered_at = float("-inf")
    missed_at = float("-inf")

    @property
    def is_silent(self) -> bool:
        """Whether it has not answered since a wait for it failed."""
        return self.missed_at > self.answered_at


class Limit(threading.local):
    """How long the server may be silent towards this thread, and whether it already was for longer."""

    silent_s: float | None = None  # None: no limit
    was_silent = False


limit = Limit()


@contextmanager
def silent_for(seconds: float) -> Iterator[None]:
    """Let the server be silent towards this thread for so long within the block."""
    before = limit.silent_s
    limit.silent_s, limit.was_silent = seconds, False
    try:
        yield
    finally:
        limit.silent_s, limit.was_silent = before, False


class _Connection(psycopg.Connection[Any]):
    """Gives up, and is closed, when the server is silent for longer than the thread may wait."""

    pulse = Pulse()  # replaced by that of the store

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """The driver calls this for every answer that it waits for, and for changes of its own that need none."""
        if timeout is None and limit.silent_s is not None:
            timeout = limit.silent_s + CLIENT_S
        began = time.monotonic()
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.OperationalError as error:
            if timeout is None or time.monotonic() < began + timeout:
                raise
            limit.was_silent = True
            self.pulse.missed_at = time.monotonic()
            self.pgconn.finish()  # its state is unknown
            raise psycopg.OperationalError(f"the server was silent for {timeout:.1f} s") from error


def engine(url: str, pulse: Pulse) -> Engine:
    """Connections to the server that `url` names; `pulse` learns when it answers."""
    options, prepare_threshold = _options(url)

    def connect() -> _Connection:
        patience = {"connect_timeout": int(min(OPEN_S, limit.silent_s or OPEN_S))}
        connection = _Connection.connect(**patience | options, prepare_threshold=prepare_threshold)
        connection.pulse = pulse
        return connection

    made = create_engine(
        "postgresql+psycopg://",
        creator=connect,
        pool_size=5,
        max_overflow=POOL - 5,
        pool_timeout=REQUEST_S,
    )

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        if limit.silent_s is not None:
            milliseconds = {"statement": int(limit.silent_s * 1000), "forgotten": FORGOTTEN_S * 1000}
            is_read_only = connection.execute(LIMITS, milliseconds).scalar_one() == "on"
            pulse.answered_at = time.monotonic()
            if is_read_only and not connection.get_execution_options().get("postgresql_readonly", False):
                connection.invalidate()
                raise DependencyAwayError("database", "it is a standby, or was made read-only")

    @event.listens_for(made, "checkin")
    def leave_to_the_server(connection: _Connection | None, record: object) -> None:
        if connection is not None and not connection.closed:
            connection.read_only = None  # SQLAlchemy leaves False, which overrules a server that was made read-only

    @event.listens_for(made, "handle_error")
    def throw_out(context: ExceptionContext) -> None:
        if getattr(context.original_exception, "sqlstate", None) in UNUSABLE:
            context.is_disconnect = True

    return made


def _options(url: str) -> tuple[dict[str, Any], int | None]:
    """The options of the URL as libpq reads them, with our defaults; after how many uses a statement is prepared."""
    place, mark, query = url.partition("?")
    given = dict(parse_qsl(query))
    word = given.get("prepare_threshold", "none")
    if word != "none" and not word.isdecimal():
        raise ServiceError(f"prepare_threshold in the database's URL is '{word[:40]}'; it takes a number, or none")
    rest = "&".join(pair for pair in query.split("&") if not pair.startswith("prepare_threshold="))
    try:
        options = conninfo_to_dict(f"postgresql://{place.partition('://')[2]}{mark}{rest}")
    except psycopg.ProgrammingError as error:
        option = f" ({str(error).strip()})" if "query parameter" in str(error) else ""  # all else may hold a password
        raise ServiceError(
            f"the database's URL '{masked(url)}' cannot be read{option}; write postgresql://USER:PASSWORD@HOST:PORT/NAME?OPTION"
            "=VALUE with options of libpq, and %-codes for signs that a URL does not hold"
        ) from error
    if "," in str(options.get("host", "")):
        options.setdefault("target_session_attrs", "read-write")
    return KEEPALIVE | options, None if word == "none" else int(word)
