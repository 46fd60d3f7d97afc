# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Orders become steps of the journey: one function for each kind of work.

Owns      which steps each kind takes, the files it makes and what it says of itself; the engines that are kept.
Not here  the steps (`pipeline`, `export`, `mesh`, `texture`, `views`), the process around it (`process`).
"""

from collections.abc import Callable

from fourview.compute import Machine
from fourview.progress import CancelToken, Event
from fourview.work import Ability, Outcome, Work


class Workshop:
    """What a process of this machine does."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def ability(self) -> Ability:
        return Ability(())

    def warm_up(self) -> None:
        """Nothing."""

    def execute(self, work: Work, watch: Callable[[Event], None], cancel: CancelToken) -> Outcome:
        raise NotImplementedError(work.kind)
