# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview keys`: who may use the service.

Owns      the subcommands create, list, revoke, show and what they print. The work is in `service.store`.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from fourview.cli.state import account_of, account_option, changing
from fourview.errors import ServiceError
from fourview.server.options import database_option

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fourview.service.store.keys import Key

DAY_S = 24 * 3600
KEY_ID = click.argument("key_id", metavar="ID")


@click.group()
def keys() -> None:
    """Create, list and revoke the keys of the HTTP service."""


@keys.command()
@click.option("--name", default="", help="What the key is for, in your words.")
@account_option
@click.option("--days", type=click.FloatRange(0, min_open=True), help="How long it is valid (default: for ever).")
@click.option("--concurrency", type=click.IntRange(1), help="Jobs that run at once (default: the service's limit).")
@click.option("--rate", type=click.IntRange(1), help="Requests a minute (default: the service's limit).")
@database_option
def create(
    name: str, account: str, days: float | None, concurrency: int | None, rate: int | None, database: str | None
) -> None:
    """Make a key and print it, the only time that it can be read; makes the account if it is new."""
    with changing(database) as (tx, now):
        from fourview.service.store.accounts import add_account, find_account
        from fourview.service.store.keys import add_key

        owner = find_account(tx, account) or add_account(tx, account, now)
        until = None if days is None else now + days * DAY_S
        key, text = add_key(
            tx, owner.id, name, now, expires_at=until, concurrency=concurrency, rate_per_min=rate
        )  # fmt: skip
    click.echo(text)
    click.echo(f"keep it: only its first characters {key.id} can be shown again", err=True)


@keys.command("list")
@click.option("--account", help="Only the keys of this account.")
@database_option
def list_(account: str | None, database: str | None) -> None:
    """A line for each key: id, state, account, name."""
    with changing(database) as (tx, now):
        from fourview.service.store.accounts import list_accounts
        from fourview.service.store.keys import list_keys

        owner = None if account is None else account_of(tx, account).id
        names = {known.id: known.name for known in list_accounts(tx)}
        for key in list_keys(tx, owner):
            click.echo(f"{key.id:<12} {key.state(now):<8} {names[key.account_id]:<16} {key.name}".rstrip())


@keys.command()
@KEY_ID
@database_option
def show(key_id: str, database: str | None) -> None:
    """What is known of the key ID, the first 11 characters of a key."""
    with changing(database) as (tx, now):
        from fourview.service.store.accounts import list_accounts

        key = _key(tx, key_id)
        names = {known.id: known.name for known in list_accounts(tx)}
    facts = {
        "id": key.id, "state": key.state(now), "account": names[key.account_id], "name": key.name,
        "created": _day(key.created_at), "expires": _day(key.expires_at), "revoked": _day(key.revoked_at),
        "concurrency": key.concurrency, "rate": key.rate_per_min and f"{key.rate_per_min} a minute",
    }  # fmt: skip
    for name, value in facts.items():
        click.echo(f"{name:<12} {value or '-'}")


@keys.command()
@KEY_ID
@database_option
def revoke(key_id: str, database: str | None) -> None:
    """Make the key ID invalid for ever; jobs it has submitted go on."""
    with changing(database) as (tx, now):
        from fourview.service.store.keys import revoke_key

        key = _key(tx, key_id)
        if not revoke_key(tx, key.id, now):
            raise ServiceError(f"the key {key.id} was revoked before, on {_day(key.revoked_at)}")
    click.echo(f"revoked {key.id}")


def _key(tx: "Connection", key_id: str) -> "Key":
    """The key with this id; the whole key may be given too."""
    from fourview.service.store.keys import ID_LENGTH, find_key

    key = find_key(tx, key_id[:ID_LENGTH])
    if key is None:
        raise ServiceError(f"there is no key '{key_id[:ID_LENGTH]}'; `fourview keys list` prints the ids")
    return key


def _day(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
