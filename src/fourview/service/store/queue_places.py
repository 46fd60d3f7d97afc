# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How many jobs are before one that waits, told to everybody who asks again and again.

Owns      remembering the places. Not here: the order itself (`store.queue`).

A place depends on all that wait, so all places are looked up at once, and at most once in `FRESH_S` for those who poll.
"""

import threading
import time

from sqlalchemy import Connection

from fourview.service.store.jobs import Job
from fourview.service.store.queue import queue_positions

FRESH_S = 1.0


class QueuePlaces:
    """One a process; any thread calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[str, int] = {}
        self._looked_at = float("-inf")

    def place(self, tx: Connection, job: Job) -> int | None:
        """The place of a job, 1 is next, at most `FRESH_S` old; None where it does not wait."""
        if job.status != "queued":
            return None
        with self._lock:
            now = time.monotonic()
            if now - self._looked_at > FRESH_S or job.id not in self._places:
                self._places, self._looked_at = queue_positions(tx), now
            return self._places.get(job.id)
