# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The queue: how a job moves from queued to running to its one final state.

Owns      claiming in fair order, leases, progress, every change of state with its event, ledger row and webhook.
Not here  accepting a job (`jobs`), running it (the workers).

The statement that moves a job names the states that it may come from, so a final state never changes, and only one of
two callers can end a job: the return value says which. A worker passes its lease; once the lease is lost (it expired,
the deadline passed) the worker can change nothing.
On PostgreSQL jobs are locked before accounts, and accounts in the order of their ids: so give each change, and each
of the sweeps `reap_leases` and `expire_due`, a transaction of its own, or two of them can block each other.
"""

from dataclasses import replace
from itertools import accumulate
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, text, update

from fourview.service.store import events, ledger, webhooks
from fourview.service.store.accounts import lock_account
from fourview.service.store.jobs import FINAL, NO_ENGINE, OPEN, Job, Lease
from fourview.service.store.outputs import Output, add_outputs
from fourview.service.store.tables import jobs, keys

DEATHS = 2  # workers that may die with a job before it fails
WORKER_CRASH = {
    "code": "worker_crash",
    "message": f"the process that ran this job died {DEATHS} times; nothing was charged, please report it",
    "retryable": False,
}
CLAIM_LOCK = 0x66767702  # PostgreSQL's advisory locks are numbers

Order = Literal["go on", "stop", "lost"]


def claim(
    tx: Connection, worker: str, engines: list[str], now: float, lease_s: float, concurrency: int | None = None
) -> Job | None:
    """Lease the next job that the worker can run; None where there is none now.

    Order: priority, then the key whose last claim is longest ago, then age; keys at their limit are passed over.
    `concurrency` is the limit of keys that have none of their own.
    Claims happen one at a time, which makes order and limits exact; a row that another transaction holds is skipped.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": CLAIM_LOCK})
    ready = (
        jobs.c.status == "queued",
        _can_be_run_with(engines),
        jobs.c.not_before <= now,
        or_(jobs.c.deadline.is_(None), jobs.c.deadline > now),
    )
    of_key = func.max(jobs.c.priority).label("priority"), func.min(jobs.c.created_at).label("since")
    waiting = select(jobs.c.key_id, *of_key).where(*ready).group_by(jobs.c.key_id).subquery()
    running = select(jobs.c.key_id, func.count().label("count")).where(jobs.c.status == "running")
    busy = running.group_by(jobs.c.key_id).subquery()
    limit = func.coalesce(keys.c.concurrency, concurrency)
    whose = (
        select(waiting.c.key_id, waiting.c.priority)
        .join(keys, keys.c.id == waiting.c.key_id)
        .outerjoin(busy, busy.c.key_id == waiting.c.key_id)
        .where(or_(limit.is_(None), func.coalesce(busy.c.count, 0) < limit))
        .order_by(waiting.c.priority.desc(), keys.c.turn, waiting.c.since, keys.c.id)
        .limit(1)
    )
    key = tx.execute(whose).one_or_none()
    if key is None:
        return None
    oldest = select(jobs.c.id).where(*ready, jobs.c.key_id == key.key_id, jobs.c.priority == key.priority)
    oldest = oldest.order_by(jobs.c.created_at, jobs.c.id).limit(1).with_for_update(skip_locked=True)
    found = tx.execute(oldest).one_or_none()
    if found is None:
        return None
    last_turn = select(func.max(keys.c.turn)).scalar_subquery()
    tx.execute(update(keys).where(keys.c.id == key.key_id).values(turn=last_turn + 1))
    return _move(
        tx, [jobs.c.id == found.id, jobs.c.status == "queued"], "running", now,
        started_at=now, attempts=jobs.c.attempts + 1,
        lease_owner=worker, lease_until=now + lease_s, heartbeat_at=now,
    )  # fmt: skip


def is_waiting(tx: Connection, engines: list[str], now: float) -> bool:
    """Whether a job could be claimed, limits of keys not counted: reads without locks, for idle workers."""
    ready = jobs.c.status == "queued", _can_be_run_with(engines), jobs.c.not_before <= now
    return tx.execute(select(jobs.c.id).where(*ready).limit(1)).one_or_none() is not None


def held_by(tx: Connection, worker: str) -> list[Job]:
    """The jobs that a worker holds; it may not know of one whose claim was answered over a lost connection."""
    held = select(jobs).where(jobs.c.status == "running", jobs.c.lease_owner == worker).order_by(jobs.c.id)
    return [Job(**row._mapping) for row in tx.execute(held)]


def order_for(tx: Connection, lease: Lease) -> Order:
    """What `heartbeat` would return, without a write, so that a cancel is seen between two heartbeats."""
    return _order_of(tx.execute(select(jobs.c.cancel_requested_at).where(*_held(lease))).one_or_none())


def heartbeat(tx: Connection, lease: Lease, now: float, lease_s: float) -> Order:
    """Extend the lease; returns whether the worker goes on, must stop (it then calls `stop`), or has lost the lease."""
    beat = update(jobs).where(*_held(lease)).values(heartbeat_at=now, lease_until=now + lease_s)
    return _order_of(tx.execute(beat.returning(jobs.c.cancel_requested_at)).one_or_none())


def report_steps(tx: Connection, lease: Lease, steps: list[tuple[str, float, dict[str, Any]]], now: float) -> bool:
    """Write how far the job is, for each step (stage, progress, more) an event; progress never falls.

    False where the lease is lost.
    """
    job = _locked(tx, lease)
    if job is None:
        return False
    highest = list(accumulate((progress for _, progress, _ in steps), max, initial=job.progress))[1:]
    rows = [{"stage": stage, "progress": far, **more} for (stage, _, more), far in zip(steps, highest, strict=True)]
    tx.execute(update(jobs).where(jobs.c.id == job.id).values(stage=steps[-1][0], progress=highest[-1]))
    events.append_all(tx, job.id, events.PROGRESS, rows, now)
    return True


def finish(
    tx: Connection, lease: Lease, result: dict[str, Any], outputs: list[Output], now: float,
    seed_used: int | None = None,
) -> bool:  # fmt: skip
    """The job succeeded: its outputs are stored, its price is charged. False where the lease is lost."""
    job = _move(tx, _held(lease), "succeeded", now, progress=1.0, result=result, seed_used=seed_used)
    if job is None:
        return False
    add_outputs(tx, job.id, outputs)
    ledger.charge(tx, job.id, now)
    return True


def fail(tx: Connection, lease: Lease, error: dict[str, Any], now: float) -> bool:
    """The job failed: nothing is charged. False where the lease is lost."""
    return _end_unpaid(tx, _held(lease), "failed", now, error=error)


def stop(tx: Connection, lease: Lease, now: float) -> bool:
    """The worker stopped a job after a request to cancel it: it had begun, so it is charged. False where it was not."""
    job = _move(tx, [*_held(lease), jobs.c.cancel_requested_at.is_not(None)], "canceled", now)
    if job is not None:
        ledger.charge(tx, job.id, now)
    return job is not None


def release_lease(tx: Connection, lease: Lease, now: float) -> bool:
    """Put the job back into the queue, for a worker that shuts down. False where the lease is lost."""
    job = _locked(tx, lease)
    if job is not None:
        _put_back(tx, job, now)
    return job is not None


def report_death(tx: Connection, lease: Lease, now: float) -> bool:
    """The worker is known to have died: its job need not wait until the lease expires. False where it is lost."""
    job = _locked(tx, lease)
    if job is not None:
        _bury(tx, job, now)
    return job is not None


def reap_leases(tx: Connection, now: float) -> list[Job]:
    """Jobs whose lease expired return to the queue or, the second time, fail; returns them as they were before."""
    dead = _lock_all(tx, jobs.c.status == "running", jobs.c.lease_until <= now)
    for job in dead:
        _bury(tx, job, now)
    return dead


def request_cancel(tx: Connection, job_id: str, now: float) -> Literal["canceled", "asked", "final"]:
    """Cancel a queued job, ask the worker of a running job to stop; a final job does not change."""
    tx.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())
    if _end_unpaid(tx, [jobs.c.id == job_id, jobs.c.status == "queued"], "canceled", now):
        return "canceled"
    asked = func.coalesce(jobs.c.cancel_requested_at, now)
    this = update(jobs).where(jobs.c.id == job_id, jobs.c.status == "running").values(cancel_requested_at=asked)
    return "asked" if tx.execute(this).rowcount else "final"


def is_overdue(tx: Connection, now: float) -> bool:
    """Whether `reap_leases` or `expire_due` would find a job: reads without locks."""
    late = (jobs.c.status == "running") & (jobs.c.lease_until <= now) | jobs.c.status.in_(OPEN) & (
        jobs.c.deadline <= now
    )
    return tx.execute(select(jobs.c.id).where(late).limit(1)).one_or_none() is not None


def expire_due(tx: Connection, now: float) -> list[Job]:
    """Jobs whose deadline passed expire, running or not, at no cost; returns them as they were before."""
    late = _lock_all(tx, jobs.c.status.in_(OPEN), jobs.c.deadline <= now)
    for job in late:
        _end_unpaid(tx, [jobs.c.id == job.id], "expired", now)
    return late


UNLEASED: dict[str, Any] = {"lease_owner": None, "lease_until": None}


def _can_be_run_with(engines: list[str]) -> ColumnElement[bool]:
    """The condition that a worker with these engines can do the job."""
    return jobs.c.engine.in_([*engines, NO_ENGINE])


def _order_of(row: Row[Any] | None) -> Order:
    if row is None:
        return "lost"
    return "go on" if row.cancel_requested_at is None else "stop"


def _held(lease: Lease) -> list[ColumnElement[bool]]:
    """The condition that this attempt still runs."""
    return [
        jobs.c.id == lease.job_id,
        jobs.c.status == "running",
        jobs.c.lease_owner == lease.worker,
        jobs.c.attempts == lease.attempt,
    ]


def _locked(tx: Connection, lease: Lease) -> Job | None:
    """The job of this lease, locked; None where the lease is lost."""
    row = tx.execute(select(jobs).where(*_held(lease)).with_for_update()).one_or_none()
    return Job(**row._mapping) if row else None


def _lock_all(tx: Connection, *which: ColumnElement[bool]) -> list[Job]:
    """Lock these jobs, without those that another transaction changes, then their accounts in order of their ids."""
    query = select(jobs).where(*which).order_by(jobs.c.id).with_for_update(skip_locked=True)
    found = [Job(**row._mapping) for row in tx.execute(query)]
    for account_id in sorted({job.account_id for job in found}):
        lock_account(tx, account_id)
    return found


def _bury(tx: Connection, job: Job, now: float) -> None:
    """A locked job lost its worker."""
    deaths = job.deaths + 1
    if deaths < DEATHS or job.cancel_requested_at is not None:
        _put_back(tx, job, now, deaths=deaths)
    else:
        _end_unpaid(tx, [jobs.c.id == job.id], "failed", now, deaths=deaths, error=WORKER_CRASH)


def _put_back(tx: Connection, job: Job, now: float, **values: Any) -> None:
    """A locked job has no worker any more: it returns to the queue, unless its cancel was requested."""
    if job.cancel_requested_at is None:
        _move(tx, [jobs.c.id == job.id], "queued", now, started_at=None, **UNLEASED, **values)
    else:
        _end_unpaid(tx, [jobs.c.id == job.id], "canceled", now, **values)


def _end_unpaid(tx: Connection, which: list[ColumnElement[bool]], status: str, now: float, **values: Any) -> bool:
    """End a job and release its hold; returns whether this call ended it."""
    job = _move(tx, which, status, now, **values)
    if job is not None:
        ledger.release(tx, job.id, now)
    return job is not None


def _move(tx: Connection, which: list[ColumnElement[bool]], status: str, now: float, **values: Any) -> Job | None:
    """Give an open job its next state, write the event, queue the webhook; None where no open job matches."""
    if status in FINAL:
        values = {"finished_at": now, "expires_at": now + jobs.c.keep_s, **UNLEASED, **values}
    change = update(jobs).where(*which, jobs.c.status.in_(OPEN)).values(status=status, **values).returning(jobs)
    row = tx.execute(change).one_or_none()
    if row is None:
        return None
    job = Job(**row._mapping)
    data = {"status": status} if job.error is None else {"status": status, "error": job.error}
    event = events.append(tx, job.id, "state", data, now)
    if job.webhook_url is not None:
        webhooks.announce(tx, job.id, job.account_id, job.webhook_url, status, now)
    return replace(job, last_event=event.seq)
