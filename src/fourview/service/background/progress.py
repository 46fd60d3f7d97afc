# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How far a running job is: what has to be written, and when."""

import time
from typing import Any

from sqlalchemy import Connection

from fourview.service.background.pauses import pauses
from fourview.service.store import queue
from fourview.service.store.jobs import Lease
from fourview.work import Step

BATCH_S = 0.2  # how long new stages and steps are gathered before they are written: each commit waits for the disk
SILENCE_S = 1.0  # the longest time between two events of a running job


class Progress:
    """What was heard of the work: every new stage and step waits to be written, of the rest only the last."""

    def __init__(self) -> None:
        self.last = Step("fetch", 0.0)
        self.unwritten = [self.last]
        self._written_at = time.monotonic()
        self.waits = pauses()  # while the database is away

    def hear(self, step: Step) -> None:
        if (step.stage, step.step) != (self.last.stage, self.last.step):
            self.unwritten.append(step)
        elif self.unwritten:
            self.unwritten[-1] = step
        self.last = step

    def is_due(self, now: float) -> bool:
        return now - self._written_at >= (BATCH_S if self.unwritten else SILENCE_S)

    def was_written(self, now: float) -> None:
        self.unwritten, self._written_at = [], now


def report(tx: Connection, lease: Lease, steps: list[Step], now: float) -> None:
    """Write these steps of a job."""
    if steps:
        rows = [(step.stage, min(step.done, 0.999), _more(step)) for step in steps]  # 1 is for jobs that succeeded
        queue.report_steps(tx, lease, rows, now)


def _more(step: Step) -> dict[str, Any]:
    more: dict[str, Any] = {"step": step.step, "steps": step.steps} if step.steps else {}
    return more | {"note": step.note} if step.note else more
