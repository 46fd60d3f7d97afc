# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Webhooks: the queue of deliveries, and the log of their attempts.

Owns      the events that are delivered (`TYPES`), the queue, the log. A delivery is written in the transaction that
          changes the job's state.
Not here  the body, its signature, sending, the delay between attempts (`background.deliveries`).

Taking a delivery moves its time into the future, so that it becomes due again if its sender dies.
Deliveries of one account to one host are a lane. Which lanes have something due is found by one step in an index for
each lane, however many deliveries wait in it.
"""

import secrets
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from sqlalchemy import Connection, Select, bindparam, insert, select, update

from fourview.service.store.tables import deliveries, jobs

TYPES = {  # status of a job -> event; a deadline counts as a cancel
    "running": "job.running",
    "succeeded": "job.succeeded",
    "failed": "job.failed",
    "canceled": "job.canceled",
    "expired": "job.canceled",
}


State = Literal["pending", "delivered", "dropped"]


@dataclass(frozen=True)
class Delivery:
    id: str
    job_id: str
    type: str
    url: str
    status: State
    attempts: int
    created_at: float
    next_at: float
    log: list[dict[str, Any]]
    lane: str  # the account's id, a blank, the host with its port


@dataclass(frozen=True)
class Due:
    """A lane with a delivery that is due, and since when."""

    lane: str
    since: float


def _due_lanes() -> Select[tuple[str, float]]:
    pending = deliveries.c.status == "pending"
    lane = select(deliveries.c.lane).where(pending).order_by(deliveries.c.lane).limit(1)
    found = select(lane.scalar_subquery().label("lane")).cte("lanes", recursive=True)
    after = lane.where(deliveries.c.lane > found.c.lane).scalar_subquery()
    found = found.union_all(select(after).where(found.c.lane.is_not(None)))
    first = select(deliveries.c.next_at).where(pending, deliveries.c.lane == found.c.lane)
    since = first.order_by(deliveries.c.next_at).limit(1).scalar_subquery().label("since")
    lanes = select(found.c.lane, since).where(found.c.lane.is_not(None)).subquery()
    return select(lanes).where(lanes.c.since <= bindparam("now")).order_by(lanes.c.since, lanes.c.lane)


_DUE_LANES = _due_lanes()  # made once: building the statement takes longer than running it


def lane_of(account_id: str, url: str) -> str:
    """The lane of a delivery."""
    return f"{account_id} {urlsplit(url).netloc.lower()}"


def announce(tx: Connection, job_id: str, account_id: str, url: str, status: str, now: float) -> None:
    """Queue the delivery of a job's new state; nothing where the job has no webhook."""
    if status in TYPES:
        lane = lane_of(account_id, url)
        new = Delivery("msg_" + secrets.token_hex(12), job_id, TYPES[status], url, "pending", 0, now, now, [], lane)
        tx.execute(insert(deliveries).values(**vars(new)))


def due_lanes(tx: Connection, now: float) -> list[Due]:
    """The lanes with due deliveries, the longest waiting first: reads without locks."""
    return [Due(row.lane, row.since) for row in tx.execute(_DUE_LANES, {"now": now})]


def take_delivery(tx: Connection, lane: str, now: float, lease_s: float) -> Delivery | None:
    """Take the oldest due delivery of a lane; no other process takes it for `lease_s`. Counts the attempt."""
    due = deliveries.c.status == "pending", deliveries.c.lane == lane, deliveries.c.next_at <= now
    query = select(deliveries.c.id).where(*due).order_by(deliveries.c.next_at, deliveries.c.id).limit(1)
    found = tx.execute(query.with_for_update(skip_locked=True)).one_or_none()
    if found is None:
        return None
    return _change(tx, found.id, {"attempts": deliveries.c.attempts + 1, "next_at": now + lease_s})


def delivered(tx: Connection, delivery_id: str, entry: dict[str, Any]) -> Delivery | None:
    """The receiver accepted it; `entry` goes to the log."""
    return _change(tx, delivery_id, {"status": "delivered"}, entry)


def not_delivered(tx: Connection, delivery_id: str, entry: dict[str, Any], next_at: float | None) -> Delivery | None:
    """The attempt failed: retry at `next_at`, or never where that is None; `entry` goes to the log."""
    values = {"status": "dropped"} if next_at is None else {"next_at": next_at}
    return _change(tx, delivery_id, values, entry)


def stop(tx: Connection, job_id: str) -> None:
    """The receiver refuses this job: pending deliveries are dropped, and no more are queued."""
    tx.execute(update(jobs).where(jobs.c.id == job_id).values(webhook_url=None))
    pending = deliveries.c.job_id == job_id, deliveries.c.status == "pending"
    tx.execute(update(deliveries).where(*pending).values(status="dropped"))


def redeliver(tx: Connection, delivery_id: str, now: float) -> Delivery | None:
    """Deliver it again, from the first attempt."""
    return _change(tx, delivery_id, {"status": "pending", "attempts": 0, "next_at": now})


def list_deliveries(tx: Connection, job_id: str) -> list[Delivery]:
    """All deliveries of a job, in order."""
    query = select(deliveries).where(deliveries.c.job_id == job_id).order_by(deliveries.c.created_at, deliveries.c.id)
    return [Delivery(**row._mapping) for row in tx.execute(query)]


def _change(
    tx: Connection, delivery_id: str, values: dict[str, Any], entry: dict[str, Any] | None = None
) -> Delivery | None:
    if entry is not None:
        log = tx.scalar(select(deliveries.c.log).where(deliveries.c.id == delivery_id).with_for_update())
        values = {**values, "log": [*(log or []), entry]}
    this = update(deliveries).where(deliveries.c.id == delivery_id).values(values)
    row = tx.execute(this.returning(deliveries)).one_or_none()
    return Delivery(**row._mapping) if row else None
