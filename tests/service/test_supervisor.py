# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Threads that die are seen and started again; where that does not help, the process is to end."""

import threading
import time

import pytest

from fourview.service import supervisor as module
from fourview.service.supervisor import DEATHS, Supervisor

PATIENCE_S = 20.0


class Part:
    """A thread that dies when it is asked to."""

    def __init__(self, is_doomed=False):
        self.is_doomed, self.starts = is_doomed, 0
        self._die = threading.Event()
        self._thread = None

    def start(self):
        self.starts += 1
        self._die = threading.Event()
        if self.is_doomed:
            self._die.set()
        self._thread = threading.Thread(target=self._die.wait, daemon=True)
        self._thread.start()

    def is_alive(self):
        return self._thread.is_alive()

    def die(self):
        self._die.set()
        self._thread.join()


@pytest.fixture
def supervisor(monkeypatch):
    monkeypatch.setattr(module, "LOOK_S", 0.05)
    supervisor = Supervisor()
    yield supervisor
    supervisor.stop()


def until(found):
    limit = time.monotonic() + PATIENCE_S
    while not found():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_part_that_died_is_named_and_started_again(supervisor):
    part, other = Part(), Part()
    for name, each in (("part", part), ("other", other)):
        each.start()
        supervisor.add(name, each.is_alive, each.start)

    part.die()
    assert supervisor.dead() == ["part"]
    supervisor.start()
    until(lambda: supervisor.dead() == [])

    assert (part.starts, other.starts) == (2, 1)
    assert not supervisor.gave_up.is_set()


def test_a_part_that_dies_again_and_again_ends_the_process(supervisor):
    part = Part(is_doomed=True)
    part.start()
    supervisor.add("part", part.is_alive, part.start)

    supervisor.start()

    assert supervisor.gave_up.wait(PATIENCE_S)
    assert part.starts >= DEATHS


def test_a_part_that_cannot_be_started_ends_the_process_and_holds_up_no_other(supervisor):
    part = Part()
    part.start()

    def fail():
        raise RuntimeError("can't start new thread")

    supervisor.add("never", lambda: False, fail)
    supervisor.add("part", part.is_alive, part.start)
    part.die()
    supervisor.start()

    until(lambda: part.starts == 2)
    assert supervisor.gave_up.wait(PATIENCE_S)


def test_what_ends_on_purpose_is_not_dead(supervisor):
    part = Part()
    part.start()
    supervisor.add("part", part.is_alive, part.start)
    supervisor.start()

    supervisor.stop()
    part.die()

    assert supervisor.dead() == []
    time.sleep(0.2)
    assert part.starts == 1
