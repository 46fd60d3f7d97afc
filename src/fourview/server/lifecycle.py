# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How a process of the service lives and ends: signals, the health port, exit codes, the life of `fourview work`.

Owns      what each further signal means, the exit code, the order in which a process of workers alone ends.
Not here  the life of the HTTP process (`server.http_server`), the workers (`server.workers`).

- The first Ctrl-C or SIGTERM ends the process in order: it takes no more jobs, running jobs may go on for
  `shutdown_grace_s` and are put back after that.
- The second signal ends the running jobs at once and still puts them back.
- The third ends the process at once, without putting anything back.
- Where a thread dies again and again, the process ends in order with exit code 1, so that a service manager starts
  another one.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

from fourview.server.workers import LOOK_S, WorkerPool
from fourview.service.settings import Settings
from fourview.service.supervisor import Supervisor

if TYPE_CHECKING:
    from fourview.service.health.probes import Probes

OUR_FAULT = 1  # exit code where a thread died again and again
INTERRUPTED = 130  # exit code after a second signal: 128 + SIGINT, as shells count


class Signals:
    """The signals that asked this process to end."""

    def __init__(self) -> None:
        self._count = 0

    def count(self, number: int, frame: FrameType | None) -> None:
        """Handle one signal. It raises nothing: Python 3.11 takes a thread whose join is interrupted for ended."""
        self._count += 1
        if self._count > 2:
            os._exit(INTERRUPTED)

    @property
    def is_ending(self) -> bool:
        """Whether the process is asked to end."""
        return self._count > 0

    @property
    def is_forced(self) -> bool:
        """Whether the process is asked to end at once."""
        return self._count > 1


def exit_code(is_forced: bool, supervisor: Supervisor) -> int:
    """The exit code of a process that ended in order."""
    if is_forced:
        return INTERRUPTED
    return OUR_FAULT if supervisor.gave_up.is_set() else 0


@contextmanager
def health_port(settings: Settings, probes: "Callable[[], Probes]") -> Iterator[None]:
    """Answer health and metrics at the setting `health_port`, where that is set."""
    from fourview.service.health.port import HealthPort  # here, so that workers start before it is loaded

    if settings.health_port is None:
        yield
        return
    with closing(HealthPort(settings.bind_host, settings.health_port, probes())) as port:
        port.start()
        click.echo(f"health {port.url}")
        yield


def work_until_signal(pool: WorkerPool, grace_s: float) -> int:
    """Start the workers, print `ready`, and end them in order after a signal; returns the exit code."""
    signals, supervisor = Signals(), pool.supervisor
    signal.signal(signal.SIGINT, signals.count)
    signal.signal(signal.SIGTERM, signals.count)
    pool.start()
    is_announced = False
    while not signals.is_ending and not supervisor.gave_up.is_set():
        time.sleep(LOOK_S)
        if not is_announced and pool.is_ready():
            click.echo("ready")
            is_announced = True
    pool.stop(grace_s)
    click.echo("stopping")
    pool.drain(lambda: signals.is_forced)
    return exit_code(signals.is_forced, supervisor)
