# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Deletes what is over: expired leases and deadlines, old jobs and uploads, unused artifacts, folders of dead work.

Owns      what is swept and how often.
Not here  what a sweep does to a job (`store.queue`), the folders of running work (`dispatcher`, `quick_lane`).

Every sweep may run twice and in several processes at once: each process of a service on one database and one bucket
has a janitor. A lease that expired while the database was away does not mean that its worker died: after an outage,
leases are left alone for the length of a lease, so that living workers can renew theirs.
An artifact that no job and no upload uses is deleted an hour after it was last stored: a request that still fetches its
other pictures, or a job that stores its outputs, is done long before.
"""

import re
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog
from sqlalchemy import Connection

from fourview.errors import DependencyAwayError
from fourview.service.files import Files
from fourview.service.settings import Settings
from fourview.service.store import jobs, queue, workers
from fourview.service.store.database import Store
from fourview.service.store.idempotency import forget_old
from fourview.service.store.outputs import digests_in_use
from fourview.service.store.uploads import drop_expired_uploads
from fourview.service.wakeups import Wakeups

OFTEN_S = 1.0  # leases and deadlines
OUTAGE_S = 3.0  # without an answer for so long: the database was away
SELDOM = 60  # rounds of the above: what is old
RARELY = 600  # rounds: artifacts, all of which are listed
UNNAMED_S = 3600.0  # seconds in which a stored artifact must get a job or an upload that uses it
AT_ONCE = 100  # old jobs looked up in one go; each is deleted in a transaction of its own
QUICK_S = 600.0  # work of the quick lane never takes as long
GONE_S = 3600.0  # a worker that was not seen for so long is deleted
OURS = re.compile(r"(?P<job>job_[0-9a-f]+)-(?P<attempt>[0-9]+)|quick-[0-9a-f]+")  # the names of scratch folders

log = structlog.get_logger(__name__)


class Janitor:
    """One a process, in a thread of its own; several on one database do not hurt each other."""

    def __init__(self, settings: Settings, store: Store, files: Files, wakeups: Wakeups) -> None:
        self._settings, self._store, self._files, self._wakeups = settings, store, files, wakeups
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._answered_at: float | None = None  # monotonic: when the database answered last
        self._reaps_from = float("-inf")  # monotonic: when leases that ran out say something again

    def start(self) -> None:
        """Sweep what dead processes left, and go on sweeping, in a thread; also after that died."""
        self._thread = threading.Thread(target=self._run, name="janitor", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """End the thread, and wait for it."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def sweep_leases(self, now: float) -> None:
        """Jobs whose worker died or whose deadline passed."""
        try:
            self._store.check_writes()
        except DependencyAwayError:
            self._reaps_from = time.monotonic() + self._settings.lease_s
            raise
        may_reap = self._may_reap()
        with self._store.read() as tx:
            if not queue.is_overdue(tx, now):
                return
        reaped = []
        if may_reap:
            with self._store.begin() as tx:
                reaped = queue.reap_leases(tx, now)
        with self._store.begin() as tx:
            late = queue.expire_due(tx, now)
        for job in reaped + late:
            log.warning("job_swept", job_id=job.id, worker=job.lease_owner, is_late=job in late)
            self._wakeups.job_changed(job.id)
        if reaped:
            self._wakeups.job_queued()
            self.sweep_scratch(now)

    def sweep_old(self, now: float) -> None:
        """Words, uploads, workers and jobs that were kept long enough."""
        with self._store.begin() as tx:
            forget_old(tx, now, self._settings.idempotency_keep_h * 3600)
        with self._store.begin() as tx:
            drop_expired_uploads(tx, now)
        with self._store.begin() as tx:
            workers.forget_gone(tx, now - GONE_S)
        while old := self._outlived(now):
            for job_id in old:
                with self._store.begin() as tx:
                    jobs.delete_job(tx, job_id)
            log.info("jobs_deleted", count=len(old))

    def sweep_files(self, now: float) -> None:
        """Delete artifacts that are not used, and what killed processes left half-written."""
        self._files.drop_partial(now - UNNAMED_S)
        old = [artifact for artifact in self._files.each() if artifact.at <= now - UNNAMED_S]
        with self._store.read() as tx:
            used = digests_in_use(tx)
        for digest in {artifact.digest for artifact in old} - used:
            again = self._files.find(digest)
            if again is not None and again.at <= now - UNNAMED_S:  # it was not stored again meanwhile
                self._files.drop(digest)
                log.info("artifact_dropped", digest=digest, bytes=again.bytes)
        self._answered_at = time.monotonic()  # listing a large bucket takes long, which is no outage

    def sweep_scratch(self, now: float) -> None:
        """Delete folders of attempts that no longer run, and of work of the quick lane that must be over."""
        folders = {path: OURS.fullmatch(path.name) for path in self._settings.scratch.glob("*")}
        with self._store.read() as tx:
            dead = [path for path, name in folders.items() if name is not None and self._is_dead(tx, path, name, now)]
        for path in dead:
            shutil.rmtree(path, ignore_errors=True)
            log.info("scratch_removed", folder=path.name)

    def _may_reap(self) -> bool:
        """Whether leases that ran out mean dead workers: not until a lease's time after the database was away."""
        answered_at, now = self._answered_at, time.monotonic()
        self._answered_at = now
        if answered_at is not None and now - answered_at > OUTAGE_S:
            self._reaps_from = now + self._settings.lease_s
            log.warning("database_back", away_s=round(now - answered_at, 1), leases_left_alone_s=self._settings.lease_s)
        return now >= self._reaps_from

    def _outlived(self, now: float) -> list[str]:
        with self._store.read() as tx:
            return [] if self._stopping.is_set() else jobs.outlived(tx, now, AT_ONCE)

    def _is_dead(self, tx: Connection, path: Path, name: re.Match[str], now: float) -> bool:
        if name["job"] is not None:
            job = jobs.find_job(tx, name["job"])
            return job is None or (job.status, job.attempts) != ("running", int(name["attempt"]))
        with suppress(OSError):  # it went by itself
            return path.stat().st_mtime <= now - QUICK_S
        return False

    def _run(self) -> None:
        rounds = 0
        while not self._stopping.wait(OFTEN_S if rounds else 0):
            self._try(self.sweep_leases)
            if rounds % SELDOM == 0:
                self._try(self.sweep_scratch)
                self._try(self.sweep_old)
            if rounds % RARELY == 0:
                self._try(self.sweep_files)
            rounds += 1

    def _try(self, sweep: Callable[[float], None]) -> None:
        """What does not work now may work in the next round."""
        try:
            sweep(time.time())
        except DependencyAwayError as error:
            log.warning("dependency_away", dependency=error.name, sweep=sweep.__name__, error=str(error))
        except Exception:
            log.exception("sweep_failed", sweep=sweep.__name__)
