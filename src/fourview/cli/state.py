# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What `keys` and `credits` share: a transaction on the service's database, and the account of a name.

Owns      the option `--account`, the transaction, the error where there is no such account.
Not here  opening the store (`server.compose`), the option `--database` (`server.options`).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from fourview.errors import ServiceError
from fourview.server.options import serve_extra

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fourview.service.store.accounts import Account

DEFAULT_ACCOUNT = "default"


def account_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names the account."""
    return click.option("--account", default=DEFAULT_ACCOUNT, show_default=True, help="Name of the account.")(command)


@contextmanager
def changing(database: str | None) -> "Iterator[tuple[Connection, float]]":
    """A transaction on the service's database, and the time now (unix seconds)."""
    with serve_extra():
        from fourview.server.compose import opened_store
        from fourview.service.load_settings import load
    with opened_store(database or load().database) as store, store.begin() as tx:
        yield tx, time.time()


def account_of(tx: "Connection", name: str) -> "Account":
    """The account of that name; raises `ServiceError` where there is none."""
    from fourview.service.store.accounts import find_account, list_accounts

    account = find_account(tx, name)
    if account is None:
        names = ", ".join(known.name for known in list_accounts(tx)) or "none yet"
        raise ServiceError(
            f"there is no account '{name}', only {names}; `fourview keys create --account {name}` makes one"
        )
    return account
