# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Sweeping up: leases of the dead, jobs that are over, bytes that nobody names any more.

Owns      what is swept when. Not here: what each sweep does to a job (`store.queue`).
"""

from fourview.service.files import Files
from fourview.service.news import News
from fourview.service.settings import Settings
from fourview.service.store.database import Store


class Janitor:
    """One a process, in a thread of its own; several on one database do not hurt each other."""

    def __init__(self, settings: Settings, store: Store, files: Files, news: News) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Sweep what a dead process left, then go on sweeping in a thread."""

    def stop(self) -> None:
        """End the thread, and wait for it."""


def is_disk_low(settings: Settings, files: Files) -> bool:
    """Whether less than `disk_free_min_mib` is free, so that no job is to be taken."""
    raise NotImplementedError
