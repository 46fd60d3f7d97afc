# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How many jobs come before one that waits.

Owns      the order in which waiting jobs will be claimed, remembering the places.
Not here  claiming (`store.queue`).

A place depends on all jobs that wait, so all places are looked up at once, and at most once in `FRESH_S`.
"""

import threading
import time

from sqlalchemy import Connection, Select, func, select

from fourview.service.store.jobs import Job
from fourview.service.store.tables import jobs, keys

FRESH_S = 1.0


class QueuePlaces:
    """One a process; any thread calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[str, int] = {}
        self._looked_at = float("-inf")

    def place(self, tx: Connection, job: Job) -> int | None:
        """The place of a job, 1 is next, at most `FRESH_S` old; None where it does not wait."""
        if job.status != "queued":
            return None
        with self._lock:
            now = time.monotonic()
            if now - self._looked_at > FRESH_S or job.id not in self._places:
                self._places, self._looked_at = queue_positions(tx), now
            return self._places.get(job.id)


def queue_position(tx: Connection, job_id: str) -> int | None:
    """The place of a waiting job, 1 is next, if nothing new comes in; None where it does not wait."""
    places = _places().subquery()
    return tx.scalar(select(places.c.place).where(places.c.id == job_id))


def queue_positions(tx: Connection) -> dict[str, int]:
    """The places of all waiting jobs; of 5000 in about 15 ms."""
    return {row.id: row.place for row in tx.execute(_places())}


def _places() -> Select[tuple[str, int]]:
    """Keys take turns, so the jobs of a key are numbered, and all first ones come before all second ones."""
    age = jobs.c.created_at, jobs.c.id
    number = func.row_number().over(partition_by=(jobs.c.key_id, jobs.c.priority), order_by=age).label("number")
    waiting = (
        select(jobs.c.id, jobs.c.key_id, jobs.c.priority, number, keys.c.turn, jobs.c.created_at)
        .join(keys, keys.c.id == jobs.c.key_id)
        .where(jobs.c.status == "queued")
        .subquery()
    ).c
    order = waiting.priority.desc(), waiting.number, waiting.turn, waiting.created_at, waiting.key_id
    return select(waiting.id, func.row_number().over(order_by=order).label("place"))
