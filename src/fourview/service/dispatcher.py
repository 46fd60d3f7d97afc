# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs go to a runner, one at a time, and what comes back is written down.

Owns      one thread for one runner: claim, scratch folder, inputs, heartbeat, progress, outputs, end; restarting it.
Not here  the rules of the queue (`store.queue`), the work (`runners`), sweeping up after the dead (`janitor`).
"""

from fourview.service.files import Files
from fourview.service.news import News
from fourview.service.runner import Runner
from fourview.service.settings import Settings
from fourview.service.store.database import Store


class Dispatcher:
    """Claims jobs for one runner, in a thread of its own, until it is told to stop."""

    def __init__(self, name: str, runner: Runner, settings: Settings, store: Store, files: Files, news: News) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Begin, and come back at once."""

    def stop(self, grace_s: float) -> None:
        """Claim nothing more, and come back at once; what runs may go on for `grace_s`, then it is put back.

        May be called again with less grace.
        """

    def join(self) -> None:
        """Wait until everything has ended. To stop several: `stop` each, then `join` each."""
