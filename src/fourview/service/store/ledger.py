# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The ledger: every credit that was given, held, charged or released.

Owns      the rows, the balance. A credit is 1000 units here; all numbers are whole.
Not here  when a job's credits move (`jobs`, `queue`: in the transaction that changes its state).

Rows are never changed or deleted. Each carries the balance after it, so the balance is read from the newest row; the
table refuses a negative one, a second hold of a job and a second end of a hold. Writers of one account queue behind
its lock, so two holds cannot both pass on the last credit.
"""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, bindparam, insert, select

from fourview.errors import CreditError
from fourview.service.store.accounts import lock_account
from fourview.service.store.tables import ledger

CREDIT = 1000


@dataclass(frozen=True)
class LedgerRow:
    id: int
    account_id: str
    kind: str  # grant, hold, charge, release
    credits: int
    change: int
    balance: int
    job_id: str | None
    note: str
    at: float


_NEWEST = (  # made once: every request runs it
    select(ledger.c.balance).where(ledger.c.account_id == bindparam("account")).order_by(ledger.c.id.desc()).limit(1)
)


def in_credits(units: int) -> str:
    """Thousandths of a credit as credits, in decimal digits."""
    return f"{Decimal(units) / CREDIT:f}"


def grant(tx: Connection, account_id: str, credits: int, note: str, now: float) -> LedgerRow:
    """Give credits to an account; a negative number takes some back."""
    return _add(tx, account_id, "grant", credits, credits, None, note, now)


def hold(tx: Connection, account_id: str, job_id: str, price: int, now: float) -> LedgerRow:
    """Reserve the price of a job; raises `CreditError` where the balance does not cover it."""
    return _add(tx, account_id, "hold", price, -price, job_id, "", now)


def charge(tx: Connection, job_id: str, now: float) -> LedgerRow:
    """Charge the credits that were held for a job."""
    held = _hold_of(tx, job_id)
    return _add(tx, held.account_id, "charge", held.credits, 0, job_id, "", now)


def release(tx: Connection, job_id: str, now: float) -> LedgerRow:
    """Release the credits that were held for a job."""
    held = _hold_of(tx, job_id)
    return _add(tx, held.account_id, "release", held.credits, held.credits, job_id, "", now)


def balance(tx: Connection, account_id: str) -> int:
    """What the account can spend now."""
    return tx.scalar(_NEWEST, {"account": account_id}) or 0


def charged(tx: Connection, job_ids: Collection[str]) -> dict[str, int]:
    """The charge of each of these jobs; jobs that were not charged are left out."""
    ends = select(ledger.c.job_id, ledger.c.credits).where(ledger.c.job_id.in_(job_ids), ledger.c.kind == "charge")
    return {row.job_id: row.credits for row in tx.execute(ends)}


def list_rows(tx: Connection, account_id: str, limit: int, before: int | None = None) -> list[LedgerRow]:
    """The account's rows, newest first, older than row `before`."""
    query = select(ledger).where(ledger.c.account_id == account_id).order_by(ledger.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(ledger.c.id < before)
    return [LedgerRow(**row._mapping) for row in tx.execute(query)]


def _hold_of(tx: Connection, job_id: str) -> LedgerRow:
    row = tx.execute(select(ledger).where(ledger.c.job_id == job_id, ledger.c.kind == "hold")).one()
    return LedgerRow(**row._mapping)


def _add(
    tx: Connection, account_id: str, kind: str, credits: int, change: int, job_id: str | None, note: str, now: float
) -> LedgerRow:
    lock_account(tx, account_id)
    before = balance(tx, account_id)
    if before + change < 0:
        message = f"the balance is {in_credits(before)} credits and {in_credits(-change)} are needed; grant more"
        raise CreditError(message, before, -change)
    values = {"account_id": account_id, "kind": kind, "credits": credits, "change": change,
              "balance": before + change, "job_id": job_id, "note": note, "at": now}  # fmt: skip
    return LedgerRow(**tx.execute(insert(ledger).values(values).returning(ledger)).one()._mapping)
