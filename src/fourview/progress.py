# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Stages, progress events and the cancel token of a run.

Owns      the order of the stages, the events a caller receives, the cancel token.
Not here  the share of each stage (`engines`, `kinds`), drawing a bar (`cli.bar`), killing native code that cannot be
          canceled (`killable_call`).

A step gets one callable, its `Tick`. It calls `tick(done)` with its own share done, 0..1, a few times a second. The
call reports the progress, and raises `CanceledError` if the run was canceled.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from fourview.errors import CanceledError

Tick = Callable[[float], None]

STAGES = ("fetch", "matte", "encode", "denoise", "decode", "extract", "clean", "simplify", "texture", "export")


def no_tick(done: float) -> None:
    """The tick of a step without an observer."""


@dataclass(frozen=True)
class Event:
    """A moment of a run: `stage_done` (0..1) of `stage` is done, and `done` (0..1, never falls) of the whole run.

    `steps`: how many equal steps the stage has, as sampling does; 0 elsewhere. `note`: a remark of the stage.
    """

    stage: str
    stage_done: float
    done: float
    elapsed_s: float
    steps: int = 0
    note: str = ""

    @property
    def step(self) -> int:
        """How many of `steps` are done."""
        return round(self.stage_done * self.steps)


class CancelToken:
    """Cancels a run from any thread; the run stops at its next tick."""

    def __init__(self) -> None:
        self._flag = threading.Event()

    def cancel(self) -> None:
        self._flag.set()

    @property
    def is_canceled(self) -> bool:
        return self._flag.is_set()


def part(tick: Tick, begin: float, end: float) -> Tick:
    """A tick for a part of a step: its 0..1 is `begin`..`end` of the step."""
    return lambda done: tick(begin + (end - begin) * done)


@dataclass
class RunProgress:
    """The progress of one run: gives each stage its tick and keeps its time.

    `shares`: each stage of this run and its typical share of the time; they sum to 1.
    """

    shares: Mapping[str, float]
    watch: Callable[[Event], None] | None = None
    cancel: CancelToken | None = None
    timings_s: dict[str, float] = field(default_factory=dict)
    _began: float = field(default_factory=time.perf_counter)
    _done: float = 0.0

    @contextmanager
    def stage(self, name: str, steps: int = 0, note: str = "") -> Iterator[Tick]:
        """The tick of stage `name`; its time is counted when the block ends."""
        share = self.shares.get(name, 0.0)
        before = sum(self.shares.get(stage, 0.0) for stage in STAGES[: STAGES.index(name)])

        def tick(done: float) -> None:
            if self.cancel is not None and self.cancel.is_canceled:
                raise CanceledError(f"canceled during '{name}'")
            self._done = max(self._done, min(before + share * done, 0.999))
            if self.watch is not None:
                self.watch(Event(name, done, self._done, time.perf_counter() - self._began, steps, note))

        began = time.perf_counter()
        tick(0.0)
        yield tick
        tick(1.0)
        self.timings_s[name] = self.timings_s.get(name, 0.0) + time.perf_counter() - began
