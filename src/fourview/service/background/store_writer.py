# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A worker writes to the store, also where the database is away for a while.

Owns      writing again until the database is back, logging that it is away, when the worker last showed that it lives.
Not here  what is written (`dispatcher`, `job_run`).
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection

from fourview.errors import DependencyAwayError
from fourview.service.background.pauses import pauses
from fourview.service.store.database import Store

LAST_WORDS_S = 5.0  # how long after the grace a database may still be away before what is to be written is given up

T = TypeVar("T")


class StoreWriter:
    """One a worker. All times are monotonic.

    `grace_until`: when the worker must have ended. `seen_at`: when it last showed the store that it lives.
    `quiet_until`: the database was away, and is asked again then.
    """

    def __init__(self, store: Store, log: Any) -> None:
        self.store, self._log = store, log
        self.grace_until = float("inf")
        self.seen_at = 0.0
        self.quiet_until = float("-inf")
        self._complained_at = float("-inf")

    def surely(self, change: Callable[[Connection, float], T]) -> T:
        """Do it in a transaction of its own, if need be once the database is back."""
        waits = pauses()
        while True:
            try:
                with self.store.begin() as tx:
                    return change(tx, time.time())
            except DependencyAwayError as error:
                self.complain(error)
                left_s = self.grace_until + LAST_WORDS_S - time.monotonic()
                if left_s <= 0:
                    raise
                time.sleep(min(next(waits), left_s))

    def complain(self, error: DependencyAwayError) -> None:
        """Log that something is away, not more than now and then."""
        if time.monotonic() - self._complained_at > 5:
            self._complained_at = time.monotonic()
            self._log.warning("dependency_away", dependency=error.name, error=str(error))
