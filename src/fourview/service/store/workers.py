# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Workers: which are running and what they can do, for discovery and readiness.

The queue does not read this table: a worker names its engines at each claim, and its lease shows that it is alive.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select, update

from fourview.service.store.tables import insert_or, workers


@dataclass(frozen=True)
class Worker:
    id: str
    engines: list[str]
    about: dict[str, Any]  # device, host, version
    started_at: float
    seen_at: float


def register(tx: Connection, worker_id: str, engines: list[str], about: dict[str, Any], now: float) -> None:
    """Register a worker, or its new abilities."""
    says = {"engines": engines, "about": about, "started_at": now, "seen_at": now}
    new = insert_or(tx, workers).values(id=worker_id, **says)
    tx.execute(new.on_conflict_do_update(index_elements=["id"], set_=says))


def seen(tx: Connection, worker_id: str, now: float) -> bool:
    """A worker is still running; False where it never registered or was deleted."""
    return tx.execute(update(workers).where(workers.c.id == worker_id).values(seen_at=now)).rowcount == 1


def leave(tx: Connection, worker_id: str) -> None:
    """A worker goes."""
    tx.execute(delete(workers).where(workers.c.id == worker_id))


def present(tx: Connection, since: float) -> list[Worker]:
    """The workers seen after `since`."""
    query = select(workers).where(workers.c.seen_at > since).order_by(workers.c.started_at, workers.c.id)
    return [Worker(**row._mapping) for row in tx.execute(query)]


def forget_gone(tx: Connection, before: float) -> int:
    """Delete workers not seen since `before`, which were killed; returns how many."""
    return tx.execute(delete(workers).where(workers.c.seen_at <= before)).rowcount
