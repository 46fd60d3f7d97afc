# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Small free work that no queue holds up: previews of mattes, a finished model in another format.

Owns      one runner for it, one piece of work at a time, and how many may wait.
Not here  doing it (`runners`), jobs (`dispatcher`).
"""

from collections.abc import Callable
from pathlib import Path

from fourview.service.runner import Runner
from fourview.work import Outcome, Work


class Aside:
    """One a process; its runner starts with the first work and again after it died."""

    def __init__(self, make: Callable[[], Runner], scratch: Path) -> None:
        raise NotImplementedError

    async def run(self, work: Callable[[Path], Work]) -> Outcome:
        """Do what `work` orders, given an empty folder; the folder is gone when the block that called this wants it.

        Raises `Refused("busy")` where too many wait.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the runner."""
        raise NotImplementedError
