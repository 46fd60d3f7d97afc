# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Wakes waiting requests when a job changes.

Owns      waking. Not here: what happened (only the store knows).

A process hears only itself here, so a waiting request reads the store again after `POLL_S` in any case. When the
service ends all are woken and must not wait again: `while not job.is_final and not context.wakeups.is_closing`.
"""

import asyncio
import math
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

POLL_S = 0.2  # seconds after which changes of other processes are seen, while few requests wait
MANY = 200  # waiting requests; above it each reads the store less often, so that together they read no more often


class Subscription:
    """Wakes one request when its job changes, also by a change that came before the wait."""

    def __init__(self, wakeups: "Wakeups") -> None:
        self._changed, self._wakeups = asyncio.Event(), wakeups

    def wake(self) -> None:
        self._changed.set()

    async def wait(self, timeout_s: float = math.inf) -> None:
        """Wait for a change, or for the poll interval, at most `timeout_s`: read the store, wait, read again."""
        poll_s = POLL_S * max(1.0, self._wakeups.subscribers / MANY)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(timeout_s, poll_s)):
                await self._changed.wait()
        self._changed.clear()


class Wakeups:
    """One for each process. `job_changed` and `job_queued` may be called from any thread, after the commit."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscriptions: dict[str, set[Subscription]] = defaultdict(set)
        self._jobs = threading.Condition()
        self._came = 0
        self.subscribers = 0  # how many requests wait
        self.is_closing = False

    @contextmanager
    def subscribe(self, job_id: str) -> Iterator[Subscription]:
        """A subscription to the changes of a job. Subscribe before the first read of the store."""
        self._loop = asyncio.get_running_loop()
        subscription = Subscription(self)
        self._subscriptions[job_id].add(subscription)
        self.subscribers += 1
        try:
            yield subscription
        finally:
            self.subscribers -= 1
            self._subscriptions[job_id].discard(subscription)
            if not self._subscriptions[job_id]:
                del self._subscriptions[job_id]

    def job_changed(self, job_id: str) -> None:
        """Wake the requests that wait for a job."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: no request waits any more
                self._loop.call_soon_threadsafe(self._wake, job_id)

    def close(self) -> None:
        """The service ends: wake all waiting requests. Called in the event loop."""
        self.is_closing = True
        for job_id in list(self._subscriptions):
            self._wake(job_id)

    def job_queued(self) -> None:
        """Wake threads that wait for a queued job."""
        with self._jobs:
            self._came += 1
            self._jobs.notify_all()

    def wait_for_job(self, seen: int, timeout_s: float) -> int:
        """Wait until more than `seen` jobs were queued, at most `timeout_s`; returns how many were. For threads."""
        with self._jobs:
            self._jobs.wait_for(lambda: self._came > seen, timeout_s)
            return self._came

    def _wake(self, job_id: str) -> None:
        for subscription in self._subscriptions.get(job_id, ()):
            subscription.wake()
