# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""One claimed job, from its inputs to its end.

Owns      scratch folder, inputs, heartbeat, progress, outputs, the end.
Not here  claiming and the runner's life (`dispatcher`), the rules of the queue (`store.queue`), the work (`runners`).

A claimed job ends in exactly one of these ways, each a transaction of its own:

    the runner says done                    finish, with the files in place before
    it says failed                          fail, with the code of the failure
    it stopped, as a client asked           stop
    it died                                 report_death: once more, or failed the second time
    it ran longer than `job_max_s`          fail, `time_limit` (without an engine: `mesh_job_max_s`)
    the service is stopping, grace is over  release_lease: unharmed, back into the queue
    the file store stays away               release_lease; nothing is claimed until the store can be written to
    the lease is lost (expired, reaped)     nothing: the job belongs to another worker, or is final
    a bug here, scratch is full             fail, `internal`

A file store that is away, or full, is tried again as long as the job may wait. Meanwhile the lease is kept and a cancel
is noticed.
"""

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection

from fourview.errors import DependencyAwayError, RunnerDiedError
from fourview.kinds import KINDS, MESH
from fourview.service.background.pauses import pauses
from fourview.service.background.progress import Progress, report
from fourview.service.background.store_writer import StoreWriter
from fourview.service.files import Files
from fourview.service.problems import PROBLEMS, public_failure, public_message
from fourview.service.runner import Runner
from fourview.service.settings import Settings
from fourview.service.store import queue, workers
from fourview.service.store.jobs import Job
from fourview.service.store.outputs import Output
from fourview.service.wakeups import Wakeups
from fourview.work import Failure, Outcome, Work

LOOK_S = 0.2  # how often the store is asked whether the running job is to be canceled, seconds
PATIENCE_S = {"cancel": 60.0, "limit": 10.0, "lost": 10.0, "shutdown": 2.0}  # a step, before a runner is killed
FILES_S = 600.0  # how long a job waits for a file store that is away, before it goes back into the queue

T = TypeVar("T")
Reason = Literal["cancel", "limit", "lost", "shutdown", "away"]


class _Interrupted(Exception):
    """A job stops waiting for the file store."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class JobRun:
    """One job on one runner.

    After `run`: `has_ended`: the runner reported the end of the work. `is_without_files`: the file store was away too
    long for the job. `end_runner` is called where the runner cannot take more work.
    """

    def __init__(
        self, job: Job, worker: str, runner: Runner, settings: Settings, files: Files, writer: StoreWriter,
        wakeups: Wakeups, end_runner: Callable[[], None], log: Any,
    ) -> None:  # fmt: skip
        self._job, self._worker, self._runner, self._settings, self._files = job, worker, runner, settings, files
        self._writer, self._wakeups, self._end_runner = writer, wakeups, end_runner
        self._log = log.bind(job_id=job.id, attempt=job.attempts)
        self._progress = Progress()
        self.has_ended = False
        self.is_without_files = False

    def run(self) -> None:
        """Do the job, whatever happens; its folder is gone in the end."""
        job = self._job
        self._log.info("job_began", waited_ms=round(1000 * (time.time() - job.created_at)))
        self._wakeups.job_changed(job.id)
        folder = self._settings.scratch / f"{job.id}-{job.attempts}"
        is_spent = True  # whether the runner is to be replaced
        try:
            try:
                work = self._with_files(lambda: self._prepare(folder))
            except _Interrupted:
                is_spent = False
                raise
            self._runner.begin(work)
            outcome, reason = self._follow()
            self.has_ended = True
            is_spent = outcome is None or outcome.is_poisoned
            ending = self._settle(folder, outcome, reason)
        except _Interrupted as interrupted:
            ending = self._settle(folder, None, interrupted.reason)
        except RunnerDiedError as error:
            self._log.warning("runner_died", error=str(error))
            is_spent = True
            ending = self._end("died", lambda tx, now: queue.report_death(tx, job.lease, now))
        except Exception:
            self._log.exception("job_broke")
            is_spent = True  # its state is unknown
            failure = _error("internal", public_message("internal", ""))
            ending = self._end("failed", lambda tx, now: queue.fail(tx, job.lease, failure, now))
        finally:
            if is_spent:
                self._end_runner()
            shutil.rmtree(folder, ignore_errors=True)
        self._log.info("job_left", ending=ending)
        self._wakeups.job_changed(job.id)
        if ending in ("died", "released"):
            self._wakeups.job_queued()

    def _prepare(self, folder: Path) -> Work:
        """The order for the runner, its inputs in the folder."""
        job = self._job
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        parameters = dict(job.recipe)
        mesh_type = parameters.pop("mesh_type", "glb")
        inputs = {name: folder / (f"mesh.{mesh_type}" if name == MESH else name) for name in job.inputs}
        for name, digest in job.inputs.items():
            self._files.save(digest, inputs[name])
        return Work(job.kind, inputs, parameters, folder)

    def _follow(self) -> tuple[Outcome | None, Reason | None]:
        """Listen to the runner until the work has ended, and to the store whether it should.

        Returns the outcome, None where the runner had to be killed, and why it was asked to stop, if it was.
        """
        progress = self._progress
        began, limit_s = time.monotonic(), self._limit_s()
        looked_at = began
        reason: Reason | None = None
        patience_until = float("inf")
        while True:
            heard = self._runner.hear(LOOK_S)
            if isinstance(heard, Outcome):
                return heard, reason
            if heard is not None:
                progress.hear(heard)
            now = time.monotonic()
            if now > patience_until:
                self._log.warning("runner_killed", reason=reason)
                self._runner.kill()
                return None, reason
            if now - looked_at >= LOOK_S and reason != "lost":
                looked_at = now
                found = self._speak()
                if found is None and now > self._writer.grace_until:
                    found = "shutdown"
                if found is None and now - began > limit_s:
                    found = "limit"
                if found is not None:
                    if reason is None:
                        self._runner.cancel()
                    reason = found if reason is None or found == "lost" else reason
                    patience_until = min(patience_until, now + PATIENCE_S[found])

    def _with_files(self, act: Callable[[], T]) -> T:
        """What `act` gives, which uses the file store: again and again while that is away or full.

        It runs in a thread of its own, since a store may hang: the lease is kept meanwhile. Raises `_Interrupted`.
        """
        until, waits = time.monotonic() + FILES_S, pauses()
        while True:
            attempt: Future[T] = Future()
            threading.Thread(target=_fulfil, args=(attempt, act), name=f"files {self._worker}", daemon=True).start()
            while not wait((attempt,), LOOK_S).done:
                self._mind(until)
            try:
                return attempt.result()
            except DependencyAwayError as error:
                self._writer.complain(error)
            again_at = time.monotonic() + next(waits)
            while (left_s := again_at - time.monotonic()) > 0:
                time.sleep(min(LOOK_S, left_s))
                self._mind(until)

    def _mind(self, until: float) -> None:
        """Keep the lease; raises `_Interrupted` where the job is not to wait any longer."""
        reason = self._speak()
        now = time.monotonic()
        if reason is None and now > self._writer.grace_until:
            reason = "shutdown"
        if reason is None and now > until:
            reason = "away"
        if reason is not None:
            raise _Interrupted(reason)

    def _speak(self) -> Reason | None:
        """Write how far it is and that the worker lives, where that is due; whether the store wants it stopped."""
        lease, progress = self._job.lease, self._progress
        now = time.monotonic()
        if now < self._writer.quiet_until:
            return None
        try:
            if progress.is_due(now) or now - self._writer.seen_at >= self._settings.heartbeat_s:
                with self._writer.store.begin() as tx:
                    report(tx, lease, progress.unwritten or [progress.last], time.time())
                    answer = queue.heartbeat(tx, lease, time.time(), self._settings.lease_s)
                    workers.seen(tx, self._worker, time.time())
                progress.was_written(now)
                self._writer.seen_at = now
                self._wakeups.job_changed(lease.job_id)
            else:
                with self._writer.store.read() as tx:
                    answer = queue.order_for(tx, lease)
        except DependencyAwayError as error:
            self._writer.complain(error)
            self._writer.quiet_until = time.monotonic() + next(progress.waits)
            return None
        progress.waits = pauses()
        reasons: dict[queue.Order, Reason | None] = {"go on": None, "stop": "cancel", "lost": "lost"}
        return reasons[answer]

    def _settle(self, folder: Path, outcome: Outcome | None, reason: Reason | None) -> str:
        """Write down the end of the work."""
        lease, progress = self._job.lease, self._progress
        if reason == "lost":
            return "lost"
        if outcome is not None and outcome.status == "done":
            outputs = []
            for made in outcome.files:
                artifact = self._with_files(lambda path=made.path: self._files.put(path))  # type: ignore[misc]
                outputs.append(Output(made.name, made.format, artifact.bytes, artifact.digest))

            def finish(tx: Connection, now: float) -> bool:
                report(tx, lease, progress.unwritten, now)
                return queue.finish(tx, lease, outcome.result, outputs, now, outcome.seed_used)

            return self._end("succeeded", finish)
        if outcome is not None and outcome.failure is not None:
            error = self._error_of(outcome.failure, folder)
            return self._end("failed", lambda tx, now: queue.fail(tx, lease, error, now))
        if reason == "cancel":
            return self._end("canceled", lambda tx, now: queue.stop(tx, lease, now))
        if reason in ("shutdown", "away"):
            self.is_without_files = reason == "away"
            return self._end("released", lambda tx, now: queue.release_lease(tx, lease, now))
        if reason == "limit":
            error = _error("time_limit", f"the job ran for {self._limit_s():g} s, the most it is given here")
            return self._end("failed", lambda tx, now: queue.fail(tx, lease, error, now))
        raise RunnerDiedError("the work ended without a word")

    def _limit_s(self) -> float:
        longest = self._settings.job_max_s
        return longest if KINDS[self._job.kind].has_engine else min(longest, self._settings.mesh_job_max_s)

    def _error_of(self, failure: Failure, folder: Path) -> dict[str, Any]:
        code, sentence = public_failure(failure)
        if PROBLEMS[code].private is not None:
            self._log.error("job_failed", error=failure.error, message=failure.message)
        return _error(code, sentence.replace(f"{folder}/", ""))

    def _end(self, ending: str, change: Callable[[Connection, float], bool]) -> str:
        return ending if self._writer.surely(change) else "lost"


def _fulfil(attempt: "Future[T]", act: Callable[[], T]) -> None:
    try:
        attempt.set_result(act())
    except BaseException as error:
        attempt.set_exception(error)


def _error(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "retryable": PROBLEMS[code].is_retryable}
