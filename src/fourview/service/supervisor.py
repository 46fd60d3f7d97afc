# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Restarts the parts of a process that died.

Owns      checking once a second, restarting, giving up where that does not help.
Not here  the parts themselves (`background`), ending the process (`server`).

No part should die: each catches its errors. This is for errors that escape, so that a process never continues with
fewer workers than it shows. Where a part dies repeatedly the process ends with an error, and its service manager
(systemd, Kubernetes) starts a new one.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

LOOK_S = 1.0
DEATHS = 5  # of one part within `WITHIN_S`: starting it again does not help
WITHIN_S = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Part:
    is_alive: Callable[[], bool]
    start: Callable[[], object]
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS))  # monotonic


class Supervisor:
    """One a process, with a thread of its own. `gave_up` is set where a part dies again and again."""

    def __init__(self) -> None:
        self.gave_up = threading.Event()
        self._parts: dict[str, _Part] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, name: str, is_alive: Callable[[], bool], start: Callable[[], object]) -> None:
        """Watch a part that lives already; `start` brings it back, in the supervisor's thread."""
        self._parts[name] = _Part(is_alive, start)

    def start(self) -> None:
        """Begin to look, and come back at once."""
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more: the parts end on purpose from now on."""
        self._stopping.set()

    def dead(self) -> list[str]:
        """The names of the parts that ought to live and do not, the supervisor's own included."""
        if self._stopping.is_set():
            return []
        own = [] if self._thread is None or self._thread.is_alive() else ["supervisor"]
        return own + [name for name, part in list(self._parts.items()) if not part.is_alive()]

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            for name in self.dead():
                try:
                    self._revive(name, self._parts[name])
                except Exception:
                    log.exception("part_not_started", part=name)

    def _revive(self, name: str, part: _Part) -> None:
        part.deaths.append(time.monotonic())
        log.error("part_died", part=name, deaths=len(part.deaths))
        if len(part.deaths) == DEATHS and part.deaths[-1] - part.deaths[0] < WITHIN_S:
            log.error("gave_up", part=name, deaths=DEATHS, within_s=WITHIN_S)
            self.gave_up.set()
        part.start()
