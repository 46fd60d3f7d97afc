# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Orders for the tests of `runners/`, listening to what comes of them, looking at processes."""

import time
from pathlib import Path

import fourview
from fourview.work import Outcome, Step, Work

LONG_S = 60  # a test that waits so long has failed
EXAMPLES = Path(fourview.__path__[0]) / "examples"
ROBOT = {side: EXAMPLES / "robot" / f"{side}.png" for side in ("front", "left", "back", "right")}
SMALL = {"octree_resolution": 64, "target_face_num": 2000, "texture_size": 256}


def order(folder, kind="generate", inputs=None, **parameters):
    """Work on the robot, its files in `folder`."""
    folder.mkdir(exist_ok=True)
    return Work(kind, ROBOT if inputs is None else inputs, parameters, folder)


def listen(runner, until=lambda step: False):
    """The steps and the outcome of the work under way; the outcome is None where a step is what was waited for."""
    steps, give_up = [], time.monotonic() + LONG_S
    while time.monotonic() < give_up:
        heard = runner.hear(0.1)
        if isinstance(heard, Outcome):
            return steps, heard
        if isinstance(heard, Step):
            steps.append(heard)
            if until(heard):
                return steps, None
    raise AssertionError(f"no outcome, but {steps[-1:]}")


def wait_for(is_so):
    """Come back once `is_so()`."""
    give_up = time.monotonic() + LONG_S
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def alive(group):
    """The processes of a process group that are not dead: of the runner `group`, it and those that it started."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it is gone already
            continue
        if int(its_group) == group and state not in "ZX":
            found.add(int(stat.parent.name))
    return found
