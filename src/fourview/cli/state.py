# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How commands reach the service: its packages, and for `keys` and `credits` its database, opened, and the clock.

The extra [serve] brings the database's packages; they are imported when a command needs them.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from fourview.errors import MissingExtraError, ServiceError
from fourview.install import install_line

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fourview.service.store.accounts import Account

DEFAULT_ACCOUNT = "default"


def database_option(command: Callable[..., Any]) -> Callable[..., Any]:
    text = "sqlite:///FILE or postgresql://... (default: where a `fourview serve` without options has it)."
    return click.option("--database", envvar="FOURVIEW_DATABASE_URL", help=text, show_envvar=True)(command)


def account_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--account", default=DEFAULT_ACCOUNT, show_default=True, help="Name of the account.")(command)


@contextmanager
def serve_extra() -> "Iterator[None]":
    """For imports of the service: raises `MissingExtraError` where one of its packages is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the service needs the module {error.name!r}, which is not installed; {install_line('serve')}"
        ) from error


@contextmanager
def changing(database: str | None) -> "Iterator[tuple[Connection, float]]":
    """A transaction on the service's database, and what time it is."""
    with serve_extra():
        from fourview.service.settings import load
        from fourview.service.store.database import open_store
    store = open_store(database or load().database)
    try:
        with store.begin() as tx:
            yield tx, time.time()
    finally:
        store.close()


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
