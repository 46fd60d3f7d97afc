# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Idempotency: the same request sent twice makes one job.

Owns      which job belongs to an account's `Idempotency-Key` (`word` in this file).
Not here  the fingerprint of a body (`inputs.body`).

`look_up` locks the account, so of many equal requests one is new and the others wait and find its job. The caller makes
the job and calls `remember` in the same transaction. The key of a deleted job cannot be used again.
"""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from fourview.service.store.accounts import lock_account
from fourview.service.store.tables import idempotency

KEEP_S = 24 * 3600


@dataclass(frozen=True)
class Seen:
    state: Literal["new", "replay", "mismatch"]
    job_id: str | None = None


def look_up(tx: Connection, account_id: str, word: str, fingerprint: str, now: float, keep_s: float = KEEP_S) -> Seen:
    """Whether this request is new, a replay of one that made a job, or a different request with the same key."""
    lock_account(tx, account_id)
    return peek(tx, account_id, word, fingerprint, now, keep_s)


def peek(tx: Connection, account_id: str, word: str, fingerprint: str, now: float, keep_s: float = KEEP_S) -> Seen:
    """The same without a lock: another request may use the key before this one does."""
    row = tx.execute(select(idempotency).where(*_this(account_id, word), idempotency.c.at > now - keep_s)).one_or_none()
    if row is None:
        return Seen("new")
    return Seen("replay", row.job_id) if row.fingerprint == fingerprint else Seen("mismatch")


def remember(tx: Connection, account_id: str, word: str, fingerprint: str, job_id: str, now: float) -> None:
    """Store the job that a new request made."""
    tx.execute(delete(idempotency).where(*_this(account_id, word)))
    row = {"account_id": account_id, "word": word, "fingerprint": fingerprint, "job_id": job_id, "at": now}
    tx.execute(insert(idempotency).values(row))


def forget_old(tx: Connection, now: float, keep_s: float = KEEP_S) -> int:
    """Delete keys that are older than `keep_s`; returns how many."""
    return tx.execute(delete(idempotency).where(idempotency.c.at <= now - keep_s)).rowcount


def _this(account_id: str, word: str) -> tuple[ColumnElement[bool], ...]:
    return idempotency.c.account_id == account_id, idempotency.c.word == word
