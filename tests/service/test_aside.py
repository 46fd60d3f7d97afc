# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Work aside: its folder, its limits, its runner's death; with the real process of the device `instant`."""

import asyncio
import os
import signal
import threading
import time

import pytest
from service.acts import png
from service.scripted import ScriptedRunner, make

from fourview.errors import RunnerDiedError
from fourview.runners.local import LocalRunner
from fourview.service.problems import Refused
from fourview.service.quick_lane import QuickLane
from fourview.work import Failure, Outcome, Step, Work

PATIENCE_S = 20.0


@pytest.fixture
def open_aside(tmp_path):
    """Makes one around a runner; whatever happened, its scratch folder is empty in the end."""
    opened = []

    def open_it(runner, **more):
        opened.append(QuickLane(lambda: runner, tmp_path / "scratch", **more))
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()
    assert list((tmp_path / "scratch").glob("*")) == []


def preview(folder, picture=None):
    """An order as the routes give it: called in a thread, it writes its input into the folder."""
    assert list(folder.iterdir()) == []
    (folder / "front").write_bytes(png() if picture is None else picture)
    return Work("preview", {"front": folder / "front"}, {}, folder)


def test_work_is_done_in_a_folder_that_is_gone_after_the_block(open_aside):
    work_aside = open_aside(LocalRunner("instant"))

    async def ask():
        async with work_aside.run(preview) as outcome:
            paths = [made.path for made in outcome.files]
            assert all(path.read_bytes() for path in paths)
            return outcome, paths

    outcome, paths = asyncio.run(ask())

    assert [made.name for made in outcome.files] == ["front_matte.png", "front_cutout.png"]
    assert not any(path.parent.exists() for path in paths)


def test_the_runner_starts_with_the_first_work_and_does_the_next_too(open_aside):
    runner = ScriptedRunner()
    work_aside = open_aside(runner)
    assert runner.calls == []

    async def ask():
        for _ in range(3):
            async with work_aside.run(preview):
                pass

    asyncio.run(ask())

    assert runner.calls == ["start", "begin", "begin", "begin"]


def test_one_at_a_time_and_too_many_are_refused(open_aside):
    go = threading.Event()

    def wait(work):
        go.wait(PATIENCE_S)
        return make(work)

    work_aside = open_aside(ScriptedRunner([wait], [make]), places=2)

    async def ask():
        async with work_aside.run(preview) as outcome:
            return outcome.status

    async def crowd():
        first, second = asyncio.create_task(ask()), asyncio.create_task(ask())
        await asyncio.sleep(0)  # both have their place
        with pytest.raises(Refused) as refused:
            await ask()
        go.set()
        return refused.value, [await first, await second, await ask()]

    refused, done = asyncio.run(crowd())

    assert (refused.code, refused.headers["Retry-After"]) == ("busy", "2")
    assert done == ["done", "done", "done"]


def test_a_failure_comes_as_its_word(open_aside):
    work_aside = open_aside(LocalRunner("instant"))

    async def ask():
        async with work_aside.run(lambda folder: preview(folder, b"nonsense")):
            pass

    with pytest.raises(Refused) as refused:
        asyncio.run(ask())

    assert refused.value.code == "invalid_picture"
    assert "'front'" in refused.value.detail


@pytest.mark.parametrize(
    ("scripts", "code"),
    [
        ([[Outcome("failed", failure=Failure("InternalError", "/srv/secret broke"))]], "internal"),
        ([[Outcome("failed", failure=Failure("MissingExtraError", "/srv/secret"))]], "engine_not_ready"),
        ([[Outcome("canceled")]], "internal"),
        ([[RunnerDiedError("killed by signal 9")]] * 2, "internal"),
        ([[Step("matte", 0.1)]], "time_limit"),
    ],
)
def test_what_goes_wrong_tells_no_secret_and_the_next_work_is_done(open_aside, scripts, code):
    work_aside = open_aside(ScriptedRunner(*scripts), limit_s=0.3)

    async def ask():
        async with work_aside.run(preview) as outcome:
            return outcome.status

    with pytest.raises(Refused) as refused:
        asyncio.run(ask())

    assert refused.value.code == code
    assert "/srv" not in refused.value.detail
    assert asyncio.run(ask()) == "done"


def test_an_order_that_cannot_be_given_leaves_nothing_behind(open_aside):
    runner = ScriptedRunner()
    work_aside = open_aside(runner)

    def order(folder):
        (folder / "front").write_bytes(b"half")
        raise OSError("the bucket is away")

    async def ask():
        async with work_aside.run(order):
            pass

    with pytest.raises(OSError, match="bucket"):
        asyncio.run(ask())
    assert "begin" not in runner.calls


def test_a_poisoned_runner_is_replaced(open_aside):
    def poison(work):
        return Outcome("done", is_poisoned=True)

    runner = ScriptedRunner([poison])
    work_aside = open_aside(runner)

    async def ask():
        async with work_aside.run(preview):
            pass

    for _ in range(2):
        asyncio.run(ask())

    assert runner.calls == ["start", "begin", "kill", "start", "begin"]


def test_a_runner_that_dies_is_replaced_and_its_work_done(open_aside):
    runner = LocalRunner("instant")
    work_aside = open_aside(runner)

    async def ask():
        async with work_aside.run(preview) as outcome:
            return outcome.status

    asyncio.run(ask())
    os.kill(runner._process.pid, signal.SIGKILL)

    assert asyncio.run(ask()) == "done"


def test_whoever_stops_waiting_leaves_no_folder_behind(open_aside, tmp_path):
    begun, go = threading.Event(), threading.Event()

    def wait(work):
        begun.set()
        go.wait(PATIENCE_S)
        return make(work)

    work_aside = open_aside(ScriptedRunner([wait]))

    async def ask():
        async with work_aside.run(preview):
            pass

    async def leave():
        task, waiting = asyncio.create_task(ask()), asyncio.create_task(ask())
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        waiting.cancel()
        task.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)
        assert len(list((tmp_path / "scratch").iterdir())) == 1
        go.set()
        await ask()  # after the one that nobody waits for

    asyncio.run(leave())
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and list((tmp_path / "scratch").iterdir()):
        time.sleep(0.01)


def test_closing_ends_what_is_under_way(open_aside):
    runner = ScriptedRunner([Step("matte", 0.1)])
    work_aside = open_aside(runner)

    async def ask():
        async with work_aside.run(preview):
            pass

    async def close():
        task = asyncio.create_task(ask())
        while "begin" not in runner.calls:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(work_aside.close)
        with pytest.raises(Refused) as refused:
            await task
        return refused.value

    assert asyncio.run(close()).code == "not_ready"
