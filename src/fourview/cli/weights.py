# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview weights`: what can be downloaded, and what is on this machine.

Owns      the subcommands list, pull, verify, path, remove, fabricate and what they print. The work is in `weights`.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from fourview.errors import MissingExtraError
from fourview.install import install_line
from fourview.progress import Tick, no_tick
from fourview.weights import catalogue

NAME = click.argument("name")


@click.group()
def weights() -> None:
    """List, pull, verify and remove the weights of networks."""


@weights.command("list")
def list_() -> None:
    """List what can be pulled: variant, size, licence, and its folder on this machine."""
    for entry in catalogue.ENTRIES.values():
        click.echo(f"{entry.name:<20} {entry.download_size / 1e9:4.1f} GB  {entry.variant}")
        click.echo(f"{'':<20} {entry.licence.name}")
        click.echo(f"{'':<20} {catalogue.found(entry) or 'not here'}")


@weights.command()
@NAME
@click.option("--accept-licence", is_flag=True, help="You have read the licence and it allows your use.")
@click.option("--offline", is_flag=True, help="Use no network: print the folder of weights that are here.")
def pull(name: str, accept_licence: bool, offline: bool) -> None:
    """Download NAME from the hub unless it is here; a download that was interrupted continues."""
    from fourview.weights.pull import pull as fetch

    entry = catalogue.find(name)
    if catalogue.found(entry) is None and not offline:
        click.echo(f"{entry.name}: {entry.licence.name}\n  {entry.licence.url}\n  {entry.licence.territory}", err=True)
    with _bar(entry.name, entry.download_size) as tick:
        folder = fetch(entry, accept_licence=accept_licence, offline=offline, tick=tick)
    click.echo(folder)


@weights.command()
@NAME
def verify(name: str) -> None:
    """Check the size and the SHA-256 of every file of NAME."""
    from fourview.weights.verify import verify as check

    entry = catalogue.find(name)
    with _bar(entry.name, entry.download_size) as tick:
        verified = check(entry, catalogue.path(entry), tick)
    for file in verified:
        click.echo(f"ok  {file.file}  {file.size} bytes  sha256 {file.sha256}  by {file.against}")


@weights.command()
@NAME
def path(name: str) -> None:
    """Print the folder that holds NAME."""
    click.echo(catalogue.path(catalogue.find(name)))


@weights.command()
@NAME
def remove(name: str) -> None:
    """Delete NAME; only folders that `pull` made are deleted."""
    from fourview.weights.pull import remove as delete

    click.echo(f"removed {delete(catalogue.find(name))}")


@weights.command()
@click.option("--tiny", "folder", required=True, type=click.Path(path_type=Path), help="The folder to write.")
@click.option("--variant", type=click.Choice(["base", "fast", "turbo"]), default="base", show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of the random numbers.")
def fabricate(folder: Path, variant: str, seed: int) -> None:
    """Write a tiny checkpoint of random numbers in the official layout: the whole engine runs on it."""
    try:
        from fourview.shape.hunyuan2mv.fabricate import fabricate as write
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"a checkpoint is made with the module {error.name!r}, which is not installed; {install_line('hunyuan')}"
        ) from error
    write(folder, variant, seed)
    click.echo(folder)


@contextmanager
def _bar(title: str, size: int) -> Iterator[Tick]:
    """A tick that draws a bar on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield no_tick
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=size)
        yield lambda done: progress.update(task, completed=int(done * size))
