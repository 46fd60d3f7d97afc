# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a process lives, whether it is ready, and its numbers.

Owns      what is looked at, and how long a look may take.
Not here  who may ask and how the answer looks (`routes.health`, `health_port`), what is counted (`metrics`).

A look at something that hangs hangs too. So each is taken in a thread of its own, a question waits for it for
`DEADLINE_S`, and there is never a second look at the same thing before the first has ended.
"""

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLateError
from pathlib import Path

import structlog

from fourview.service.files import PROBE, Files
from fourview.service.health.metrics import Metrics
from fourview.service.settings import Settings
from fourview.service.store import jobs, workers
from fourview.service.store.database import Store
from fourview.service.store.postgresql import REQUEST_S
from fourview.service.supervisor import Supervisor

BEATS = 3  # a runner that was silent for so many heartbeats is gone
LATE_S = 5.0  # how long after its moment an end of a job may still be written down
FRESH_S = 1.0  # anyone may ask whether it is ready, and that must not keep the disk busy
DEADLINE_S = 2.5  # how long a look may take

Checks = dict[str, str]  # what was looked at -> ok, or what is wrong, for everybody to read
NO_DATABASE = {"database": "the database does not answer", "runners": "the database would know of the runners"}
NO_FILES = {"files": "files cannot be written", "disk": "ok"}
log = structlog.get_logger(__name__)


class Probes:
    """One a process. `workers_of` begins the names of the workers that have to be there; empty: any worker will do."""

    def __init__(
        self, settings: Settings, store: Store, files: Files, metrics: Metrics, supervisor: Supervisor,
        workers_of: str = "",
    ) -> None:  # fmt: skip
        self._settings, self._store, self._files, self._supervisor = settings, store, files, supervisor
        self._metrics, self._workers_of = metrics, workers_of
        self._turn = threading.Lock()
        self._looks = _Look(self._database), _Look(self._disk)
        self._checks: Checks = {}
        self._looked_at = float("-inf")  # monotonic

    def dead(self) -> list[str]:
        """The threads that ought to live and do not."""
        return self._supervisor.dead()

    def checks(self) -> Checks:
        """Whether jobs can be accepted and done now, at most `FRESH_S` old; however many ask, one looks."""
        with self._turn:
            if time.monotonic() - self._looked_at > FRESH_S:
                until = time.monotonic() + DEADLINE_S
                for look in self._looks:
                    look.begin()
                database, disk = (look.found(until) for look in self._looks)
                self._checks = {**(database or NO_DATABASE), **(disk or NO_FILES)}
                self._looked_at = time.monotonic()
            return dict(self._checks)

    def numbers(self) -> bytes:
        """The numbers of this installation, as Prometheus reads them; raises `DependencyAwayError`."""
        metrics = self._metrics
        with metrics.turn:
            until = time.time() - LATE_S
            with self._store.read(REQUEST_S) as tx:
                by_state = jobs.count_jobs(tx)
                runners = len(workers.present(tx, self._since()))
                ended = jobs.list_ended(tx, metrics.counted_until, until)
            metrics.saw_ended(ended, until)
        return metrics.page(by_state, runners, self._files.free_mib())

    def _database(self) -> Checks:
        with self._store.read(REQUEST_S) as tx:
            present = workers.present(tx, self._since())
        is_there = any(worker.id.startswith(self._workers_of) for worker in present)
        return {"database": "ok", "runners": "ok" if is_there else "no runner is there"}

    def _disk(self) -> Checks:
        self._files.put(PROBE)
        is_full = free_mib(self._settings, self._files) < self._settings.disk_free_min_mib
        return {"files": "ok", "disk": "the disk is nearly full" if is_full else "ok"}

    def _since(self) -> float:
        return time.time() - BEATS * self._settings.heartbeat_s


def free_mib(settings: Settings, files: Files) -> float:
    """How much fits where there is least: where files lie, where jobs run, or where SQLite writes."""
    places = [settings.scratch]
    if settings.database.startswith("sqlite"):
        places.append(Path(settings.database.removeprefix("sqlite:///")).parent)
    free = [_free_mib(place) for place in places]
    in_files = files.free_mib()
    return min(free) if in_files is None else min(*free, in_files)


def _free_mib(place: Path) -> float:
    there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    return float(shutil.disk_usage(there).free / 2**20)


class _Look:
    """One look after the other, each in a thread."""

    def __init__(self, act: Callable[[], Checks]) -> None:
        self._act = act
        self._running: Future[Checks] | None = None

    def begin(self) -> None:
        if self._running is None or self._running.done():
            self._running = Future()
            threading.Thread(target=self._run, args=(self._running,), name=self._act.__name__, daemon=True).start()

    def found(self, until: float) -> Checks | None:
        """What was found; None where it failed, or is not there at that moment (monotonic)."""
        assert self._running is not None
        try:
            return self._running.result(max(0.0, until - time.monotonic()))
        except TooLateError:
            reason = f"no answer within {DEADLINE_S:g} s"
        except Exception as error:  # whatever it is, it is not ready
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        log.warning("not_ready", check=self._act.__name__.strip("_"), error=reason)
        return None

    def _run(self, found: "Future[Checks]") -> None:
        try:
            found.set_result(self._act())
        except BaseException as error:
            found.set_exception(error)
