# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Native calls that run in a process of their own, so that they can be stopped.

Owns      the process of one call: start, cancel, time limit, failure. Not here: which calls run there (each step).

A long native call holds the interpreter, so a tick inside it is never reached. `call` runs a function of an importable
module in a fresh Python, polls the tick, and kills the process when the tick raises. The child is started with
`python -m fourview.killable_call`, not with multiprocessing's spawn: that would run the caller's main script a second
time.
"""

import importlib
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, TypeVar

from fourview.errors import ChildError, FourviewError
from fourview.progress import Tick, no_tick

T = TypeVar("T")

POLL_S = 0.05


def call(function: Callable[..., T], *args: Any, tick: Tick = no_tick, budget_s: float | None = None) -> T:
    """`function(*args)`, computed in a process that dies when `tick` raises or after `budget_s` seconds.

    `function` must be defined at the top of a module; arguments and result must pickle. Errors of `fourview` raised
    inside are raised again; a failed process or an exceeded budget is a `ChildError`.
    """
    request = (function.__module__, function.__qualname__, args, list(sys.path))
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        pickle.dump(request, stdin, protocol=5)
        stdin.seek(0)
        child = subprocess.Popen(
            [sys.executable, "-m", "fourview.killable_call"], stdin=stdin, stdout=stdout, stderr=stderr
        )
        began = time.monotonic()
        try:
            while child.poll() is None:
                tick(0.5)
                if budget_s is not None and time.monotonic() - began > budget_s:
                    raise ChildError(f"{function.__name__} took more than {budget_s:g} s and was stopped")
                try:
                    child.wait(POLL_S)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        stdout.seek(0)
        stderr.seek(0)
        if child.returncode != 0:
            last = stderr.read().decode(errors="replace").strip().splitlines()[-1:]
            raise ChildError(f"{function.__name__} died with code {child.returncode}: {' '.join(last)}")
        ok, value = pickle.load(stdout)
    if not ok:
        raise value
    result: T = value
    return result


def main() -> None:
    """Read one call from stdin, run it, write its result or error to stdout."""
    out, sys.stdout = sys.stdout.buffer, sys.stderr
    module, name, args, path = pickle.load(sys.stdin.buffer)
    sys.path[:] = path
    try:
        answer = True, getattr(importlib.import_module(module), name)(*args)
    except FourviewError as error:
        answer = False, error
    pickle.dump(answer, out, protocol=5)


if __name__ == "__main__":
    main()
