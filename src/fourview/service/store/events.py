# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Events: what happened to a job, in order; what a reader of the stream missed can be read again.

Owns      numbering, resuming, compaction.

Numbers of a job count from 1 without gaps: the job's row holds the last one, and its lock orders the writers. Of
progress only what is younger than the last `KEPT` events stays: each append drops the progress event that is `KEPT`
numbers older. So a job's events are bounded by `KEPT` and its few states, and a hole is only ever old progress.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from fourview.service.store.tables import events, jobs

KEPT = 200  # twice the most steps a run can ask for
PROGRESS = "progress"


@dataclass(frozen=True)
class Event:
    job_id: str
    seq: int
    type: str
    data: dict[str, Any]
    at: float


def append(tx: Connection, job_id: str, type: str, data: dict[str, Any], now: float) -> Event:
    """Write the next event of a job, and drop the progress that is too old to matter."""
    count = update(jobs).where(jobs.c.id == job_id).values(last_event=jobs.c.last_event + 1)
    event = Event(job_id, tx.execute(count.returning(jobs.c.last_event)).scalar_one(), type, data, now)
    tx.execute(insert(events).values(**vars(event)))
    if event.seq > KEPT:
        old = events.c.job_id == job_id, events.c.seq == event.seq - KEPT, events.c.type == PROGRESS
        tx.execute(delete(events).where(*old))
    return event


def after(tx: Connection, job_id: str, seq: int) -> list[Event]:
    """The events of a job with numbers above `seq`, in order."""
    query = select(events).where(events.c.job_id == job_id, events.c.seq > seq).order_by(events.c.seq)
    return [Event(**row._mapping) for row in tx.execute(query)]
