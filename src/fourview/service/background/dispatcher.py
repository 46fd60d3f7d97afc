# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A worker: it claims jobs for its runner, one at a time, and restarts the runner where it died.

Owns      one thread, the runner's life, claiming, showing the store that the worker lives.
Not here  a job that was claimed (`job_run`), the rules of the queue (`store.queue`), jobs of dead workers (`janitor`).

A database that is away for a while delays all this and changes nothing. What has to be written is written once the
database is back. Where the answer to a claim got lost, the lease tells whether the claim happened.
"""

import threading
import time

import structlog
from sqlalchemy import Connection

from fourview.errors import DependencyAwayError, RunnerDiedError
from fourview.service.background.job_run import JobRun
from fourview.service.background.pauses import pauses
from fourview.service.background.store_writer import StoreWriter
from fourview.service.files import PROBE, Files
from fourview.service.runner import Runner
from fourview.service.settings import Settings
from fourview.service.store import queue, workers
from fourview.service.store.database import Store
from fourview.service.store.jobs import Job
from fourview.service.wakeups import POLL_S, Wakeups
from fourview.work import Ability

RESTART_MAX_S = 30.0  # the longest pause between two tries to bring a runner up

log = structlog.get_logger(__name__)


class Dispatcher:
    """Claims jobs for one runner, in a thread of its own, until `stop`.

    `name` is the worker's in the store: no other process may have it, not even after this one's death.
    """

    def __init__(
        self, name: str, runner: Runner, settings: Settings, store: Store, files: Files, wakeups: Wakeups
    ) -> None:
        self.name = name
        self._runner, self._settings, self._store, self._files, self._wakeups = runner, settings, store, files, wakeups
        self._log = log.bind(worker=name)
        self._writer = StoreWriter(store, self._log)
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._ability: Ability | None = None  # None: the runner has to be started
        self._tries = 0  # to bring the runner up since it last did some work
        self._is_without_files = False  # whether the file store was away too long for the last job
        self._is_in_doubt = False  # whether a claim may have happened whose answer got lost
        self._jobs_came = 0

    def start(self) -> None:
        """Begin, and come back at once; also after the thread died, of whose job nothing is known then."""
        if self._thread is not None:
            self._ability = None
            self._runner.kill()
            self._is_in_doubt = True
        self._thread = threading.Thread(target=self._run, name=f"dispatcher {self.name}", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self, grace_s: float) -> None:
        """Claim nothing more, and come back at once; what runs may go on for `grace_s`, then it is put back.

        May be called again with less grace.
        """
        self._writer.grace_until = min(self._writer.grace_until, time.monotonic() + grace_s)
        self._stopping.set()
        self._wakeups.job_queued()  # wakes the thread if it waits for a job
        if self._ability is None:
            self._runner.kill()  # it is not up yet, and loading may take minutes

    def join(self) -> None:
        """Wait until everything has ended. To stop several: `stop` each, then `join` each."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        waits = pauses()
        while not self._stopping.is_set():
            try:
                if self._ability is None:
                    self._start_runner()
                elif (job := self._claim(self._ability)) is not None:
                    self._attend(job)
                else:
                    self._idle(self._ability)
                waits = pauses()
            except RunnerDiedError as error:
                self._log.warning("runner_died", error=str(error), tries=self._tries)
                self._end_runner()
            except DependencyAwayError as error:
                self._writer.complain(error)
                self._stopping.wait(next(waits))
            except Exception:
                self._log.exception("dispatcher_failed")
                self._end_runner()
                self._stopping.wait(1)
        self._end_runner()

    # The runner, and what the store knows of it

    def _start_runner(self) -> None:
        """Bring it up, the later the more often that failed, and only then let the world know of it."""
        if self._tries > 1:
            self._stopping.wait(min(2.0 ** (self._tries - 2), RESTART_MAX_S))
        if self._stopping.is_set():
            return
        self._tries += 1
        ability = self._runner.start()
        self._writer.surely(lambda tx, now: self._register(tx, ability, now))
        self._ability, self._writer.seen_at = ability, time.monotonic()
        self._log.info("runner_ready", engines=ability.engines)

    def _end_runner(self) -> None:
        """It takes no more work; the next round starts another one. Never raises: it is called in need."""
        self._ability = None
        try:
            self._runner.kill()
            with self._store.begin() as tx:
                workers.leave(tx, self.name)
        except DependencyAwayError as error:  # then it is not seen any more, which tells the same a little later
            self._writer.complain(error)
        except Exception:
            self._log.exception("runner_not_ended")

    def _register(self, tx: Connection, ability: Ability, now: float) -> None:
        workers.register(tx, self.name, list(ability.engines), ability.about, now)

    def _idle(self, ability: Ability) -> None:
        """Wait for a job, and show the store that this worker lives."""
        self._show_presence(ability)
        self._jobs_came = self._wakeups.wait_for_job(self._jobs_came, POLL_S)

    def _show_presence(self, ability: Ability) -> None:
        if time.monotonic() - self._writer.seen_at >= self._settings.heartbeat_s:
            with self._store.begin() as tx:
                if not workers.seen(tx, self.name, time.time()):
                    self._register(tx, ability, time.time())
            self._writer.seen_at = time.monotonic()

    # One job

    def _claim(self, ability: Ability) -> Job | None:
        self._runner.hear(0)  # a dead one is noticed before a job is blamed for it
        if self._is_in_doubt:
            with self._store.read() as tx:
                held = queue.held_by(tx, self.name)
            for lost in held:
                with self._store.begin() as tx:
                    queue.release_lease(tx, lost.lease, time.time())
            self._is_in_doubt = False
        if self._is_without_files:
            self._show_presence(ability)
            self._files.put(PROBE)
            self._is_without_files = False
        engines = list(ability.engines)
        with self._store.read() as tx:  # so that workers without work take no lock that others need
            if not queue.is_waiting(tx, engines, time.time()):
                return None
        self._is_in_doubt = True
        with self._store.begin() as tx:
            lease_s, concurrency = self._settings.lease_s, self._settings.concurrency
            job = queue.claim(tx, self.name, engines, time.time(), lease_s, concurrency)
        self._is_in_doubt = False
        return job

    def _attend(self, job: Job) -> None:
        """Do a job that was claimed."""
        run = JobRun(
            job, self.name, self._runner, self._settings, self._files, self._writer, self._wakeups, self._end_runner,
            self._log,
        )  # fmt: skip
        try:
            run.run()
        finally:
            if run.has_ended:
                self._tries = 0
            self._is_without_files = run.is_without_files
