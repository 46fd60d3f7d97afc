# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A runner and its process: what is said, who may die, and who dies with whom."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from runners.orders import ROBOT, SMALL, alive, listen, order, wait_for

from fourview.errors import RunnerDiedError

PARENT = """
import sys, time
from pathlib import Path
from fourview.runners.local import LocalRunner
from fourview.work import Work
runner = LocalRunner(sys.argv[1])
ability = runner.start()
if len(sys.argv) > 2:
    runner.begin(Work(sys.argv[2], {sys.argv[3]: Path(sys.argv[4])}, {}, Path(sys.argv[5])))
print(ability.about["pid"], flush=True)
time.sleep(600)
"""
# What a library might do: print, also past Python, all the time that the process works.
CHATTER = """
import os, sys, threading, time
def chat():
    while "fourview.runners.instant" not in sys.modules:
        time.sleep(0.001)
    while True:
        print("half a line", end="", flush=True)
        os.write(1, b'["Outcome", {}]\\n')
        time.sleep(0.001)
if "fourview.runners.process" in sys.orig_argv:
    threading.Thread(target=chat, daemon=True).start()
"""


def start(runner):
    """The number of the runner's new process."""
    return runner.start().about["pid"]


def test_a_runner_does_one_order_after_another_in_one_process(make_runner, tmp_path):
    runner = make_runner("instant")
    pid = start(runner)

    outcomes = []
    for number in range(3):
        runner.begin(order(tmp_path / str(number)))
        outcomes.append(listen(runner)[1].status)

    assert outcomes == ["done"] * 3
    assert alive(pid) == {pid}


def test_a_cancel_is_heard_while_the_hull_works_and_the_next_order_is_done(make_runner, tmp_path):
    runner = make_runner("cpu", threads=1)
    pid = start(runner)
    runner.begin(order(tmp_path / "large", octree_resolution=512, texture_size=4096, target_face_num=200_000))
    listen(runner, until=lambda step: step.stage == "simplify")

    runner.cancel()
    _, outcome = listen(runner)
    runner.begin(order(tmp_path / "small", **SMALL))
    _, after = listen(runner)

    assert (outcome.status, outcome.files, outcome.is_poisoned) == ("canceled", (), False)
    assert after.status == "done"
    assert alive(pid) == {pid}


def test_a_cancel_that_comes_late_spares_the_next_order(make_runner, tmp_path):
    runner = make_runner("instant")
    runner.start()
    runner.begin(order(tmp_path / "first"))
    listen(runner)

    runner.cancel()
    runner.begin(order(tmp_path / "second"))

    assert listen(runner)[1].status == "done"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_only_who_gives_the_orders_ends_the_process(make_runner, tmp_path, number):
    """A service manager may send its signal to every process at once."""
    runner = make_runner("instant")
    os.kill(start(runner), number)

    runner.begin(order(tmp_path / "job"))

    assert listen(runner)[1].status == "done"


def test_a_runner_that_was_never_started_says_so(make_runner, tmp_path):
    runner = make_runner("instant")

    runner.cancel()
    runner.kill()
    assert runner.hear(0) is None
    with pytest.raises(RunnerDiedError, match="not started"):
        runner.begin(order(tmp_path))


def nobody(runner, folder, glb):
    """The process waits for orders."""


def just_begun(runner, folder, glb):
    runner.begin(order(folder, **SMALL))


def in_the_midst(runner, folder, glb):
    runner.begin(order(folder, octree_resolution=512))
    listen(runner, until=lambda step: step.stage == "decode")


def with_a_process_of_its_own(runner, folder, glb):
    runner.begin(order(folder, "format", {"mesh": glb}))
    pid = runner._process.pid
    wait_for(lambda: len(alive(pid)) > 1)


@pytest.mark.parametrize("moment", [nobody, just_begun, in_the_midst, with_a_process_of_its_own])
def test_a_runner_that_is_killed_says_so_leaves_nobody_and_starts_again(make_runner, tmp_path, noisy_glb, moment):
    runner = make_runner("cpu", threads=1)
    pid = start(runner)
    moment(runner, tmp_path / "first", noisy_glb)

    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RunnerDiedError, match=r"cpu died \(exit code -9\)"):
        listen(runner)

    wait_for(lambda: not alive(pid))
    with pytest.raises(RunnerDiedError):
        runner.hear(0)
    with pytest.raises(RunnerDiedError):
        runner.begin(order(tmp_path / "first"))
    assert start(runner) != pid
    runner.begin(order(tmp_path / "second", **SMALL))
    assert listen(runner)[1].status == "done"


def test_kill_ends_what_the_process_started(make_runner, tmp_path, noisy_glb):
    runner = make_runner("cpu")
    pid = start(runner)
    with_a_process_of_its_own(runner, tmp_path, noisy_glb)

    runner.kill()
    runner.kill()

    assert not alive(pid) - {pid}
    wait_for(lambda: not alive(pid))


@pytest.mark.parametrize("busy", [False, True])
def test_the_process_and_what_it_started_die_with_whoever_gave_the_orders(tmp_path, noisy_glb, busy):
    work = ["format", "mesh", noisy_glb, tmp_path] if busy else []
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, "cpu", *map(str, work)], stdout=subprocess.PIPE, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        wait_for(lambda: len(alive(pid)) == 1 + busy)

        parent.kill()
        parent.wait()

    wait_for(lambda: not alive(pid))


def test_what_a_library_prints_is_no_news(make_runner, tmp_path, monkeypatch, capfd):
    (tmp_path / "sitecustomize.py").write_text(CHATTER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    runner = make_runner("instant:0.2")

    runner.start()
    runner.begin(order(tmp_path / "work"))
    _, outcome = listen(runner)

    assert outcome.status == "done"
    assert "half a line" in capfd.readouterr().err


def test_what_nobody_foresaw_is_our_fault_and_poisons_the_process(make_runner, tmp_path, capfd):
    runner = make_runner("instant")
    runner.start()
    work = order(tmp_path / "gone")
    work.folder.rmdir()

    runner.begin(work)
    _, outcome = listen(runner)

    assert (outcome.status, outcome.is_poisoned, outcome.failure.error) == ("failed", True, "InternalError")
    assert "FileNotFoundError in generate" in outcome.failure.message
    assert "Traceback" in capfd.readouterr().err


def test_what_the_caller_can_mend_poisons_nothing(make_runner, tmp_path):
    runner = make_runner("instant")
    runner.start()

    runner.begin(order(tmp_path, inputs={"back": ROBOT["back"]}))
    _, outcome = listen(runner)

    assert (outcome.status, outcome.is_poisoned, outcome.failure.error) == ("failed", False, "PictureError")
    assert "'front'" in outcome.failure.message


def test_a_device_that_makes_no_sense_is_a_death(make_runner, capfd):
    with pytest.raises(RunnerDiedError, match="instant:soon"):
        make_runner("instant:soon").start()


def test_the_process_knows_its_threads_and_no_secret_of_the_service(make_runner, monkeypatch):
    monkeypatch.setenv("FOURVIEW_DATABASE_URL", "postgresql://user:hush@host/name")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("FOURVIEW_WEIGHTS", "/weights")

    pid = start(make_runner("instant", threads=3))

    environment = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    assert "OMP_NUM_THREADS=3" in environment
    assert "FOURVIEW_WEIGHTS=/weights" in environment
    assert "hush" not in "".join(environment)


def test_the_kernel_ends_the_process_before_the_service(make_runner):
    pid = start(make_runner("instant"))

    assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) == 1000
