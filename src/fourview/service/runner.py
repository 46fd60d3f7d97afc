# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What the service needs of a runner: the interface.

Owns      the protocol. Tests use a real runner too: the device `instant` (`runners.instant`).
Not here  processes and engines (`runners`), claiming jobs (`dispatcher`).
"""

from typing import Protocol

from fourview.work import Ability, Outcome, Step, Work


class Runner(Protocol):
    """Does one piece of work at a time, in a process of its own. One thread calls; any thread may call `kill`."""

    def start(self) -> Ability:
        """Start the process, or a new one where it died; returns what it can do. Raises `RunnerDiedError`."""

    def begin(self, work: Work) -> None:
        """Hand over one piece of work; returns at once. Raises `RunnerDiedError`."""

    def hear(self, timeout_s: float) -> Step | Outcome | None:
        """The next message about the work, None after `timeout_s` without one; raises `RunnerDiedError`."""

    def cancel(self) -> None:
        """Ask the work to stop: its `Outcome` comes, canceled or finished after all, within a second or a step."""

    def kill(self) -> None:
        """End the process and everything that it started, now."""
