# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Runs free, short work (previews, conversions) at once, on its own runner.

Owns      one runner for it, one piece of work at a time, how many may wait and how long one may take, its folder.
Not here  doing it (`runners`), jobs (`dispatcher`), folders of processes that were killed (`janitor`).
"""

import asyncio
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from fourview.errors import RunnerDiedError
from fourview.service.problems import PROBLEMS, Refused, public_failure
from fourview.service.runner import Runner
from fourview.work import Failure, Outcome, Work

PLACES = 8  # pieces of work that run or wait; a preview takes about a second, so the last one waits a few
LIMIT_S = 60.0  # how long one piece may take
FOLDER = "quick-"  # prefix of its folders; the janitor knows it

log = structlog.get_logger(__name__)


class QuickLane:
    """One for each process. Its runner starts with the first work; if it dies, a new one repeats the work once."""

    def __init__(
        self, make: Callable[[], Runner], scratch: Path, places: int = PLACES, limit_s: float = LIMIT_S
    ) -> None:
        self._make, self._scratch, self._limit_s = make, scratch, limit_s
        self._places = threading.BoundedSemaphore(places)
        self._thread = ThreadPoolExecutor(1, "quick lane")
        self._runner: Runner | None = None
        self._is_closed = False

    @asynccontextmanager
    async def run(self, order: Callable[[Path], Work]) -> AsyncIterator[Outcome]:
        """Do what `order` makes of an empty folder; folder and files are there until the block ends.

        `order` is called in a thread, so it may save artifacts into the folder. Raises `Refused`: `busy` where too many
        wait, `time_limit`, or the code of the failure; so the outcome in the block is always `done`.
        """
        if not self._places.acquire(blocking=False):
            raise Refused(
                "busy", "too many previews and conversions wait; try again soon", headers={"Retry-After": "2"}
            )
        folder = self._scratch / f"{FOLDER}{secrets.token_hex(8)}"
        future = self._thread.submit(self._do, order, folder)
        future.add_done_callback(lambda _: self._places.release())
        try:
            yield await asyncio.wrap_future(future)
        finally:  # now, or after the work whose client is gone
            future.add_done_callback(lambda _: shutil.rmtree(folder, ignore_errors=True))

    def close(self) -> None:
        """End the runner, and with it the work that is under way."""
        self._is_closed = True
        if (runner := self._runner) is not None:
            runner.kill()
        self._thread.shutdown(cancel_futures=True)

    def _do(self, order: Callable[[Path], Work], folder: Path) -> Outcome:
        folder.mkdir(mode=0o700, parents=True)
        work = order(folder)
        until = time.monotonic() + self._limit_s
        try:
            try:
                outcome = self._hand_over(work, until)
            except RunnerDiedError:  # it may have died earlier, of other work
                outcome = self._hand_over(work, until)
        except RunnerDiedError as error:
            outcome = Outcome("failed", failure=Failure(RunnerDiedError.__name__, str(error)))
        except TimeoutError:
            self._end_runner()
            raise Refused("time_limit", f"this took longer than {self._limit_s:g} s; send less") from None
        if outcome.is_poisoned:
            self._end_runner()
        if outcome.status == "done":
            return outcome
        if self._is_closed:
            raise Refused("not_ready", "the service is stopping; try again soon")
        failure = outcome.failure or Failure("InternalError", "the work was canceled without a request")
        code, sentence = public_failure(failure)
        if PROBLEMS[code].private is not None:
            log.error("quick_work_failed", kind=work.kind, error=failure.error, message=failure.message)
        raise Refused(code, sentence.replace(f"{folder}/", ""))

    def _hand_over(self, work: Work, until: float) -> Outcome:
        try:
            if self._runner is None and not self._is_closed:
                runner = self._make()
                runner.start()
                self._runner = runner
            if self._runner is None or self._is_closed:
                raise RunnerDiedError("the service is stopping")
            self._runner.begin(work)
            while (left_s := until - time.monotonic()) > 0:
                if isinstance(heard := self._runner.hear(left_s), Outcome):
                    return heard
            raise TimeoutError
        except RunnerDiedError as error:
            log.warning("quick_runner_died", kind=work.kind, error=str(error))
            self._end_runner()
            raise

    def _end_runner(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.kill()
