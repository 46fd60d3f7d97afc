# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs from claim to end, on both databases, with the real process of the device `instant` wherever it can do it."""

import hashlib
import os
import signal
import threading
import time
from contextlib import contextmanager

import psycopg
import pytest
from service.acts import png
from service.scripted import ScriptedRunner, make
from service.store.people import add_customer, job_of

from fourview.errors import RunnerDiedError
from fourview.progress import STAGES
from fourview.runners.local import LocalRunner
from fourview.service.background import job_run as module
from fourview.service.background import progress
from fourview.service.background.dispatcher import Dispatcher
from fourview.service.background.progress import Progress
from fourview.service.files import open_files
from fourview.service.store import events, ledger, queue, workers
from fourview.service.store.jobs import add_job, find_job
from fourview.service.store.outputs import list_outputs
from fourview.service.wakeups import Wakeups
from fourview.work import Failure, Outcome, Step

on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)  # what no database makes a difference to
PATIENCE_S = 20.0  # of the tests: what has not happened by then never will


class Hall:
    """Where dispatchers work: a store, files, a customer."""

    def __init__(self, settings, store):
        self.settings, self.store, self.files, self.wakeups = settings, store, open_files(settings), Wakeups()
        self.key = add_customer(store, credits=1_000_000)
        self.picture = self.files.put(png()).digest

    def submit(self, **more):
        what = {"inputs": {"front": self.picture}, "recipe": {"steps": 5}, **more}
        with self.store.begin() as tx:
            job = add_job(tx, job_of(self.key, **what), time.time())
        self.wakeups.job_queued()
        return job.id

    @contextmanager
    def working(self, runner, name="w1", **parameters):
        settings = self.settings.model_copy(update=parameters)
        dispatcher = Dispatcher(name, runner, settings, self.store, self.files, self.wakeups)
        dispatcher.start()
        yield dispatcher
        dispatcher.stop(0)
        dispatcher.join()

    def find(self, job_id):
        with self.store.read() as tx:
            return find_job(tx, job_id)

    def until(self, found, what="it"):
        """What `found` finds, once it finds something."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if result := found():
                return result
            time.sleep(0.01)
        raise AssertionError(f"{what} did not happen")

    def until_final(self, *job_ids):
        return [self.until(lambda j=j: (job := self.find(j)).is_final and job, j) for j in job_ids]

    def until_running(self, job_id, attempt=1):
        return self.until(lambda: (j := self.find(job_id)).status == "running" and j.attempts == attempt and j, job_id)

    def workers(self):
        with self.store.read() as tx:
            return workers.present(tx, 0)

    def pid(self):
        """Of the runner that is there."""
        return self.until(lambda: (there := self.workers()) and there[0].about["pid"])

    def request_cancel(self, job_id):
        with self.store.begin() as tx:
            assert queue.request_cancel(tx, job_id, time.time()) == "asked"

    def ledger_of(self, job_id):
        with self.store.read() as tx:
            return {row.kind for row in ledger.list_rows(tx, self.key.account_id, 1000) if row.job_id == job_id}

    def events_of(self, job_id):
        with self.store.read() as tx:
            return events.after(tx, job_id, 0)


@pytest.fixture
def hall(settings, store):
    hall = Hall(settings, store)
    yield hall
    assert list(settings.scratch.glob("*")) == []
    assert hall.workers() == []


def test_a_job_goes_from_the_queue_to_its_files_and_its_charge(hall):
    job_id = hall.submit(recipe={"seed": 11, "file_type": "stl"})

    with hall.working(LocalRunner("instant")):
        [job] = hall.until_final(job_id)

    with hall.store.read() as tx:
        made = {output.name: output for output in list_outputs(tx, job_id)}
    assert (job.status, job.progress, job.seed_used, job.attempts) == ("succeeded", 1.0, 11, 1)
    assert job.result["engine"]["name"] == "mini"
    assert job.result["mesh"]["faces"] == 12
    assert {name: output.format for name, output in made.items()} == {
        "model.glb": "glb", "model.stl": "stl", "preview.png": "png",
    }  # fmt: skip
    for output in made.values():
        data = hall.files.read(output.digest)
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (output.digest, output.bytes)
    assert hall.ledger_of(job_id) == {"hold", "charge"}


@on_sqlite
def test_every_stage_and_every_step_is_told_in_order(hall):
    job_id = hall.submit()

    with hall.working(LocalRunner("instant")):
        hall.until_final(job_id)

    told = [event.data for event in hall.events_of(job_id) if event.type == "progress"]
    assert list(dict.fromkeys(data["stage"] for data in told)) == list(STAGES)
    steps = [(data["step"], data["steps"]) for data in told if data["stage"] == "denoise"]
    assert (steps[0], steps[-1]) == ((0, 5), (5, 5))
    assert [data["progress"] for data in told] == sorted(data["progress"] for data in told)
    assert told[-1]["progress"] < 1


@on_sqlite
def test_a_silent_job_shows_now_and_then_that_it_lives(hall, monkeypatch):
    monkeypatch.setattr(progress, "SILENCE_S", 0.1)
    job_id = hall.submit()

    with hall.working(ScriptedRunner([Step("encode", 0.1), 1.0, make]), heartbeat_s=10):
        [job] = hall.until_final(job_id)

    assert [e.data["stage"] for e in hall.events_of(job_id) if e.type == "progress"].count("encode") >= 3
    assert job.heartbeat_at > job.started_at


@on_sqlite
def test_whoever_listens_is_told_of_begin_progress_and_end(hall):
    told = []
    hall.wakeups.job_changed = lambda job_id: told.append(hall.find(job_id).status)
    job_id = hall.submit()

    with hall.working(LocalRunner("instant:0.5")):
        hall.until_final(job_id)
        hall.until(lambda: told[-1] == "succeeded")

    assert told[:2] == ["running", "running"]


@on_sqlite
def test_each_error_of_a_run_has_its_word_and_tells_no_path(hall):
    said = {
        "PictureError": "invalid_picture", "RecipeError": "invalid_field", "SurfaceError": "no_surface",
        "MeshError": "invalid_mesh", "CheckpointError": "engine_not_ready", "MissingExtraError": "engine_not_ready",
        "MemoryShortError": "internal", "ChildError": "internal", "InternalError": "internal", "Nonsense": "internal",
    }  # fmt: skip

    def fail_as(error):
        return [lambda work: Outcome("failed", failure=Failure(error, f"{work.folder}/front is bad, see /srv/secret"))]

    job_ids = [hall.submit() for _ in said]
    with hall.working(ScriptedRunner(*map(fail_as, said))):
        jobs = hall.until_final(*job_ids)

    assert [job.error["code"] for job in jobs] == list(said.values())
    for job in jobs:
        assert job.status == "failed"
        assert hall.ledger_of(job.id) == {"hold", "release"}
        assert str(hall.settings.scratch) not in job.error["message"]
        is_ours = job.error["code"] in ("internal", "engine_not_ready")
        assert ("/srv/secret" in job.error["message"]) is not is_ours
        assert job.error["retryable"] is (job.error["code"] == "internal")


@on_sqlite
def test_a_picture_that_is_none_fails_its_job_and_not_the_next(hall):
    bad = hall.submit(inputs={"front": hall.files.put(b"nonsense").digest})
    good = hall.submit()

    with hall.working(LocalRunner("instant")):
        failed, done = hall.until_final(bad, good)

    assert (failed.status, failed.error["code"], done.status) == ("failed", "invalid_picture", "succeeded")
    assert "'front'" in failed.error["message"]


@on_sqlite
def test_an_input_that_is_gone_is_our_fault_and_costs_nothing(hall):
    lost = hall.submit(inputs={"front": "0" * 64})
    good = hall.submit()

    with hall.working(LocalRunner("instant")):
        failed, done = hall.until_final(lost, good)

    assert (failed.status, failed.error["code"], done.status) == ("failed", "internal", "succeeded")
    assert hall.ledger_of(lost) == {"hold", "release"}


def test_a_canceled_job_stops_and_is_charged_and_its_runner_goes_on(hall):
    first, second = hall.submit(), hall.submit()
    runner = ScriptedRunner([Step("matte", 0.1)])

    with hall.working(runner):
        hall.until_running(first)
        hall.request_cancel(first)
        canceled, done = hall.until_final(first, second)

    assert (canceled.status, done.status) == ("canceled", "succeeded")
    assert hall.ledger_of(first) == {"hold", "charge"}
    assert runner.calls[:4] == ["start", "begin", "cancel", "begin"]


@on_sqlite
def test_a_real_runner_stops_when_its_job_is_canceled(hall):
    job_id = hall.submit()

    with hall.working(LocalRunner("instant:60")):
        pid = hall.pid()
        hall.until_running(job_id)
        hall.request_cancel(job_id)
        [job] = hall.until_final(job_id)
        assert hall.pid() == pid

    assert job.status == "canceled"


@on_sqlite
def test_a_runner_that_hears_no_cancel_is_killed(hall, monkeypatch):
    monkeypatch.setitem(module.PATIENCE_S, "cancel", 0.3)
    first, second = hall.submit(), hall.submit()
    runner = ScriptedRunner([Step("denoise", 0.1)], is_deaf=True)

    with hall.working(runner):
        hall.until_running(first)
        hall.request_cancel(first)
        canceled, done = hall.until_final(first, second)

    assert (canceled.status, canceled.deaths, done.status) == ("canceled", 0, "succeeded")
    assert runner.calls.count("start") == 2


def test_a_job_whose_runner_dies_is_done_by_the_next_one(hall):
    job_id = hall.submit()

    with hall.working(LocalRunner("instant:0.5")):
        pid = hall.pid()
        hall.until_running(job_id)
        os.kill(pid, signal.SIGKILL)
        [job] = hall.until_final(job_id)
        assert hall.pid() != pid

    assert (job.status, job.attempts, job.deaths) == ("succeeded", 2, 1)
    assert hall.ledger_of(job_id) == {"hold", "charge"}


def test_a_job_that_kills_two_runners_fails_and_costs_nothing(hall):
    job_id, after = hall.submit(), hall.submit()
    died = [Step("denoise", 0.1), RunnerDiedError("killed by signal 9")]

    with hall.working(ScriptedRunner(died, died)):
        failed, done = hall.until_final(job_id, after)

    assert (failed.status, failed.error["code"], failed.deaths) == ("failed", "worker_crash", 2)
    assert hall.ledger_of(job_id) == {"hold", "release"}
    assert done.status == "succeeded"


@on_sqlite
def test_no_job_is_blamed_for_a_runner_that_died_before(hall):
    with hall.working(LocalRunner("instant")):
        os.kill(hall.pid(), signal.SIGKILL)
        jobs = hall.until_final(*[hall.submit() for _ in range(3)])

    assert {(job.status, job.deaths) for job in jobs} == {("succeeded", 0)}


@on_sqlite
def test_a_poisoned_runner_is_replaced_and_its_job_counts(hall):
    def poison(work):
        outcome = make(work)
        return Outcome(outcome.status, outcome.files, outcome.result, is_poisoned=True)

    runner = ScriptedRunner([poison])
    with hall.working(runner):
        jobs = hall.until_final(hall.submit(), hall.submit())

    assert [job.status for job in jobs] == ["succeeded", "succeeded"]
    assert runner.calls[:5] == ["start", "begin", "kill", "start", "begin"]


@on_sqlite
def test_a_runner_that_cannot_start_is_no_worker_and_is_tried_more_and_more_seldom(hall, monkeypatch):
    pauses, enough = [], threading.Event()

    class Clock(threading.Event):
        def wait(self, timeout=None):
            pauses.append(timeout)
            if len(pauses) == 7:
                enough.set()
            return super().wait(3600 if len(pauses) > 7 else 0)

    runner = ScriptedRunner(starts=[RunnerDiedError("no such device")] * 100)
    dispatcher = Dispatcher("w1", runner, hall.settings, hall.store, hall.files, hall.wakeups)
    dispatcher._stopping = Clock()
    dispatcher.start()
    assert enough.wait(PATIENCE_S)
    assert hall.workers() == []
    dispatcher.stop(0)
    dispatcher.join()

    assert pauses[:7] == [1, 2, 4, 8, 16, 30, 30]


@on_sqlite
def test_a_worker_is_known_while_its_runner_is_up(hall):
    with hall.working(LocalRunner("instant"), heartbeat_s=0.1):
        [worker] = hall.until(hall.workers)
        later = hall.until(lambda: (now := hall.workers()[0]).seen_at > worker.seen_at and now)

    assert worker.id == "w1"
    assert {"hull", "mini"} <= set(worker.engines)
    assert worker.about["device"] == "instant"
    assert later.started_at == worker.started_at


@on_sqlite
def test_a_worker_that_was_forgotten_makes_itself_known_again(hall):
    with hall.working(LocalRunner("instant"), heartbeat_s=0.1):
        hall.until(hall.workers)
        with hall.store.begin() as tx:
            workers.leave(tx, "w1")
        hall.until(hall.workers)


def test_what_runs_may_end_within_the_grace_and_nothing_new_begins(hall):
    first, second = hall.submit(), hall.submit()

    with hall.working(LocalRunner("instant:0.5")) as dispatcher:
        hall.until_running(first)
        dispatcher.stop(60)
        dispatcher.join()

    assert [hall.find(job_id).status for job_id in (first, second)] == ["succeeded", "queued"]


def test_what_runs_beyond_the_grace_goes_back_unharmed(hall):
    job_id = hall.submit()

    with hall.working(LocalRunner("instant:60")) as dispatcher:
        hall.until_running(job_id)
        dispatcher.stop(60)
        dispatcher.stop(0.2)
        dispatcher.join()
    job = hall.find(job_id)

    assert (job.status, job.attempts, job.deaths) == ("queued", 1, 0)
    assert hall.ledger_of(job_id) == {"hold"}


@on_sqlite
def test_a_runner_that_is_deaf_does_not_hold_up_the_end(hall, monkeypatch):
    monkeypatch.setitem(module.PATIENCE_S, "shutdown", 0.3)
    job_id = hall.submit()

    with hall.working(ScriptedRunner([Step("denoise", 0.1)], is_deaf=True)) as dispatcher:
        hall.until_running(job_id)
        dispatcher.stop(0)
        dispatcher.join()
    job = hall.find(job_id)

    assert (job.status, job.deaths) == ("queued", 0)


@on_sqlite
def test_a_runner_that_still_loads_does_not_hold_up_the_end(hall):
    loading, killed = threading.Event(), threading.Event()

    class Loading(ScriptedRunner):
        def start(self):
            loading.set()
            assert killed.wait(PATIENCE_S)
            raise RunnerDiedError("killed while it loaded")

        def kill(self):
            killed.set()

    with hall.working(Loading()) as dispatcher:
        assert loading.wait(PATIENCE_S)
        dispatcher.stop(PATIENCE_S)
        dispatcher.join()

    assert killed.is_set()


def test_a_job_whose_deadline_passes_is_dropped_and_its_runner_goes_on(hall):
    late, next_one = hall.submit(deadline=time.time() + 3600), hall.submit()
    runner = ScriptedRunner([Step("denoise", 0.1)])

    with hall.working(runner):
        hall.until_running(late)
        with hall.store.begin() as tx:
            assert [job.id for job in queue.expire_due(tx, time.time() + 3601)] == [late]
        expired, done = hall.until_final(late, next_one)

    assert (expired.status, done.status) == ("expired", "succeeded")
    assert hall.ledger_of(late) == {"hold", "release"}
    assert runner.calls.count("start") == 1
    assert "cancel" in runner.calls


def test_what_a_lost_lease_made_is_not_taken(hall):
    job_id = hall.submit()
    go = threading.Event()

    def make_late(work):
        go.wait(PATIENCE_S)
        return make(work)

    with hall.working(ScriptedRunner([make_late], [60])):
        first = hall.until_running(job_id)
        with hall.store.begin() as tx:
            queue.reap_leases(tx, first.lease_until + 1)
        go.set()
        second = hall.until_running(job_id, attempt=2)
    job = hall.find(job_id)

    assert (second.deaths, job.status) == (1, "queued")  # the dispatcher was stopped in the second attempt
    assert hall.ledger_of(job_id) == {"hold"}


@on_sqlite
def test_a_job_that_takes_too_long_fails_and_costs_nothing(hall):
    job_id = hall.submit()

    with hall.working(LocalRunner("instant:60"), job_max_s=0.5):
        [job] = hall.until_final(job_id)

    assert (job.status, job.error["code"]) == ("failed", "time_limit")
    assert "0.5 s" in job.error["message"]
    assert hall.ledger_of(job_id) == {"hold", "release"}


@on_sqlite
def test_work_on_a_mesh_is_given_less_time(hall):
    mesh = hall.files.put(b"glTF").digest
    job_id = hall.submit(kind="simplify", engine="", inputs={"mesh": mesh}, recipe={"mesh_type": "glb"})

    with hall.working(LocalRunner("instant:60"), mesh_job_max_s=0.5):
        [job] = hall.until_final(job_id)

    assert (job.status, job.error["code"]) == ("failed", "time_limit")
    assert "0.5 s" in job.error["message"]


@on_sqlite
def test_jobs_of_an_engine_that_the_runner_has_not_wait(hall):
    other, own = hall.submit(engine="hunyuan2mv"), hall.submit()

    with hall.working(ScriptedRunner(engines=("hull",))):
        hall.until_final(own)

    assert hall.find(other).status == "queued"


@on_sqlite
def test_a_mesh_reaches_the_runner_under_its_file_type(hall):
    job_id = hall.submit(
        kind="simplify", engine="", inputs={"mesh": hall.picture}, recipe={"mesh_type": "obj", "steps": 5}
    )
    runner = ScriptedRunner()

    with hall.working(runner):
        hall.until_final(job_id)

    [work] = runner.works
    assert (work.kind, work.inputs["mesh"].name, work.parameters) == ("simplify", "mesh.obj", {"steps": 5})


def test_several_workers_do_each_job_once(hall):
    job_ids = [hall.submit() for _ in range(20)]

    with hall.working(LocalRunner("instant"), "w1"), hall.working(LocalRunner("instant"), "w2"):
        jobs = hall.until_final(*job_ids)

    assert {(job.status, job.attempts) for job in jobs} == {("succeeded", 1)}


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_database_that_throws_everybody_out_loses_no_job_and_charges_none_twice(hall, url):
    job_ids = [hall.submit() for _ in range(12)]
    over, thrown = threading.Event(), []

    def throw_out():
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        with psycopg.connect(url, autocommit=True) as connection:
            while not over.wait(0.05):
                thrown.extend(connection.execute(f"{others} AND datname = current_database()"))

    with hall.working(LocalRunner("instant:0.1")):
        thread = threading.Thread(target=throw_out)
        thread.start()
        hall.until(lambda: len(thrown) >= 8)
        over.set()
        thread.join()
        jobs = hall.until_final(*job_ids)

    assert {(job.status, job.deaths) for job in jobs} == {("succeeded", 0)}
    assert all(hall.ledger_of(job.id) == {"hold", "charge"} for job in jobs)


def test_a_claim_whose_answer_got_lost_is_put_back_unharmed(hall):
    job_id = hall.submit()

    with hall.working(ScriptedRunner()) as dispatcher:
        hall.until(hall.workers)
        hall.until_final(job_id)
        with hall.store.begin() as tx:
            lost = add_job(tx, job_of(hall.key, inputs={"front": hall.picture}), time.time())
            queue.claim(tx, "w1", ["hull"], time.time(), 30)
        dispatcher._is_in_doubt = True
        [job] = hall.until_final(lost.id)

    assert (job.status, job.attempts, job.deaths) == ("succeeded", 2, 0)


@on_sqlite
def test_an_error_while_a_runner_is_ended_ends_no_thread(hall):
    class Stubborn(ScriptedRunner):
        def kill(self):
            super().kill()
            raise OSError("no such process")

    def poison(work):
        made = make(work)
        return Outcome(made.status, made.files, made.result, is_poisoned=True)

    with hall.working(Stubborn([poison], [Step("matte", 0.1), RunnerDiedError("gone")])) as dispatcher:
        jobs = hall.until_final(*[hall.submit() for _ in range(3)])
        assert dispatcher.is_alive()

    assert [job.status for job in jobs] == ["succeeded"] * 3
    assert sum(job.deaths for job in jobs) == 1
    with hall.store.begin() as tx:
        workers.leave(tx, "w1")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@on_sqlite
def test_a_thread_that_died_is_started_again_and_its_job_is_done_without_blame(hall):
    job_id = hall.submit()

    class Deadly(ScriptedRunner):
        """Ends the thread that listens, once."""

        def hear(self, timeout_s):
            if self.works and not hasattr(self, "has_killed"):
                self.has_killed = True
                raise SystemExit
            return super().hear(timeout_s)

    with hall.working(Deadly([60])) as dispatcher:
        hall.until(lambda: not dispatcher.is_alive())
        assert hall.find(job_id).status == "running"
        dispatcher.start()
        [job] = hall.until_final(job_id)

    assert (job.status, job.attempts, job.deaths) == ("succeeded", 2, 0)


class Share:
    """The folder of files, as a share that may not be mounted."""

    def __init__(self, hall):
        self.root = hall.settings.state_dir / "files"
        self.elsewhere = self.root.with_name("elsewhere")

    def unmount(self):
        self.root.rename(self.elsewhere)
        self.root.mkdir()

    def mount(self):
        self.root.rmdir()
        self.elsewhere.rename(self.root)


@pytest.mark.parametrize("when", ["before the work", "after the work"])
def test_a_job_waits_for_its_file_store_with_its_lease_kept(hall, when):
    job_id, share, go = hall.submit(), Share(hall), threading.Event()

    def make_late(work):
        go.wait(PATIENCE_S)
        return make(work)

    if when == "before the work":
        share.unmount()
        go.set()
    with hall.working(ScriptedRunner([make_late]), lease_s=1.5, heartbeat_s=0.3):
        hall.until_running(job_id)
        if when == "after the work":
            share.unmount()
            go.set()
        time.sleep(2)  # longer than a lease
        with hall.store.read() as tx:
            assert not queue.is_overdue(tx, time.time())
        assert hall.find(job_id).status == "running"
        share.mount()
        [job] = hall.until_final(job_id)

    assert (job.status, job.attempts, job.deaths) == ("succeeded", 1, 0)
    assert hall.ledger_of(job_id) == {"hold", "charge"}


@on_sqlite
def test_a_file_store_that_stays_away_gives_the_job_back_and_no_other_is_claimed(hall, monkeypatch):
    monkeypatch.setattr(module, "FILES_S", 0.5)
    first, second, share = hall.submit(), hall.submit(), Share(hall)
    share.unmount()

    with hall.working(ScriptedRunner()):
        hall.until(lambda: hall.find(first).attempts == 1 and hall.find(first).status == "queued")
        time.sleep(1)
        assert (hall.find(first).attempts, hall.find(second).attempts) == (1, 0)
        assert hall.workers() != []
        share.mount()
        jobs = hall.until_final(first, second)

    assert {(job.status, job.deaths) for job in jobs} == {("succeeded", 0)}


@on_sqlite
def test_a_job_that_waits_for_its_file_store_is_canceled_or_put_back(hall):
    first, share = hall.submit(), Share(hall)
    share.unmount()

    with hall.working(ScriptedRunner()) as dispatcher:
        hall.until_running(first)
        hall.request_cancel(first)
        [canceled] = hall.until_final(first)
        second = hall.submit()
        hall.until_running(second)
        dispatcher.stop(0.2)
        dispatcher.join()

    assert canceled.status == "canceled"
    assert (hall.find(second).status, hall.find(second).deaths) == ("queued", 0)
    share.mount()


def test_new_stages_and_steps_wait_to_be_written_and_the_rest_is_the_last_word():
    progress = Progress()
    progress.was_written(100.0)

    for step in (Step("matte", 0.1), Step("matte", 0.15), Step("denoise", 0.2, 1, 5), Step("denoise", 0.3, 2, 5)):
        progress.hear(step)

    assert progress.unwritten == [Step("matte", 0.15), Step("denoise", 0.2, 1, 5), Step("denoise", 0.3, 2, 5)]
    assert not progress.is_due(100.1)
    assert progress.is_due(100.3)
    progress.was_written(100.3)
    progress.hear(Step("denoise", 0.3, 2, 5))
    assert not progress.is_due(101.2)
    assert progress.is_due(101.4)
    assert (progress.unwritten, progress.last) == ([], Step("denoise", 0.3, 2, 5))


def test_jobs_that_nobody_may_run_yet_are_no_reason_to_claim(hall):
    hall.submit(not_before=time.time() + 3600)

    with hall.store.read() as tx:
        assert not queue.is_waiting(tx, ["hull"], time.time())
        assert queue.is_waiting(tx, ["hull"], time.time() + 3601)
        assert not queue.is_waiting(tx, ["hunyuan2mv"], time.time() + 3601)
