# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The made-up objects at hand: a ring in which new ones take the place of old ones.

Owns      which made-up objects a step may draw. Not here: how one is made (`render`).

An object is a pure function of its number, and a step's numbers of the step alone: a resumed run draws the same
objects, and makes those again that it needs.
"""

import torch

from training.objects import Objects
from training.render import made_up

FIRST = 1 << 20  # numbers below are kept for tests and sheets


class Pool:
    """Of `size` objects on `device`, `fresh` are new at each step."""

    def __init__(self, size: int, fresh: float, device: torch.device) -> None:
        self.size, self.fresh = size, fresh
        self._objects = Objects.empty(size, device)
        self._number = torch.full((size,), -1)

    def take(self, step: int, count: int, generator: torch.Generator) -> Objects:
        """`count` of the objects that are at hand at `step`."""
        newest = int(step * self.fresh) + count
        oldest = max(newest - self.size, 0)
        drawn = torch.randint(oldest, newest, (count,), generator=generator)
        for number in drawn.tolist():
            if self._number[number % self.size] != number:
                made = made_up(FIRST + number, self._objects.half.device)
                for into, value in zip(vars(self._objects).values(), vars(made).values(), strict=True):
                    into[number % self.size] = value[0]
                self._number[number % self.size] = number
        return self._objects[(drawn % self.size).to(self._objects.half.device)]
