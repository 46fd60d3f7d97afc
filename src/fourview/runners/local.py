# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A runner on this machine: the handle on a process that does the work.

Owns      starting the process, talking to it, noticing its death, ending it with everything that it started.
Not here  what the process does (`process`), what runs where and when (whoever holds the runner).

The process leads a group of its own, and is not reaped before that group is killed: so its number cannot be that of a
stranger by then, and what it started dies with it even where it died first.
"""

import contextlib
import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from typing import IO

from fourview.compute import Machine
from fourview.errors import RunnerDiedError
from fourview.runners import wire
from fourview.work import Ability, Outcome, Step, Work

START_LIMIT_S = 300.0  # a cold disk under torch and the check of weights; a hull takes half a second
SECRETS = ("FOURVIEW_", "AWS_", "PG")  # of the service, in the environment: none of the process's business
NO_SECRETS = ("FOURVIEW_WEIGHTS",)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # read when numpy and torch load


class LocalRunner:
    """Satisfies `fourview.service.runner.Runner`.

    `device`: auto, cpu, cuda, cuda:N, mps, or the double: `instant`, `instant:SECONDS`. `machine` says what else a
    learned engine may use (its own `device` is not looked at). `threads`: at most so many; None, one a core.
    """

    def __init__(self, device: str = "auto", machine: Machine | None = None, threads: int | None = None) -> None:
        self.device = device
        self._machine = dataclasses.replace(machine or Machine(), device=device)
        self._threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        self._news: queue.SimpleQueue[wire.Message | None] = queue.SimpleQueue()
        self._ending = threading.Lock()

    def start(self) -> Ability:
        """A new process, in place of the old one if there is one; raises `RunnerDiedError`."""
        self.kill()
        self._news = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fourview.runners.process", self._orders()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment(),
            start_new_session=True,
        )
        threading.Thread(target=_listen, args=(self._process.stdout, self._news), name="runner", daemon=True).start()
        heard = self._next(START_LIMIT_S)
        if not isinstance(heard, Ability):
            self.kill()
            raise RunnerDiedError(f"the runner on {self.device} was not ready after {START_LIMIT_S:g} s")
        return heard

    def begin(self, work: Work) -> None:
        """Hand over `work`; raises `RunnerDiedError`."""
        self._say(work)

    def hear(self, timeout_s: float) -> Step | Outcome | None:
        """The next news of the work, None where there was none for so long; raises `RunnerDiedError`."""
        heard = self._next(timeout_s)
        if heard is not None and not isinstance(heard, Step | Outcome):
            raise self._died(f"said {type(heard).__name__} out of turn")
        return heard

    def cancel(self) -> None:
        """Ask the work to stop; nothing happens where none is under way."""
        with contextlib.suppress(RunnerDiedError):  # `hear` tells
            self._say(wire.Cancel())

    def kill(self) -> None:
        """End the process and everything that it started, now; may be called at any time from any thread."""
        with self._ending:
            process = self._process
            if process is None or process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError, PermissionError):  # all dead: so say Linux, and macOS
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdin is not None:
                with contextlib.suppress(OSError):  # an order that nobody took
                    process.stdin.close()

    def _say(self, message: wire.Message) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise RunnerDiedError(f"the runner on {self.device} was not started")
        try:
            process.stdin.write(wire.encode(message))
            process.stdin.flush()
        except (OSError, ValueError):  # its end is closed, or ours
            raise self._died("takes no orders") from None

    def _next(self, timeout_s: float) -> wire.Message | None:
        try:
            heard = self._news.get(timeout=max(timeout_s, 0))
        except queue.Empty:
            return None
        if heard is None:
            self._news.put(None)  # it stays dead
            raise self._died("died")
        return heard

    def _died(self, how: str) -> RunnerDiedError:
        self.kill()
        code = None if self._process is None else self._process.returncode
        return RunnerDiedError(f"the runner on {self.device} {how} (exit code {code}); start it again")

    def _orders(self) -> str:
        return json.dumps({"machine": dataclasses.asdict(self._machine), "threads": self._threads})

    def _environment(self) -> dict[str, str]:
        own = {name: v for name, v in os.environ.items() if not name.startswith(SECRETS) or name in NO_SECRETS}
        return own if self._threads is None else own | dict.fromkeys(THREADS, str(self._threads))


def _listen(stdout: IO[bytes], news: "queue.SimpleQueue[wire.Message | None]") -> None:
    """Hand on what the process says, None when it has said its last word, or one that is none."""
    with stdout, contextlib.suppress(ValueError, LookupError, TypeError):
        for line in stdout:
            news.put(wire.decode(line))
    news.put(None)
