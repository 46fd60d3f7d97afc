# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A runner on this machine: the handle on a process that does the work.

Owns      starting the process, its messages, noticing its death, ending it with everything that it started.
Not here  what the process does (`process`), which work runs when (`service.background.dispatcher`,
          `service.quick_lane`).

The process leads a group of its own. It is reaped only after that group is killed, so the PID cannot have been reused;
what it started ends with it, even where it died first.
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

START_LIMIT_S = 300.0  # torch and the check of weights from a cold disk; without them it takes half a second
SECRETS = ("FOURVIEW_", "AWS_", "PG")  # prefixes of the service's secrets in the environment: the process gets none
NO_SECRETS = ("FOURVIEW_WEIGHTS",)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # read when numpy and torch load


class LocalRunner:
    """Satisfies `fourview.service.runner.Runner`.

    `device`: auto, cpu, cuda, cuda:N, mps, or the stand-in: `instant`, `instant:SECONDS`. `machine`: what else a
    learned engine may use (its own `device` is ignored). `threads`: the most to use; None: one a core.
    """

    def __init__(self, device: str = "auto", machine: Machine | None = None, threads: int | None = None) -> None:
        self.device = device
        self._machine = dataclasses.replace(machine or Machine(), device=device)
        self._threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        self._messages: queue.SimpleQueue[wire.Message | None] = queue.SimpleQueue()
        self._ending = threading.Lock()

    def start(self) -> Ability:
        """A new process, in place of the old one if there is one; raises `RunnerDiedError`."""
        self.kill()
        self._messages = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fourview.runners.process", self._options()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment(),
            start_new_session=True,
        )
        threading.Thread(
            target=_listen, args=(self._process.stdout, self._messages), name="runner", daemon=True
        ).start()
        heard = self._next(START_LIMIT_S)
        if not isinstance(heard, Ability):
            self.kill()
            raise RunnerDiedError(f"the runner on {self.device} was not ready after {START_LIMIT_S:g} s")
        return heard

    def begin(self, work: Work) -> None:
        """Hand over `work`; raises `RunnerDiedError`."""
        self._say(work)

    def hear(self, timeout_s: float) -> Step | Outcome | None:
        """The next message about the work, None after `timeout_s` without one; raises `RunnerDiedError`."""
        heard = self._next(timeout_s)
        if heard is not None and not isinstance(heard, Step | Outcome):
            raise self._died(f"sent {type(heard).__name__} out of turn")
        return heard

    def cancel(self) -> None:
        """Ask the work to stop; does nothing where none is running."""
        with contextlib.suppress(RunnerDiedError):  # `hear` raises it
            self._say(wire.Cancel())

    def kill(self) -> None:
        """End the process and everything that it started, now; may be called at any time from any thread."""
        with self._ending:
            process = self._process
            if process is None or process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError, PermissionError):  # all are dead, on Linux and on macOS
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdin is not None:
                with contextlib.suppress(OSError):  # a message that was never read
                    process.stdin.close()

    def _say(self, message: wire.Message) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise RunnerDiedError(f"the runner on {self.device} was not started")
        try:
            process.stdin.write(wire.encode(message))
            process.stdin.flush()
        except (OSError, ValueError):  # its end is closed, or ours
            raise self._died("takes no messages") from None

    def _next(self, timeout_s: float) -> wire.Message | None:
        try:
            heard = self._messages.get(timeout=max(timeout_s, 0))
        except queue.Empty:
            return None
        if heard is None:
            self._messages.put(None)  # it stays dead
            raise self._died("died")
        return heard

    def _died(self, how: str) -> RunnerDiedError:
        self.kill()
        code = None if self._process is None else self._process.returncode
        return RunnerDiedError(f"the runner on {self.device} {how} (exit code {code}); start it again")

    def _options(self) -> str:
        return json.dumps({"machine": dataclasses.asdict(self._machine), "threads": self._threads})

    def _environment(self) -> dict[str, str]:
        own = {name: v for name, v in os.environ.items() if not name.startswith(SECRETS) or name in NO_SECRETS}
        return own if self._threads is None else own | dict.fromkeys(THREADS, str(self._threads))


def _listen(stdout: IO[bytes], messages: "queue.SimpleQueue[wire.Message | None]") -> None:
    """Queue the messages of the process; None after the last, or after one that cannot be decoded."""
    with stdout, contextlib.suppress(ValueError, LookupError, TypeError):
        for line in stdout:
            messages.put(wire.decode(line))
    messages.put(None)
