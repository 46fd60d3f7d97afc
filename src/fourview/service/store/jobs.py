# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs: requests and their results.

Owns      accepting, finding, listing, counting and deleting jobs.
Not here  how a job moves from state to state (`queue`).
"""

import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, delete, func, insert, select, tuple_

from fourview.errors import ServiceError
from fourview.service.store import events, ledger
from fourview.service.store.tables import job_tags, jobs

Api = Literal["v1", "v2", "native"]
Status = Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]
NO_ENGINE = ""  # `Job.engine` of a kind of work that needs none: every worker can do it
OPEN = ("queued", "running")
FINAL = ("succeeded", "failed", "canceled", "expired")


@dataclass(frozen=True)
class Lease:
    """A worker's claim on one attempt of a job; the lease of an older attempt is not valid."""

    job_id: str
    worker: str
    attempt: int


@dataclass(frozen=True)
class NewJob:
    """A job to be made."""

    account_id: str
    key_id: str
    engine: str  # that a worker must have, or `NO_ENGINE`
    price: int  # thousandths of a credit
    recipe: dict[str, Any]
    inputs: dict[str, str]  # side -> digest of the artifact
    kind: str = "generate"  # a key of `kinds.KINDS`
    api: Api = "native"
    priority: int = 0  # the higher goes first
    tags: list[str] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)  # about the request
    not_before: float = 0.0
    deadline: float | None = None
    keep_s: float | None = None
    webhook_url: str | None = None


@dataclass(frozen=True)
class Job:
    id: str
    account_id: str
    key_id: str
    kind: str
    api: str
    engine: str
    status: str
    priority: int
    price: int
    recipe: dict[str, Any]
    inputs: dict[str, str]
    tags: list[str]
    warnings: list[dict[str, Any]]
    created_at: float
    not_before: float
    deadline: float | None
    keep_s: float | None
    started_at: float | None
    finished_at: float | None
    expires_at: float | None
    attempts: int
    deaths: int
    lease_owner: str | None
    lease_until: float | None
    heartbeat_at: float | None
    cancel_requested_at: float | None
    stage: str | None
    progress: float
    seed_used: int | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    webhook_url: str | None
    last_event: int

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def lease(self) -> Lease:
        """The lease of the current attempt."""
        return Lease(self.id, self.lease_owner or "", self.attempts)


# Made once: every poll runs it, and building the statement takes longer than running it.
_BY_ID = select(*(jobs.c[name] for name in Job.__dataclass_fields__)).where(jobs.c.id == bindparam("job_id"))


@dataclass(frozen=True)
class Ended:
    """The duration of a job that has ended."""

    kind: str
    engine: str
    status: str
    seconds: float
    stages_s: dict[str, float]


@dataclass(frozen=True)
class Page:
    jobs: list[Job]
    next: str | None  # the cursor of the page after this one


def add_job(tx: Connection, new: NewJob, now: float) -> Job:
    """Accept a job: hold its price and queue it; raises `CreditError` where the balance does not cover it."""
    job_id = "job_" + secrets.token_hex(12)
    ledger.hold(tx, new.account_id, job_id, new.price, now)
    start = {"id": job_id, "status": "queued", "created_at": now, "attempts": 0, "deaths": 0, "progress": 0.0,
             "last_event": 0}  # fmt: skip
    tx.execute(insert(jobs).values(**vars(new), **start))
    for tag in set(new.tags):
        tx.execute(insert(job_tags).values(tag=tag, job_id=job_id))
    events.append(tx, job_id, "state", {"status": "queued"}, now)
    return Job(**tx.execute(select(jobs).where(jobs.c.id == job_id)).one()._mapping)


def find_job(tx: Connection, job_id: str, account_id: str | None = None) -> Job | None:
    """The job with this id, if it exists and belongs to the account."""
    row = tx.execute(_BY_ID, {"job_id": job_id}).one_or_none()
    return Job(*row) if row and account_id in (None, row.account_id) else None


def list_jobs(
    tx: Connection, account_id: str, limit: int, *,
    after: str | None = None, status: str | None = None, tag: str | None = None,
) -> Page:  # fmt: skip
    """A page of the account's jobs, newest first; `after` is the `next` of the page before."""
    newest = jobs.c.created_at.desc(), jobs.c.id.desc()
    query = select(jobs).where(jobs.c.account_id == account_id).order_by(*newest).limit(limit + 1)
    if after is not None:
        query = query.where(tuple_(jobs.c.created_at, jobs.c.id) < _place(after))
    if status is not None:
        query = query.where(jobs.c.status == status)
    if tag is not None:
        query = query.where(jobs.c.id.in_(select(job_tags.c.job_id).where(job_tags.c.tag == tag)))
    found = [Job(**row._mapping) for row in tx.execute(query)]
    more = len(found) > limit
    return Page(found[:limit], f"{found[limit - 1].created_at!r}:{found[limit - 1].id}" if more else None)


def count_jobs(tx: Connection, key_id: str | None = None) -> dict[str, int]:
    """The number of jobs in each state, of one key or of all."""
    query = select(jobs.c.status, func.count()).group_by(jobs.c.status)
    if key_id is not None:
        query = query.where(jobs.c.key_id == key_id)
    return dict.fromkeys(OPEN + FINAL, 0) | {row[0]: row[1] for row in tx.execute(query)}


def count_waiting(tx: Connection, key_id: str) -> tuple[int, int]:
    """The number of queued jobs, in all and of one key."""
    of_key = func.count().filter(jobs.c.key_id == key_id)
    row = tx.execute(select(func.count(), of_key).where(jobs.c.status == "queued")).one()
    return row[0], row[1]


def delete_job(tx: Connection, job_id: str) -> bool:
    """Remove a final job, its events, outputs and deliveries; its ledger rows stay. False where it is not final."""
    return tx.execute(delete(jobs).where(jobs.c.id == job_id, jobs.c.status.in_(FINAL))).rowcount == 1


def outlived(tx: Connection, now: float, limit: int) -> list[str]:
    """The ids of final jobs whose time to be kept is over, oldest first."""
    past = select(jobs.c.id).where(jobs.c.expires_at <= now).order_by(jobs.c.expires_at, jobs.c.id).limit(limit)
    return list(tx.scalars(past))


def list_ended(tx: Connection, after: float, until: float) -> list[Ended]:
    """Jobs that ran and ended later than `after`, and no later than `until`."""
    columns = jobs.c.kind, jobs.c.engine, jobs.c.status, jobs.c.started_at, jobs.c.finished_at, jobs.c.result
    ran = jobs.c.started_at.is_not(None), jobs.c.finished_at > after, jobs.c.finished_at <= until
    return [
        Ended(
            row.kind, row.engine, row.status, row.finished_at - row.started_at, (row.result or {}).get("timings_s", {})
        )
        for row in tx.execute(select(*columns).where(*ran))
    ]


def _place(cursor: str) -> tuple[float, str]:
    created_at, _, job_id = cursor.partition(":")
    try:
        return float(created_at), job_id
    except ValueError:
        raise ServiceError(f"the cursor '{cursor}' belongs to no page; send the `next` of the page before") from None
