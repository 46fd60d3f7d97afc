# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How far a run is, and how it is stopped: stage names, events, the cancel token.

Owns      the order and the weight of the stages, the events a caller sees, the cancel token.
Not here  drawing a bar (`cli`), killing native code that cannot be asked to stop (`child`).

A step gets one callable, its `Tick`. It calls `tick(done)` with its own share done, 0..1, a few
times a second; the call reports the progress and raises `CanceledError` where the run was canceled.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fourview.errors import CanceledError

Tick = Callable[[float], None]

STAGES = ("fetch", "matte", "encode", "denoise", "decode", "extract", "clean", "simplify", "texture", "export")
# Engine -> share of each stage in a typical run, in the order of STAGES: those of the first two were measured with
# `benchmarks/speed.py`, those of the network follow from its arithmetic at 30 steps and 256 cells. `mesh` is what is
# done with meshes that are there already, which takes some of these stages.
SHARES: dict[str, tuple[float, ...]] = {
    "mini": (0.01, 0.06, 0.10, 0.00, 0.25, 0.10, 0.05, 0.10, 0.30, 0.03),
    "hull": (0.02, 0.08, 0.08, 0.00, 0.20, 0.12, 0.05, 0.10, 0.32, 0.03),
    "hunyuan2mv": (0.01, 0.06, 0.03, 0.55, 0.09, 0.03, 0.02, 0.05, 0.14, 0.02),
    "mesh": (0.05, 0.15, 0.00, 0.00, 0.00, 0.00, 0.00, 0.25, 0.45, 0.10),
}


def no_tick(done: float) -> None:
    """The tick of a step that nobody watches."""


@dataclass(frozen=True)
class Event:
    """A moment of a run: `stage` is `stage_done` (0..1) through, the whole run `done` (0..1, never falls).

    A stage of equal steps, as sampling is, says how many: `steps` is 0 elsewhere. `note` is what the stage has to say.
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
    """Set from any thread; seen by the run at its next tick."""

    def __init__(self) -> None:
        self._flag = threading.Event()

    def cancel(self) -> None:
        self._flag.set()

    @property
    def is_canceled(self) -> bool:
        return self._flag.is_set()


@dataclass
class Journey:
    """The stages of one run: hands each stage its tick and keeps its time."""

    watch: Callable[[Event], None] | None = None
    cancel: CancelToken | None = None
    engine: str = "mini"
    timings_s: dict[str, float] = field(default_factory=dict)
    _began: float = field(default_factory=time.perf_counter)
    _done: float = 0.0

    @contextmanager
    def stage(self, name: str, steps: int = 0, note: str = "") -> Iterator[Tick]:
        """The tick of stage `name`; its time is counted when the block ends."""
        shares = SHARES.get(self.engine, SHARES["mini"])
        share, before = shares[STAGES.index(name)], sum(shares[: STAGES.index(name)])

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
