# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A runner that does what the test tells it, for what no real one does when asked: die twice, be deaf, report nonsense.

A script is a list of acts for one piece of work: a `Step`, an `Outcome`, an error to raise, seconds to take, or a
function of the work. It ends with an outcome or an error; what comes to its end otherwise goes on until it is stopped.
"""

import queue
import threading
import time

from fourview.errors import RunnerDiedError
from fourview.work import Ability, MadeFile, Outcome


class ScriptedRunner:
    def __init__(self, *scripts, engines=("mini", "hull"), is_deaf=False, starts=()):
        self.scripts, self.engines, self.is_deaf = list(scripts), engines, is_deaf
        self.starts = list(starts)  # what each further start raises, None where it works
        self.works, self.calls = [], []
        self._alive, self._wakeups, self._stop = False, queue.Queue(), threading.Event()

    def start(self):
        self.calls.append("start")
        if self.starts and (error := self.starts.pop(0)) is not None:
            raise error
        self._alive, self._wakeups, self._stop = True, queue.Queue(), threading.Event()
        return Ability(self.engines, {"device": "scripted"})

    def begin(self, work):
        self.calls.append("begin")
        if not self._alive:
            raise RunnerDiedError("gone")
        self.works.append(work)
        script = self.scripts.pop(0) if self.scripts else [make]
        threading.Thread(target=self._act, args=(work, script, self._wakeups, self._stop), daemon=True).start()

    def hear(self, timeout_s):
        if not self._alive:
            raise RunnerDiedError("gone")
        try:
            heard = self._wakeups.get(timeout=timeout_s) if timeout_s else self._wakeups.get_nowait()
        except queue.Empty:
            return None
        if isinstance(heard, Exception):
            self._alive = False
            raise heard
        return heard

    def cancel(self):
        self.calls.append("cancel")
        if not self.is_deaf:
            self._stop.set()

    def kill(self):
        self.calls.append("kill")
        self._alive = False
        self._stop.set()

    def _act(self, work, script, wakeups, stop):
        for act in script:
            if isinstance(act, int | float):
                if stop.wait(act):
                    break
            else:
                wakeups.put(act(work) if callable(act) else act)
        else:
            if not script or (not callable(script[-1]) and not isinstance(script[-1], Outcome | Exception)):
                stop.wait()
        if stop.is_set():
            wakeups.put(Outcome("canceled"))


def make(work):
    """The outcome of work that is done: a model and a preview, the model different each time."""
    made = []
    for name, format in (("model.glb", "glb"), ("preview.png", "png")):
        path = work.folder / name
        path.write_bytes(f"{name} {time.time_ns()}".encode())
        made.append(MadeFile(name, format, path))
    return Outcome("done", tuple(made), {"engine": {"name": "mini"}, "mesh": {"faces": 4}}, seed_used=7)
