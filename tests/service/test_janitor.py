# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What is swept up and what stays; the time of each sweep is passed in."""

import os
import threading
import time

import psycopg
import pytest
from service.store.people import LEASE_S, add_customer, job_of

from fourview.errors import DependencyAwayError
from fourview.service import quick_lane
from fourview.service.background import janitor
from fourview.service.background.janitor import Janitor
from fourview.service.files import open_files
from fourview.service.store import events, jobs, ledger, queue, uploads, workers
from fourview.service.store.idempotency import look_up, remember
from fourview.service.store.outputs import Output
from fourview.service.wakeups import Wakeups

on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)  # what no database makes a difference to
HOUR = 3600.0
PATIENCE_S = 20.0


class Hall:
    def __init__(self, settings, store):
        self.settings, self.store, self.files, self.wakeups = settings, store, open_files(settings), Wakeups()
        self.key = add_customer(store)
        self.told = []
        self.wakeups.job_changed = self.told.append
        self.janitor = self.make()

    def make(self):
        return Janitor(self.settings, self.store, self.files, self.wakeups)

    def do(self, query, *args, **more):
        with self.store.begin() as tx:
            return query(tx, *args, **more)

    def submit(self, now, **more):
        return self.do(jobs.add_job, job_of(self.key, **more), now)

    def claim(self, now):
        return self.do(queue.claim, "w1", ["hull"], now, LEASE_S)

    def end(self, now, *digests, **more):
        """A job that is done, with these outputs."""
        self.submit(now, **more)
        job = self.claim(now)
        outputs = [Output(f"model.{n}", "glb", 1, digest) for n, digest in enumerate(digests)]
        assert self.do(queue.finish, job.lease, {}, outputs, now)
        return job.id

    def find(self, job_id):
        return self.do(jobs.find_job, job_id)

    def is_there(self, *digests):
        return [self.files.find(digest) is not None for digest in digests]


@pytest.fixture
def hall(settings, store):
    return Hall(settings, store)


def test_a_job_whose_worker_died_waits_again_and_a_late_one_expires(hall):
    now = time.time()
    lost, late = hall.submit(now), hall.submit(now + 1, deadline=now + 20)
    hall.claim(now)

    hall.janitor.sweep_leases(now + 10)
    assert hall.told == []
    hall.janitor.sweep_leases(now + LEASE_S + 1)

    assert (hall.find(lost.id).status, hall.find(lost.id).deaths) == ("queued", 1)
    assert hall.find(late.id).status == "expired"
    assert sorted(hall.told) == sorted([lost.id, late.id])
    assert hall.wakeups.wait_for_job(0, 0) == 1


class TestAfterAnOutage:
    @pytest.fixture
    def parameters(self):
        return {"lease_s": 1, "heartbeat_s": 0.3}

    @pytest.mark.parametrize("url", ["postgresql"], indirect=True)
    def test_leases_that_ran_out_meanwhile_are_left_alone_for_a_while(self, hall, url):
        hall.submit(time.time())
        job = hall.claim(time.time() - LEASE_S)
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        elsewhere = psycopg.conninfo.make_conninfo(url, dbname="postgres")
        with psycopg.connect(elsewhere, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            with pytest.raises(DependencyAwayError):
                hall.janitor.sweep_leases(time.time())
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

        hall.janitor.sweep_leases(time.time())
        left_alone = hall.find(job.id)
        time.sleep(1.1)
        hall.janitor.sweep_leases(time.time())

        assert (left_alone.status, left_alone.deaths) == ("running", 0)
        assert (hall.find(job.id).status, hall.find(job.id).deaths) == ("queued", 1)

    @pytest.mark.parametrize("url", ["sqlite"], indirect=True)
    def test_so_they_are_when_the_database_was_silent_and_never_refused(self, hall, monkeypatch):
        monkeypatch.setattr(janitor, "OUTAGE_S", 0.2)
        hall.janitor.sweep_leases(time.time())
        hall.submit(time.time())
        job = hall.claim(time.time() - LEASE_S)
        time.sleep(0.3)

        hall.janitor.sweep_leases(time.time())

        assert hall.find(job.id).status == "running"


def test_several_janitors_at_once_sweep_each_job_once(hall):
    now = time.time()
    for number in range(20):
        hall.submit(now, deadline=now + 5 if number % 2 else None)
    while hall.claim(now):
        pass
    for _ in range(10):
        hall.submit(now, deadline=now + 5)
    janitors = [hall.make() for _ in range(4)]

    threads = [threading.Thread(target=each.sweep_leases, args=(now + LEASE_S + 1,)) for each in janitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in janitors:
        each.sweep_leases(now + LEASE_S + 1)

    with hall.store.read() as tx:
        counts = jobs.count_jobs(tx)
        deaths = [job.deaths for job in jobs.list_jobs(tx, hall.key.account_id, 100, status="queued").jobs]
    assert counts | {"queued": 0} == {**dict.fromkeys(counts, 0), "expired": counts["expired"]}
    assert counts["queued"] + counts["expired"] == 30
    assert set(deaths) <= {0, 1}


def test_what_was_kept_long_enough_goes_and_what_is_shared_stays(hall):
    now = time.time() - 2 * HOUR
    own, shared, kept, upload = (hall.files.put(text).digest for text in (b"own", b"shared", b"kept", b"upload"))
    old = hall.end(now, own, shared, keep_s=HOUR, inputs={"front": kept})
    young = hall.end(now, shared, keep_s=3 * HOUR, inputs={"front": kept})
    endless = hall.end(now, keep_s=None)
    hall.do(uploads.add_upload, hall.key.account_id, upload, "image/png", 6, now, HOUR)

    hall.janitor.sweep_old(time.time())
    hall.janitor.sweep_files(time.time() + 2 * HOUR)  # they were put there now

    assert [hall.find(job_id) is not None for job_id in (old, young, endless)] == [False, True, True]
    assert hall.is_there(own, shared, kept, upload) == [False, True, True, False]
    with hall.store.read() as tx:
        assert events.after(tx, old, 0) == []
        assert len([row for row in ledger.list_rows(tx, hall.key.account_id, 100) if row.job_id == old]) == 2


def test_more_jobs_go_than_are_looked_up_at_once(hall, monkeypatch):
    monkeypatch.setattr(janitor, "AT_ONCE", 2)
    now = time.time() - 2 * HOUR
    old = [hall.end(now, keep_s=HOUR) for _ in range(5)]

    hall.janitor.sweep_old(time.time())

    assert [hall.find(job_id) for job_id in old] == [None] * 5


def test_words_and_workers_are_forgotten_in_their_time(hall):
    now = time.time()
    account, keep_s = hall.key.account_id, hall.settings.idempotency_keep_h * HOUR
    job = hall.submit(now)
    for word, at in (("old", now - keep_s - 1), ("young", now - keep_s + 60)):
        hall.do(remember, account, word, "print", job.id, at)
        hall.do(workers.register, word, ["hull"], {}, at if word == "young" else now - 2 * HOUR)
    hall.do(workers.seen, "young", now)

    hall.janitor.sweep_old(now)

    assert [hall.do(look_up, account, word, "print", now, 10 * keep_s).state for word in ("old", "young")] == [
        "new", "replay",
    ]  # fmt: skip
    with hall.store.read() as tx:
        assert [worker.id for worker in workers.present(tx, 0)] == ["young"]


@on_sqlite
def test_bytes_that_somebody_is_about_to_name_stay(hall):
    digest = hall.files.put(b"the first of four pictures").digest

    hall.janitor.sweep_files(time.time() + HOUR - 60)
    assert hall.is_there(digest) == [True]
    hall.janitor.sweep_files(time.time() + HOUR + 60)
    assert hall.is_there(digest) == [False]


@on_sqlite
def test_bytes_that_are_put_there_again_during_the_sweep_stay(hall):
    digest = hall.files.put(b"a picture").digest
    path = next(path for path in hall.settings.state_dir.rglob(digest))
    os.utime(path, (1, 1))
    each = hall.files.each

    def each_and_again():
        found = list(each())
        assert found[0].at == 1
        hall.files.put(b"a picture")
        return iter(found)

    hall.files.each = each_and_again
    hall.janitor.sweep_files(time.time())

    assert hall.is_there(digest) == [True]


@on_sqlite
def test_what_a_killed_process_half_wrote_is_removed(hall):
    partial = hall.settings.state_dir / "files" / "partial" / "tmp1"
    partial.write_bytes(b"half")

    hall.janitor.sweep_files(time.time())
    assert partial.exists()
    hall.janitor.sweep_files(time.time() + HOUR + 60)
    assert not partial.exists()


def test_folders_of_the_dead_go_and_those_of_the_living_stay(hall):
    now = time.time()
    scratch = hall.settings.scratch
    hall.submit(now)
    running, waiting, over = hall.claim(now), hall.submit(now), "job_" + "0" * 24
    living = [f"{running.id}-1", f"{quick_lane.FOLDER}0123456789abcdef", "of-somebody-else"]
    dead = [f"{running.id}-2", f"{waiting.id}-1", f"{over}-1", f"{quick_lane.FOLDER}fedcba9876543210"]
    for name in living + dead:
        (scratch / name).mkdir(parents=True)
        (scratch / name / "front").write_bytes(b"picture")
    os.utime(scratch / dead[-1], (now - HOUR, now - HOUR))

    hall.janitor.sweep_scratch(now)

    assert sorted(path.name for path in scratch.iterdir()) == sorted(living)


@on_sqlite
def test_a_janitor_sweeps_as_soon_as_it_starts(hall):
    (hall.settings.scratch / f"job_{'0' * 24}-1").mkdir(parents=True)
    old = hall.end(1.0, keep_s=1.0)
    hall.submit(1.0, deadline=2.0)

    hall.janitor.start()
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and (hall.find(old) or list(hall.settings.scratch.iterdir())):
        time.sleep(0.01)
    hall.janitor.stop()

    assert hall.find(old) is None
    assert list(hall.settings.scratch.iterdir()) == []
    with hall.store.read() as tx:
        assert jobs.count_jobs(tx)["expired"] == 1


@on_sqlite
def test_a_sweep_that_fails_ends_no_other(hall, monkeypatch):
    monkeypatch.setattr(janitor, "OFTEN_S", 0.01)
    swept = threading.Event()

    def broken():
        swept.set()
        raise OSError("the bucket is away")

    hall.files.each = broken
    hall.janitor.start()
    assert swept.wait(PATIENCE_S)
    job = hall.submit(1.0, deadline=2.0)
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and hall.find(job.id).status == "queued":
        time.sleep(0.01)
    hall.janitor.stop()

    assert hall.find(job.id).status == "expired"
