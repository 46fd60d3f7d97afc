# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The process of a runner: it reads work on stdin and writes steps and outcomes on stdout, one piece of work at a time.

Owns      the pipes, ending itself when its parent is gone, what an exception means.
Not here  the work (`execute`, `instant`), the parent's side (`local`), the messages (`wire`).

A thread of its own reads stdin, so that a cancel arrives while the work runs. The end of stdin means that the parent is
gone: the whole process group ends at once. Everything that libraries print goes to stderr.
"""

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from fourview import compute
from fourview.errors import CanceledError, FourviewError
from fourview.progress import CancelToken, Event
from fourview.runners import memory, wire
from fourview.work import Failure, Outcome, Step, Work

STEP_S = 0.1  # the least time between two messages of one stage

if TYPE_CHECKING:
    from fourview.runners.execute import Executor
    from fourview.runners.instant import Instant

Execute = Callable[[Work, Callable[[Event], None], CancelToken], Outcome]
Orders = queue.SimpleQueue[tuple[Work, CancelToken]]


def main() -> None:
    """Do work until stdin ends."""
    orders_in, messages_out = _take_pipes()
    orders: Orders = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders_in, orders), daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):  # a service manager signals every process of a service;
        signal.signal(number, signal.SIG_IGN)  # the parent decides when this one ends
    _go_first()
    options = json.loads(sys.argv[1])
    compute.set_threads(options["threads"])
    worker = _worker(compute.Machine(**options["machine"]))
    _say(messages_out, worker.ability())
    worker.warm_up()
    while True:
        work, cancel = orders.get()
        _say(messages_out, do(work, worker.execute, _Watch(messages_out), cancel))


def do(work: Work, execute: Execute, watch: Callable[[Event], None], cancel: CancelToken) -> Outcome:
    """The outcome of the work. An unexpected exception may leave broken state behind: it marks the process poisoned."""
    try:
        with memory.bounded() if "mesh" in work.inputs else contextlib.nullcontext():
            return execute(work, watch, cancel)
    except CanceledError:
        return Outcome("canceled")
    except FourviewError as error:
        return Outcome("failed", failure=Failure(type(error).__name__, str(error)))
    except Exception as error:  # our faults, memory that ran out, a device that broke
        traceback.print_exc()
        if isinstance(error, MemoryError) and "mesh" in work.inputs:
            message = (
                "the work on this mesh takes more memory than it may; simplify it, or ask for a smaller texture_size"
            )
            return Outcome("failed", failure=Failure("MeshError", message), is_poisoned=True)
        message = f"{type(error).__name__} in {work.kind}: {error}"
        return Outcome("failed", failure=Failure("InternalError", message), is_poisoned=True)


def _worker(machine: compute.Machine) -> "Executor | Instant":
    if machine.device.partition(":")[0] == "instant":
        from fourview.runners.instant import Instant

        return Instant(machine.device)
    from fourview.runners.execute import Executor

    return Executor(machine)


class _Watch:
    """Sends events as steps, at most one every `STEP_S` of one stage and step."""

    def __init__(self, messages: BinaryIO) -> None:
        self._messages = messages
        self._last: tuple[str, int] | None = None
        self._at = 0.0

    def __call__(self, event: Event) -> None:
        place, now = (event.stage, event.step), time.monotonic()
        if place != self._last or now - self._at >= STEP_S:
            self._last, self._at = place, now
            _say(self._messages, Step(event.stage, event.done, event.step, event.steps, event.note))


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for our messages: libraries read nothing and print to stderr."""
    orders, messages = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return orders, messages


def _go_first() -> None:
    """Make the kernel end this process first when memory runs short, not the service that started it."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")


def _say(messages: BinaryIO, message: wire.Message) -> None:
    try:
        messages.write(wire.encode(message))
        messages.flush()
    except BrokenPipeError:  # the parent is gone
        _end()


def _end() -> NoReturn:
    os.killpg(os.getpgrp(), signal.SIGKILL)
    raise SystemExit  # never reached: the group holds this process


def _listen(orders_in: BinaryIO, orders: Orders) -> None:
    """Queue work, cancel it when asked to, and end when the parent is gone."""
    try:
        cancel = CancelToken()
        for line in orders_in:
            message = wire.decode(line)
            if isinstance(message, Work):
                cancel = CancelToken()
                orders.put((message, cancel))
            elif isinstance(message, wire.Cancel):
                cancel.cancel()
    finally:
        _end()


if __name__ == "__main__":
    main()
