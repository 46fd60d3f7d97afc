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
    return append_all(tx, job_id, type, [data], now)[0]


def append_all(tx: Connection, job_id: str, type: str, datas: list[dict[str, Any]], now: float) -> list[Event]:
    """The same for several of one moment, at the cost of one."""
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
