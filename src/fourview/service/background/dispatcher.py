# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs go to a runner, one at a time, and what comes back is written down.

Owns      one thread for one runner: claim, scratch folder, inputs, heartbeat, progress, outputs, end; restarting it.
Not here  the rules of the queue (`store.queue`), the work (`runners`), sweeping up after the dead (`janitor`).

A job that was claimed ends in exactly one of these ways, each a transaction of its own:

    the runner says done                    finish, with the files in place before
    it says failed                          fail, with the word of the failure
    it stopped, as a client asked           stop
    it died                                 report_death: once more, or failed the second time
    it ran longer than `job_max_s`          fail, `time_limit` (a mesh: `mesh_job_max_s`)
    the service is stopping, grace is over  release_lease: unharmed, back into the queue
    the file store stays away               release_lease; nothing is claimed until the store can be written to
    the lease is lost (expired, reaped)     nothing: the job is somebody else's, or final
    this file is wrong, scratch is full     fail, `internal`

A database that is away for a while delays all this and changes nothing: what has to be written is written once it is
back, and where an answer got lost, the lease tells whether it was heard. A file store that is away, or full, is tried
again as long as the job may wait; meanwhile the lease is kept, and a cancel is heard.
"""

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, Literal, TypeVar

import structlog
from sqlalchemy import Connection

from fourview.errors import DependencyAwayError, RunnerDiedError
from fourview.kinds import KINDS, MESH
from fourview.service.background.pauses import pauses
from fourview.service.files import PROBE, Files
from fourview.service.problems import PROBLEMS, public_failure, public_message
from fourview.service.runner import Runner
from fourview.service.settings import Settings
from fourview.service.store import queue, workers
from fourview.service.store.database import Store
from fourview.service.store.jobs import Job, Lease
from fourview.service.store.outputs import Output
from fourview.service.wakeups import POLL_S, Wakeups
from fourview.work import Ability, Failure, Outcome, Step, Work

LOOK_S = 0.2  # how often the store is asked whether somebody wants the running job to stop
BATCH_S = 0.2  # how long new stages and steps are gathered before they are written: each commit waits for the disk
SILENCE_S = 1.0  # the longest time between two events of a running job
PATIENCE_S = {"cancel": 60.0, "limit": 10.0, "lost": 10.0, "shutdown": 2.0}  # a step, before a runner is killed
FILES_S = 600.0  # how long a job waits for a file store that is away, before it goes back into the queue
LAST_WORDS_S = 5.0  # how long after the grace a database may still be away before what is to be written is given up
RESTART_MAX_S = 30.0  # the longest pause between two tries to bring a runner up

T = TypeVar("T")
Reason = Literal["cancel", "limit", "lost", "shutdown", "away"]
log = structlog.get_logger(__name__)


class _Interrupted(Exception):
    """A job stops waiting for the file store."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Dispatcher:
    """Claims jobs for one runner, in a thread of its own, until it is told to stop.

    `name` is the worker's in the store: no other process may have it, not even after this one's death.
    """

    def __init__(
        self, name: str, runner: Runner, settings: Settings, store: Store, files: Files, wakeups: Wakeups
    ) -> None:
        self.name = name
        self._runner, self._settings, self._store, self._files, self._wakeups = runner, settings, store, files, wakeups
        self._log = log.bind(worker=name)
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._grace_until = float("inf")  # monotonic
        self._ability: Ability | None = None  # None: the runner has to be started
        self._tries = 0  # to bring the runner up since it last did some work
        self._seen_at = 0.0  # monotonic: when the store was last told that this worker is there
        self._complained_at = float("-inf")  # monotonic: of the database or the file store
        self._quiet_until = float("-inf")  # monotonic: the database was away, and is asked again then
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
        self._grace_until = min(self._grace_until, time.monotonic() + grace_s)
        self._stopping.set()
        self._wakeups.job_queued()  # so that nobody waits for a job any more
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
                self._complain(error)
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
        self._surely(lambda tx, now: self._register(tx, ability, now))
        self._ability, self._seen_at = ability, time.monotonic()
        self._log.info("runner_ready", engines=ability.engines)

    def _end_runner(self) -> None:
        """It takes no more work; the next round starts another one. Never raises: it is called in need."""
        self._ability = None
        try:
            self._runner.kill()
            with self._store.begin() as tx:
                workers.leave(tx, self.name)
        except DependencyAwayError as error:  # then it is not seen any more, which tells the same a little later
            self._complain(error)
        except Exception:
            self._log.exception("runner_not_ended")

    def _register(self, tx: Connection, ability: Ability, now: float) -> None:
        workers.register(tx, self.name, list(ability.engines), ability.about, now)

    def _idle(self, ability: Ability) -> None:
        """Wait for a job, and let the store know that somebody does."""
        self._show_presence(ability)
        self._jobs_came = self._wakeups.wait_for_job(self._jobs_came, POLL_S)

    def _show_presence(self, ability: Ability) -> None:
        if time.monotonic() - self._seen_at >= self._settings.heartbeat_s:
            with self._store.begin() as tx:
                if not workers.seen(tx, self.name, time.time()):
                    self._register(tx, ability, time.time())
            self._seen_at = time.monotonic()

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
        """Do a job that was claimed, whatever happens; its folder is gone in the end."""
        told = self._log.bind(job_id=job.id, attempt=job.attempts)
        told.info("job_began", waited_ms=round(1000 * (time.time() - job.created_at)))
        self._wakeups.job_changed(job.id)
        folder = self._settings.scratch / f"{job.id}-{job.attempts}"
        progress = Progress()
        is_spent = True  # whether the runner is to be replaced
        try:
            try:
                work = self._with_files(job, progress, lambda: self._prepare(job, folder))
            except _Interrupted:
                is_spent = False
                raise
            self._runner.begin(work)
            outcome, reason = self._follow(job, progress)
            self._tries = 0
            is_spent = outcome is None or outcome.is_poisoned
            ending = self._settle(job, folder, progress, outcome, reason)
        except _Interrupted as interrupted:
            ending = self._settle(job, folder, progress, None, interrupted.reason)
        except RunnerDiedError as error:
            told.warning("runner_died", error=str(error))
            is_spent = True
            ending = self._end("died", lambda tx, now: queue.report_death(tx, job.lease, now))
        except Exception:
            told.exception("job_broke")
            is_spent = True  # nobody knows what it is at
            said = _error("internal", public_message("internal", ""))
            ending = self._end("failed", lambda tx, now: queue.fail(tx, job.lease, said, now))
        finally:
            if is_spent:
                self._end_runner()
            shutil.rmtree(folder, ignore_errors=True)
        told.info("job_left", ending=ending)
        self._wakeups.job_changed(job.id)
        if ending in ("died", "released"):
            self._wakeups.job_queued()

    def _prepare(self, job: Job, folder: Path) -> Work:
        """The order for the runner, its inputs in the folder."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        parameters = dict(job.recipe)
        mesh_type = parameters.pop("mesh_type", "glb")
        inputs = {name: folder / (f"mesh.{mesh_type}" if name == MESH else name) for name in job.inputs}
        for name, digest in job.inputs.items():
            self._files.save(digest, inputs[name])
        return Work(job.kind, inputs, parameters, folder)

    def _follow(self, job: Job, progress: "Progress") -> tuple[Outcome | None, Reason | None]:
        """Listen to the runner until the work has ended, and to the store whether it should.

        Returns the outcome, None where the runner had to be killed, and why it was asked to stop, if it was.
        """
        lease, began, limit_s = job.lease, time.monotonic(), self._limit_s(job)
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
                self._log.warning("runner_killed", job_id=lease.job_id, reason=reason)
                self._runner.kill()
                return None, reason
            if now - looked_at >= LOOK_S and reason != "lost":
                looked_at = now
                found = self._speak(lease, progress)
                if found is None and now > self._grace_until:
                    found = "shutdown"
                if found is None and now - began > limit_s:
                    found = "limit"
                if found is not None:
                    if reason is None:
                        self._runner.cancel()
                    reason = found if reason is None or found == "lost" else reason
                    patience_until = min(patience_until, now + PATIENCE_S[found])

    def _with_files(self, job: Job, progress: "Progress", act: Callable[[], T]) -> T:
        """What `act` gives, which uses the file store: again and again while that is away or full.

        It runs in a thread of its own, since a store may hang: the lease is kept meanwhile. Raises `_Interrupted`.
        """
        until, waits = time.monotonic() + FILES_S, pauses()
        while True:
            attempt: Future[T] = Future()
            threading.Thread(target=_fulfil, args=(attempt, act), name=f"files {self.name}", daemon=True).start()
            while not wait((attempt,), LOOK_S).done:
                self._mind(job.lease, progress, until)
            try:
                return attempt.result()
            except DependencyAwayError as error:
                self._complain(error)
            again_at = time.monotonic() + next(waits)
            while (left_s := again_at - time.monotonic()) > 0:
                time.sleep(min(LOOK_S, left_s))
                self._mind(job.lease, progress, until)

    def _mind(self, lease: Lease, progress: "Progress", until: float) -> None:
        """Keep the lease; raises `_Interrupted` where the job is not to wait any longer."""
        reason = self._speak(lease, progress)
        now = time.monotonic()
        if reason is None and now > self._grace_until:
            reason = "shutdown"
        if reason is None and now > until:
            reason = "away"
        if reason is not None:
            raise _Interrupted(reason)

    def _speak(self, lease: Lease, progress: "Progress") -> Reason | None:
        """Write how far it is and that the worker lives, where that is due; whether the store wants it stopped."""
        now = time.monotonic()
        if now < self._quiet_until:
            return None
        try:
            if progress.is_due(now) or now - self._seen_at >= self._settings.heartbeat_s:
                with self._store.begin() as tx:
                    _report(tx, lease, progress.unwritten or [progress.last], time.time())
                    told = queue.heartbeat(tx, lease, time.time(), self._settings.lease_s)
                    workers.seen(tx, self.name, time.time())
                progress.was_written(now)
                self._seen_at = now
                self._wakeups.job_changed(lease.job_id)
            else:
                with self._store.read() as tx:
                    told = queue.told(tx, lease)
        except DependencyAwayError as error:
            self._complain(error)
            self._quiet_until = time.monotonic() + next(progress.waits)
            return None
        progress.waits = pauses()
        reasons: dict[queue.Told, Reason | None] = {"go on": None, "stop": "cancel", "lost": "lost"}
        return reasons[told]

    def _settle(
        self, job: Job, folder: Path, progress: "Progress", outcome: Outcome | None, reason: Reason | None
    ) -> str:
        """Write down the end of the work."""
        lease = job.lease
        if reason == "lost":
            return "lost"
        if outcome is not None and outcome.status == "done":
            outputs = []
            for made in outcome.files:
                artifact = self._with_files(job, progress, lambda path=made.path: self._files.put(path))  # type: ignore[misc]
                outputs.append(Output(made.name, made.format, artifact.bytes, artifact.digest))

            def finish(tx: Connection, now: float) -> bool:
                _report(tx, lease, progress.unwritten, now)
                return queue.finish(tx, lease, outcome.result, outputs, now, outcome.seed_used)

            return self._end("succeeded", finish)
        if outcome is not None and outcome.failure is not None:
            error = self._error_of(job, outcome.failure, folder)
            return self._end("failed", lambda tx, now: queue.fail(tx, lease, error, now))
        if reason == "cancel":
            return self._end("canceled", lambda tx, now: queue.stop(tx, lease, now))
        if reason in ("shutdown", "away"):
            self._is_without_files = reason == "away"
            return self._end("released", lambda tx, now: queue.release_lease(tx, lease, now))
        if reason == "limit":
            error = _error("time_limit", f"the job ran for {self._limit_s(job):g} s, the most it is given here")
            return self._end("failed", lambda tx, now: queue.fail(tx, lease, error, now))
        raise RunnerDiedError("the work ended without a word")

    def _limit_s(self, job: Job) -> float:
        longest = self._settings.job_max_s
        return longest if KINDS[job.kind].has_engine else min(longest, self._settings.mesh_job_max_s)

    def _error_of(self, job: Job, failure: Failure, folder: Path) -> dict[str, Any]:
        code, sentence = public_failure(failure)
        if PROBLEMS[code].private is not None:
            self._log.error("job_failed", job_id=job.id, error=failure.error, message=failure.message)
        return _error(code, sentence.replace(f"{folder}/", ""))

    # The store

    def _end(self, ending: str, change: Callable[[Connection, float], bool]) -> str:
        return ending if self._surely(change) else "lost"

    def _surely(self, change: Callable[[Connection, float], T]) -> T:
        """Do it in a transaction of its own, if need be once the database is back."""
        waits = pauses()
        while True:
            try:
                with self._store.begin() as tx:
                    return change(tx, time.time())
            except DependencyAwayError as error:
                self._complain(error)
                left_s = self._grace_until + LAST_WORDS_S - time.monotonic()
                if left_s <= 0:
                    raise
                time.sleep(min(next(waits), left_s))

    def _complain(self, error: DependencyAwayError) -> None:
        """Log that something is away, not more than now and then."""
        if time.monotonic() - self._complained_at > 5:
            self._complained_at = time.monotonic()
            self._log.warning("dependency_away", dependency=error.name, error=str(error))


class Progress:
    """What was heard of the work: every new stage and step waits to be written, of the rest only the last."""

    def __init__(self) -> None:
        self.last = Step("fetch", 0.0)
        self.unwritten = [self.last]
        self._written_at = time.monotonic()
        self.waits = pauses()  # while the database is away

    def hear(self, step: Step) -> None:
        if (step.stage, step.step) != (self.last.stage, self.last.step):
            self.unwritten.append(step)
        elif self.unwritten:
            self.unwritten[-1] = step
        self.last = step

    def is_due(self, now: float) -> bool:
        return now - self._written_at >= (BATCH_S if self.unwritten else SILENCE_S)

    def was_written(self, now: float) -> None:
        self.unwritten, self._written_at = [], now


def _fulfil(attempt: "Future[T]", act: Callable[[], T]) -> None:
    try:
        attempt.set_result(act())
    except BaseException as error:
        attempt.set_exception(error)


def _report(tx: Connection, lease: Lease, steps: list[Step], now: float) -> None:
    if steps:
        told = [(step.stage, min(step.done, 0.999), _more(step)) for step in steps]  # 1 is for jobs that succeeded
        queue.report_steps(tx, lease, told, now)


def _more(step: Step) -> dict[str, Any]:
    more: dict[str, Any] = {"step": step.step, "steps": step.steps} if step.steps else {}
    return more | {"note": step.note} if step.note else more


def _error(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "retryable": PROBLEMS[code].is_retryable}
