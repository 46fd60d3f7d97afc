# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview work`: a machine that does jobs and answers nobody.

Owns      the workers of one process, their names, starting and ending them together; the command for them alone.
Not here  HTTP (`cli.serve`), claiming jobs (`service.background.dispatcher`), doing them (`runners`).
"""

import json
import os
import secrets
import signal
import socket
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from fourview.cli.state import serve_extra
from fourview.errors import DependencyAwayError, ServiceError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fourview.service.files import Files
    from fourview.service.health.probes import Probes
    from fourview.service.runner import Runner
    from fourview.service.settings import Settings
    from fourview.service.store.database import Store
    from fourview.service.supervisor import Supervisor
    from fourview.service.wakeups import Wakeups

OUR_FAULT = 1
INTERRUPTED = 130
LOOK_S = 0.05  # how often somebody looks whether a worker is ready, or a signal came


def settings_options(command: "Callable[..., Any]") -> "Callable[..., Any]":
    """How settings are given on the command line; `settings_of` takes what these were."""
    for option in reversed((
        click.option("--settings", "file", type=click.Path(dir_okay=False, path_type=Path), help="A TOML file."),
        click.option("--database", "database_url", help="sqlite:///FILE or postgresql://USER@HOST/NAME."),
        click.option("--files", "files_url", help="file:///FOLDER or s3://BUCKET/PREFIX."),
        click.option("--state", "state_dir", help="The folder of database and files."),
        click.option("--device", "devices", multiple=True, help="auto, cpu, cuda:N, mps, instant; may be repeated."),
        click.option("--workers", "workers_per_device", help="Processes for each device."),
        click.option("--health-port", help="A port for health and metrics without a key, 0 for a free one."),
        click.option("--log-level", help="debug, info, warning or error."),
        click.option("--log-format", help="text or json."),
        click.option("--set", "more", multiple=True, metavar="NAME=VALUE", help="Any setting; may be repeated."),
    )):  # fmt: skip
        command = option(command)
    return command


def settings_of(file: Path | None, more: tuple[str, ...], **flags: Any) -> "Settings":
    """The settings in force; raises `SettingsError`, or `MissingExtraError`."""
    with serve_extra():
        from fourview.service.settings import load
    given: dict[str, Any] = {}
    for word in more:
        name, is_there, value = word.partition("=")
        if not is_there:
            raise SettingsError(f"--set takes NAME=VALUE, not {word!r}: write --set queue_max=100")
        try:
            given[name] = json.loads(value) if value.startswith("{") else value
        except ValueError as error:
            raise SettingsError(f"{name} is no JSON ({error}): write --set {name}='{{...}}'") from None
    given |= {name: value for name, value in flags.items() if value not in (None, (), False)}
    try:
        return load(file, given)
    except SettingsError as error:
        raise SettingsError("; ".join(str(error).splitlines())) from None


@click.command()
@settings_options
def work(**given: Any) -> int:
    """Do the jobs of a service that runs elsewhere, on the same database and files, until Ctrl-C or SIGTERM."""
    settings = settings_of(**given)
    with serve_extra():
        from fourview.server import file_limit, logs
        from fourview.service.files import open_files
        from fourview.service.store.database import open_store
        from fourview.service.supervisor import Supervisor
        from fourview.service.wakeups import Wakeups
    logs.configure(settings)
    file_limit.raise_limit()
    if settings.database.startswith("postgresql") and settings.files.startswith("file:"):
        click.echo(
            f"warning: {settings.files} is a folder; if the service runs on another machine it must be the same one "
            "there, else set files_url to a bucket",
            err=True,
        )
    with closing(open_store(settings.database)) as store:
        files, supervisor = open_files(settings), Supervisor()
        pool = WorkerPool(settings, store, files, Wakeups(), supervisor, is_working=True)
        with listening(settings, lambda: _probes(settings, store, files, supervisor, pool)):
            return _work(pool, supervisor, settings.shutdown_grace_s)


def _probes(
    settings: "Settings", store: "Store", files: "Files", supervisor: "Supervisor", pool: "WorkerPool"
) -> "Probes":
    from fourview.service.health.metrics import Metrics
    from fourview.service.health.probes import Probes

    return Probes(settings, store, files, Metrics(time.time()), supervisor, pool.name)


@contextmanager
def listening(settings: "Settings", probes: "Callable[[], Probes]") -> "Iterator[None]":
    """Health and metrics are to be had at `health_port`, where that is set."""
    from fourview.service.health.port import HealthPort

    if settings.health_port is None:
        yield
        return
    with closing(HealthPort(settings.bind_host, settings.health_port, probes())) as port:
        port.start()
        click.echo(f"health {port.url}")
        yield


def _work(pool: "WorkerPool", supervisor: "Supervisor", grace_s: float) -> int:
    """Until a signal comes; the second ends what the first let go on, the third does not even put it back.

    It also ends where a thread dies again and again, with 1, so that whatever runs this process starts another one.
    """
    signals = 0

    def count(number: int, frame: FrameType | None) -> None:
        # No exception: one that interrupts a thread's join makes Python 3.11 believe that the thread has ended.
        nonlocal signals
        signals += 1
        if signals > 2:
            os._exit(INTERRUPTED)

    signal.signal(signal.SIGINT, count)
    signal.signal(signal.SIGTERM, count)
    pool.start()
    is_announced = False
    while not signals and not supervisor.gave_up.is_set():
        time.sleep(LOOK_S)
        if not is_announced and pool.is_ready():
            click.echo("ready")
            is_announced = True
    pool.stop(grace_s)
    click.echo("stopping")
    ending = threading.Thread(target=pool.join)
    ending.start()
    while ending.is_alive():
        ending.join(LOOK_S)
        if signals > 1:
            pool.stop(0)
    if signals > 1:
        return INTERRUPTED
    return OUR_FAULT if supervisor.gave_up.is_set() else 0


class WorkerPool:
    """The workers of this process, and its janitor; `name` begins the names of the workers."""

    def __init__(
        self, settings: "Settings", store: "Store", files: "Files", wakeups: "Wakeups", supervisor: "Supervisor",
        is_working: bool,
    ) -> None:  # fmt: skip
        from fourview.runners.local import LocalRunner
        from fourview.service.background.dispatcher import Dispatcher
        from fourview.service.background.janitor import Janitor

        try:
            settings.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ServiceError(
                f"the folder {settings.scratch} cannot be made ({error.strerror}): set scratch_dir to one that can"
            ) from None
        here = self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self._store, self._supervisor = store, supervisor
        count = len(settings.devices) * settings.workers_per_device
        threads = None if count == 1 else max(1, (os.cpu_count() or 1) // count)
        self._janitor: Janitor = Janitor(settings, store, files, wakeups)
        self._dispatchers: list[Dispatcher] = [
            Dispatcher(
                f"{here}-{device}-{number}", LocalRunner(device, threads=threads), settings, store, files, wakeups
            )
            for device in settings.devices
            for number in range(1, settings.workers_per_device + 1)
            if is_working
        ]

    def start(self) -> None:
        """Sweep up, then work; comes back at once."""
        self._janitor.start()
        self._supervisor.add("janitor", self._janitor.is_alive, self._janitor.start)
        for dispatcher in self._dispatchers:
            dispatcher.start()
            self._supervisor.add(f"dispatcher {dispatcher.name}", dispatcher.is_alive, dispatcher.start)
        self._supervisor.start()

    def is_ready(self) -> bool:
        """Whether one of them can take a job, as far as the database shows; yes where there are to be none."""
        from fourview.service.store.workers import present

        try:
            with self._store.read() as tx:
                return not self._dispatchers or any(worker.id.startswith(self.name) for worker in present(tx, 0.0))
        except DependencyAwayError:
            return False

    def stop(self, grace_s: float) -> None:
        """Take no more jobs; what runs may go on for so long. Comes back at once, and may be called with less."""
        self._supervisor.stop()
        for dispatcher in self._dispatchers:
            dispatcher.stop(grace_s)

    def join(self) -> None:
        """Wait until everything has ended."""
        for dispatcher in self._dispatchers:
            dispatcher.join()
        self._janitor.stop()


def quick_lane_runner(settings: "Settings") -> "Runner":
    """Who does small work: the processor, or the double where nothing else is asked for."""
    from fourview.runners.local import LocalRunner

    doubles = [device for device in settings.devices if device.startswith("instant")]
    return LocalRunner(doubles[0] if len(doubles) == len(settings.devices) else "cpu")
