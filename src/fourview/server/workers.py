# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The workers of one process and its janitor: their names, and starting and ending them together.

Owns      how many workers there are and what each is called, the order of starting and ending.
Not here  claiming jobs (`service.background.dispatcher`), doing them (`runners`), signals (`server.lifecycle`).
"""

import os
import secrets
import socket
import threading
from collections.abc import Callable

from fourview.errors import DependencyAwayError, ServiceError
from fourview.runners.local import LocalRunner
from fourview.service.background.dispatcher import Dispatcher
from fourview.service.background.janitor import Janitor
from fourview.service.files import Files
from fourview.service.settings import Settings
from fourview.service.store.database import Store
from fourview.service.store.workers import present
from fourview.service.supervisor import Supervisor
from fourview.service.wakeups import Wakeups

LOOK_S = 0.05  # seconds between two looks at a state that has no event: a worker is ready, a signal came


class WorkerPool:
    """The workers of this process and its janitor; the names of the workers begin with `name`."""

    def __init__(
        self, settings: Settings, store: Store, files: Files, wakeups: Wakeups, supervisor: Supervisor,
        is_working: bool,
    ) -> None:  # fmt: skip
        """`is_working`: whether there are workers; without them the pool is the janitor alone."""
        try:
            settings.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ServiceError(
                f"the folder {settings.scratch} cannot be made ({error.strerror}): set scratch_dir to one that can"
            ) from None
        here = self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self.store, self.files, self.supervisor = store, files, supervisor
        count = len(settings.devices) * settings.workers_per_device
        threads = None if count == 1 else max(1, (os.cpu_count() or 1) // count)
        self._janitor = Janitor(settings, store, files, wakeups)
        self._dispatchers = [
            Dispatcher(
                f"{here}-{device}-{number}", LocalRunner(device, threads=threads), settings, store, files, wakeups
            )
            for device in settings.devices
            for number in range(1, settings.workers_per_device + 1)
            if is_working
        ]

    def start(self) -> None:
        """Start the janitor, then the workers; returns at once."""
        self._janitor.start()
        self.supervisor.add("janitor", self._janitor.is_alive, self._janitor.start)
        for dispatcher in self._dispatchers:
            dispatcher.start()
            self.supervisor.add(f"dispatcher {dispatcher.name}", dispatcher.is_alive, dispatcher.start)
        self.supervisor.start()

    def is_ready(self) -> bool:
        """Whether the database shows a worker of this pool that can take a job; true for a pool without workers."""
        try:
            with self.store.read() as tx:
                return not self._dispatchers or any(worker.id.startswith(self.name) for worker in present(tx, 0.0))
        except DependencyAwayError:
            return False

    def stop(self, grace_s: float) -> None:
        """Take no more jobs; running jobs may go on for `grace_s` seconds. Returns at once; may be called again."""
        self.supervisor.stop()
        for dispatcher in self._dispatchers:
            dispatcher.stop(grace_s)

    def join(self) -> None:
        """Wait until the workers and the janitor have ended."""
        for dispatcher in self._dispatchers:
            dispatcher.join()
        self._janitor.stop()

    def drain(self, is_forced: Callable[[], bool]) -> None:
        """Wait like `join`; once `is_forced`, end the running jobs at once and put them back."""
        ending = threading.Thread(target=self.join)
        ending.start()
        while ending.is_alive():
            ending.join(LOOK_S)
            if is_forced():
                self.stop(0)
