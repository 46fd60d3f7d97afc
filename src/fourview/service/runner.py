# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What the service needs of a runner: the interface.

Owns      the protocol. Its double for tests is a real one: the device `instant` (`runners.instant`).
Not here  processes and engines (`runners`), claiming jobs (`dispatcher`).
"""

from typing import Protocol

from fourview.work import Ability, Outcome, Step, Work


class Runner(Protocol):
    """Does one piece of work at a time, in a process of its own. One thread calls; `kill` may come from any."""

    def start(self) -> Ability:
        """Bring the process up, or a new one where it died, and say what it can do; raises `RunnerDiedError`."""

    def begin(self, work: Work) -> None:
        """Hand over one order; returns at once. Raises `RunnerDiedError`."""

    def hear(self, timeout_s: float) -> Step | Outcome | None:
        """The next news of the work, None where there was none for so long; raises `RunnerDiedError`."""

    def cancel(self) -> None:
        """Ask the work to stop: its `Outcome` comes, canceled or finished after all, within a second or a step."""

    def kill(self) -> None:
        """End the process and everything that it started, now."""
