# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Accounts: who owns keys, jobs and credits."""

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from fourview.service.store.tables import accounts


@dataclass(frozen=True)
class Account:
    id: str
    name: str
    created_at: float


def add_account(tx: Connection, name: str, now: float) -> Account:
    """A new account; names are unique."""
    account = Account("acc_" + secrets.token_hex(8), name, now)
    tx.execute(insert(accounts).values(**vars(account)))
    return account


def find_account(tx: Connection, name: str) -> Account | None:
    """The account of that name, if there is one."""
    row = tx.execute(select(accounts).where(accounts.c.name == name)).one_or_none()
    return Account(**row._mapping) if row else None


def list_accounts(tx: Connection) -> list[Account]:
    """All accounts by name."""
    return [Account(**row._mapping) for row in tx.execute(select(accounts).order_by(accounts.c.name))]


def lock_account(tx: Connection, account_id: str) -> None:
    """Lock the account's credits until the end of this transaction; waits for other transactions that hold the lock."""
    tx.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True))
