# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview credits`: what an account may spend and what it spent.

Owns      the subcommands grant, show, ledger and what they print. The work is in `service.store`.
"""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import click

from fourview.cli.state import account_of, account_option, changing
from fourview.errors import ServiceError
from fourview.server.options import database_option

UNITS = 1000  # of one credit, as the ledger counts, whose file needs the extra
MOST = 10**12  # credits of one grant


@click.group()
def credits() -> None:
    """Grant credits and look at the ledger of the HTTP service."""


@credits.command(context_settings={"ignore_unknown_options": True})  # -5 is a number
@click.argument("amount", metavar="CREDITS")
@account_option
@click.option("--note", default="", help="Why, for the ledger.")
@database_option
def grant(amount: str, account: str, note: str, database: str | None) -> None:
    """Give CREDITS, such as 100 or 12.5, to an account; a negative number takes back. Prints the balance."""
    units = _units(amount)
    with changing(database) as (tx, now):
        from fourview.service.store.ledger import grant as give
        from fourview.service.store.ledger import in_credits

        row = give(tx, account_of(tx, account).id, units, note, now)
    click.echo(in_credits(row.balance))


@credits.command()
@account_option
@database_option
def show(account: str, database: str | None) -> None:
    """Print the balance of an account."""
    with changing(database) as (tx, _):
        from fourview.service.store.ledger import balance, in_credits

        units = balance(tx, account_of(tx, account).id)
    click.echo(in_credits(units))


@credits.command()
@account_option
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="Rows at most.")
@database_option
def ledger(account: str, limit: int, database: str | None) -> None:
    """The newest rows of the ledger: time, kind, credits, balance after it, job or note."""
    with changing(database) as (tx, _):
        from fourview.service.store.ledger import in_credits, list_rows

        rows = list_rows(tx, account_of(tx, account).id, limit)
    for row in rows:
        at = datetime.fromtimestamp(row.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        line = (
            f"{at}  {row.kind:<8} {in_credits(row.credits):>12} {in_credits(row.balance):>12}  {row.job_id or row.note}"
        )
        click.echo(line.rstrip())


def _units(amount: str) -> int:
    try:
        units = Decimal(amount) * UNITS
    except InvalidOperation:
        units = Decimal("NaN")
    if not units.is_finite() or units != int(units) or not 0 < abs(units) <= MOST * UNITS:
        raise ServiceError(f"{amount!r} is no number of credits; write one like 100, 12.5 or -3, with up to 3 decimals")
    return int(units)
