# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Events of a job, in order; a reader that missed some can read them again.

Owns      numbering, resuming, compaction.

The events of a job are numbered from 1. The job's row holds the last number, and the lock on it orders the writers.
Each append deletes the progress event that is `KEPT` numbers older. So a job keeps at most `KEPT` events and its few
states, and only old progress is ever missing.
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
    """Write the next event of a job, and delete progress that is too old."""
    return append_all(tx, job_id, type, [data], now)[0]


def append_all(tx: Connection, job_id: str, type: str, datas: list[dict[str, Any]], now: float) -> list[Event]:
    """The same for several events of one moment, at the cost of one."""
    count = update(jobs).where(jobs.c.id == job_id).values(last_event=jobs.c.last_event + len(datas))
    last = tx.execute(count.returning(jobs.c.last_event)).scalar_one()
    new = [Event(job_id, seq, type, data, now) for seq, data in enumerate(datas, last - len(datas) + 1)]
    tx.execute(insert(events), [vars(event) for event in new])
    if last > KEPT:
        old = events.c.job_id == job_id, events.c.seq.between(new[0].seq - KEPT, last - KEPT)
        tx.execute(delete(events).where(*old, events.c.type == PROGRESS))
    return new


def after(tx: Connection, job_id: str, seq: int) -> list[Event]:
    """The events of a job with numbers above `seq`, in order."""
    query = select(events).where(events.c.job_id == job_id, events.c.seq > seq).order_by(events.c.seq)
    return [Event(**row._mapping) for row in tx.execute(query)]
