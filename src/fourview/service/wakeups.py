# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Wakes waiting requests when a job changes.

Owns      waking. Not here: what happened (the store tells, and only the store).

A process hears only itself here, so a waiting request reads the store again after `POLL_S` in any case. When the
service ends all are woken and must not wait again: `while not job.is_final and not context.wakeups.is_closing`.
"""

import asyncio
import math
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

POLL_S = 0.2  # how late the doings of another process are seen, while not many wait
MANY = 200  # who wait: with more of them each looks less often, so that together they look no oftener


class Subscription:
    """Rings for one job, and keeps a ring that came before the wait."""

    def __init__(self, wakeups: "Wakeups") -> None:
        self._rung, self._wakeups = asyncio.Event(), wakeups

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, timeout_s: float = math.inf) -> None:
        """Until it rings, or for a while, at most `timeout_s`: look into the store, wait, look again."""
        poll_s = POLL_S * max(1.0, self._wakeups.subscribers / MANY)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(timeout_s, poll_s)):
                await self._rung.wait()
        self._rung.clear()


class Wakeups:
    """One a process. `job_changed` and `job_queued` may be called from any thread, after the commit."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bells: dict[str, set[Subscription]] = defaultdict(set)
        self._jobs = threading.Condition()
        self._came = 0
        self.subscribers = 0  # how many bells there are
        self.is_closing = False

    @contextmanager
    def subscribe(self, job_id: str) -> Iterator[Subscription]:
        """A bell that rings whenever something happens to the job. Take it before the first look into the store."""
        self._loop = asyncio.get_running_loop()
        subscription = Subscription(self)
        self._bells[job_id].add(subscription)
        self.subscribers += 1
        try:
            yield subscription
        finally:
            self.subscribers -= 1
            self._bells[job_id].discard(subscription)
            if not self._bells[job_id]:
                del self._bells[job_id]

    def job_changed(self, job_id: str) -> None:
        """Something happened to a job."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: no request waits any more
                self._loop.call_soon_threadsafe(self._ring, job_id)

    def close(self) -> None:
        """The service ends: who waits in the event loop is woken. Called in the event loop."""
        self.is_closing = True
        for job_id in list(self._bells):
            self._ring(job_id)

    def job_queued(self) -> None:
        """A job waits to be claimed."""
        with self._jobs:
            self._came += 1
            self._jobs.notify_all()

    def wait_for_job(self, seen: int, timeout_s: float) -> int:
        """Until more than `seen` jobs came, or for so long; how many came. For threads."""
        with self._jobs:
            self._jobs.wait_for(lambda: self._came > seen, timeout_s)
            return self._came

    def _ring(self, job_id: str) -> None:
        for subscription in self._bells.get(job_id, ()):
            subscription.ring()
