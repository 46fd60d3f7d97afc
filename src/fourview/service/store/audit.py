# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The audit: checks rules about jobs, credits and events over the whole database.

Needs     one transaction (`store.read()`), since rules do not hold between the states of two moments.
Not here  what constraints of the tables refuse (a negative balance, a second hold, a second end of a hold).
"""

from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from fourview.service.store.events import KEPT
from fourview.service.store.jobs import FINAL
from fourview.service.store.tables import events, jobs, ledger

ENDS = {  # status -> how its hold may have ended
    "succeeded": ("charge",),
    "failed": ("release",),
    "expired": ("release",),
    "canceled": ("charge", "release"),
}


def audit(tx: Connection) -> list[str]:
    """One line for each broken rule; an empty list where all rules hold."""
    return [*_balances(tx), *_holds(tx), *_orphans(tx), *_leases(tx), *_numbers(tx), *_last_states(tx)]


def _balances(tx: Connection) -> Iterator[str]:
    """Each row's balance is the sum of the account's changes up to it."""
    total = func.sum(ledger.c.change).over(partition_by=ledger.c.account_id, order_by=ledger.c.id).label("total")
    rows = select(ledger.c.id, ledger.c.account_id, ledger.c.balance, total).subquery()
    for row in tx.execute(select(rows).where(rows.c.balance != rows.c.total)):
        yield f"account {row.account_id}: row {row.id} says a balance of {row.balance}, its changes make {row.total}"


def _holds(tx: Connection) -> Iterator[str]:
    """Each job has one hold of its price; a final one has one charge or release of it, an open one has neither."""
    held, end = ledger.alias(), ledger.alias()
    query = (
        select(jobs.c.id, jobs.c.status, jobs.c.price, jobs.c.account_id, held.c.credits.label("held"),
               held.c.account_id.label("holder"), end.c.kind.label("end"), end.c.credits.label("ended"),
               end.c.account_id.label("ender"))
        .outerjoin(held, (held.c.job_id == jobs.c.id) & (held.c.kind == "hold"))
        .outerjoin(end, (end.c.job_id == jobs.c.id) & (end.c.kind != "hold"))
    )  # fmt: skip
    for row in tx.execute(query):
        if (row.held, row.holder) != (row.price, row.account_id):
            yield f"job {row.id}: costs {row.price} of {row.account_id}, {row.held} of {row.holder} are held"
        if row.end not in ENDS.get(row.status, (None,)):
            yield f"job {row.id}: is {row.status}, and its hold ended in {row.end}"
        if row.end is not None and (row.ended, row.ender) != (row.price, row.account_id):
            yield f"job {row.id}: costs {row.price} of {row.account_id}, its {row.end} is {row.ended} of {row.ender}"


def _orphans(tx: Connection) -> Iterator[str]:
    """The hold of a deleted job was charged or released before the job was deleted."""
    gone = (ledger.c.kind != "grant") & ledger.c.job_id.not_in(select(jobs.c.id))
    query = select(ledger.c.job_id, func.count().label("rows"), func.min(ledger.c.credits).label("least"),
                   func.max(ledger.c.credits).label("most"))  # fmt: skip
    for row in tx.execute(query.where(gone).group_by(ledger.c.job_id)):
        if row.rows != 2 or row.least != row.most:
            yield f"job {row.job_id}: is gone, and its {row.rows} ledger rows are not a hold and its end"


def _leases(tx: Connection) -> Iterator[str]:
    """A running job has a lease, a final job has an end, a queued job has no request to cancel it."""
    columns = jobs.c.id, jobs.c.status, jobs.c.lease_owner, jobs.c.lease_until, jobs.c.finished_at
    for row in tx.execute(select(*columns, jobs.c.cancel_requested_at)):
        running, final = row.status == "running", row.status in FINAL
        if running != (row.lease_owner is not None) or running != (row.lease_until is not None):
            yield f"job {row.id}: is {row.status}, its lease is {row.lease_owner} until {row.lease_until}"
        if final != (row.finished_at is not None):
            yield f"job {row.id}: is {row.status}, finished at {row.finished_at}"
        if row.status == "queued" and row.cancel_requested_at is not None:
            yield f"job {row.id}: is queued, its cancel was asked for at {row.cancel_requested_at}"


def _numbers(tx: Connection) -> Iterator[str]:
    """Events are numbered from 1 to the job's last; only progress events may be missing."""
    steps = events.c.seq - func.lag(events.c.seq, 1, 0).over(partition_by=events.c.job_id, order_by=events.c.seq)
    rows = select(events.c.job_id, events.c.seq, steps.label("step")).subquery().c
    of_job = func.max(rows.seq).label("last"), func.max(rows.step).label("gap")
    seen = select(rows.job_id, *of_job).group_by(rows.job_id).subquery()
    query = select(jobs.c.id, jobs.c.last_event, seen.c.last, seen.c.gap)
    for row in tx.execute(query.outerjoin(seen, seen.c.job_id == jobs.c.id)):
        if row.last != row.last_event:
            yield f"job {row.id}: counted {row.last_event} events, the last is {row.last}"
        elif row.gap > 1 and row.last <= KEPT:
            yield f"job {row.id}: an event before {row.last} is missing"


def _last_states(tx: Connection) -> Iterator[str]:
    """The last state event is the job's state; a final state is there once, as the last event."""
    query = select(jobs.c.id, jobs.c.status, jobs.c.last_event, events.c.seq, events.c.data)
    events_of: dict[str, list[tuple[int, str]]] = {}
    states: dict[str, tuple[str, int]] = {}
    of_state = (events.c.job_id == jobs.c.id) & (events.c.type == "state")
    for row in tx.execute(query.outerjoin(events, of_state).order_by(jobs.c.id, events.c.seq)):
        states[row.id] = row.status, row.last_event
        events_of.setdefault(row.id, []).append((row.seq, row.data["status"]) if row.data else (0, "none"))
    for job_id, (status, last_event) in states.items():
        finals = [seq for seq, shown in events_of[job_id] if shown in FINAL]
        if events_of[job_id][-1][1] != status or finals not in ([], [last_event]):
            yield f"job {job_id}: is {status}, its events show {[shown for _, shown in events_of[job_id]]}"
