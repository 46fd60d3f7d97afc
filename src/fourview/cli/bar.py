# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Progress on a terminal: one bar with the stage's name and the time. It draws on a terminal only."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from fourview.progress import Event


@contextmanager
def bar(title: str, quiet: bool) -> Iterator[Callable[[Event], None] | None]:
    """A watcher for `generate` that draws on stderr, or None when stderr is no terminal or `quiet`."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=1.0)
        printed = set()

        def watch(event: Event) -> None:
            stage = f"{event.stage} {event.step}/{event.steps}" if event.steps else event.stage
            progress.update(task, completed=event.done, description=f"{title}  {stage:<9}")
            if event.note and event.note not in printed:
                printed.add(event.note)
                progress.console.print(event.note, highlight=False)

        yield watch
