# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random points, of the process that serves and of those that work, while customers go on as customers do.

A customer sends each request with an Idempotency-Key until it is answered, asks for the job until it has ended, and
loads its files; a connection that breaks is tried again. Afterwards everything is counted: jobs, credits, files.
"""

import hashlib
import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from doors.pictures import PNG, V1, V2, text

from fourview.service.files.folder import Folder
from fourview.service.store import jobs, keys, ledger, outputs, workers
from fourview.service.store.audit import audit

CUSTOMERS = 4
PATIENCE_S = 120.0  # of a customer, for one job
KNOBS = {"devices": "instant:0.05", "workers_per_device": 2, "lease_s": 2, "heartbeat_s": 0.5, "job_keep_h": 24}
ENDS = {"succeeded", "failed", "canceled"}
EXPECTED = {200, 201, 202, 409}  # besides 503, and what v1 says of a job whose two runners were killed


class Customer(threading.Thread):
    """Has one key, wants so many jobs, and writes down every id and every file that it was given."""

    def __init__(self, server, seed, count):
        super().__init__(daemon=True)
        self.server, self.seed, self.count, self.random = server, seed, count, random.Random(seed)
        self.key = server.add_key()
        self.ids, self.ends, self.loaded = {}, {}, 0
        self.answers = Counter()
        self.error = None

    def run(self):
        try:
            with self.server.client(self.key) as self.client:
                for number in range(self.count):
                    self.want(f"{self.seed}-{number}", number)
        except Exception as error:
            self.error = error

    def want(self, word, number):
        """One job, at any of the three doors."""
        door = self.random.choice(("native", "native", "native", "v2", "v1"))
        knobs = {"seed": number, "file_type": self.random.choice(("glb", "obj", "ply", "stl"))}
        head = {"idempotency-key": word}
        if door == "native":
            body = {"front": text(PNG), "recipe": knobs}
            job_id = self.ask("POST", "/api/v1/jobs", json=body, headers=head).json()["id"]
            # Whoever is not sure whether it was heard sends it again.
            if self.random.random() < 0.3:
                again = self.ask("POST", "/api/v1/jobs", json=body, headers=head)
                assert (again.json()["id"], again.headers["idempotency-replayed"]) == (job_id, "true")
            if self.random.random() < 0.1:
                self.ask("POST", f"/api/v1/jobs/{job_id}/cancel")
        else:
            body = {"front_image": text(PNG), "randomize_seed": False, **knobs}
            path = V1 if door == "v1" else V2
            answer = self.ask("POST", path, json=body, headers=head)
            job_id = self.job_of(answer) if door == "v1" else answer.json()["request_id"]
        self.ids[word] = job_id
        job = self.until_final(job_id)
        self.ends[job_id] = job["status"]
        for output in job["outputs"]:
            data = self.ask("GET", output["url"]).content
            assert (len(data), hashlib.sha256(data).hexdigest()) == (output["bytes"], output["sha256"]), output
            self.loaded += 1

    def job_of(self, answer):
        """v1 answers with bytes: the newest job of this key is the one."""
        if answer.status_code == 500:
            return answer.json()["job_id"]
        assert len(answer.content) == int(answer.headers["content-length"])
        return self.ask("GET", "/api/v1/jobs?limit=1").json()["data"][0]["id"]

    def until_final(self, job_id):
        until = time.monotonic() + PATIENCE_S
        while (job := self.ask("GET", f"/api/v1/jobs/{job_id}").json())["status"] not in ENDS:
            assert time.monotonic() < until, job
            time.sleep(0.05)
        return job

    def ask(self, method, url, **more):
        """The answer, however often it has to be asked for."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self.client.request(method, url, **more)
            except httpx.TransportError:
                self.answers["broken"] += 1
            else:
                self.answers[answer.status_code] += 1
                if answer.status_code != 503:
                    assert answer.status_code in EXPECTED or answer.json()["code"] == "worker_crash", answer.text
                    return answer
            assert time.monotonic() < until, f"{method} {url} was not answered"
            time.sleep(0.05)


def kill_at_random(server, seed, is_over, count):
    """Kills until it is over, first who serves, and each kind at least `count` times; how often, and whom."""
    chance, kills, pids = random.Random(seed), Counter(), set()
    while not is_over() or min(kills["serve"], kills["runner"]) < count:
        time.sleep(chance.uniform(0, 0.8))
        here = f"-{server.process.pid}-"
        with server.store.read() as tx:
            there = [worker.about["pid"] for worker in workers.present(tx, 0) if here in worker.id]
        pids.update(there)
        if chance.random() < 0.4 or not there or not kills:
            server.kill()
            server.start()
            kills["serve"] += 1
        else:
            with suppress(ProcessLookupError):  # it died of the kill before, and that is not written down yet
                os.kill(chance.choice(there), signal.SIGKILL)
                kills["runner"] += 1
    return kills, pids


@pytest.mark.parametrize(
    ("url", "count", "seed"),
    [
        ("sqlite", 12, 1),
        pytest.param("sqlite", 240, 2, marks=pytest.mark.soak),
        pytest.param("postgresql", 240, 3, marks=pytest.mark.soak),
    ],
    indirect=["url"],
)
def test_no_job_no_credit_and_no_file_is_lost_whatever_is_killed(serve, tmp_path, count, seed):
    server = serve(**KNOBS)
    customers = [Customer(server, 100 * seed + number, count // CUSTOMERS) for number in range(CUSTOMERS)]

    for customer in customers:
        customer.start()
    kills, pids = kill_at_random(server, seed, lambda: not any(c.is_alive() for c in customers), 1)
    for customer in customers:
        customer.join()
    pids |= {worker.about["pid"] for worker in present(server)}
    assert server.stop() == 0

    for customer in customers:
        if customer.error is not None:
            raise customer.error
    found = [job for customer in customers for job in jobs_of(server, customer)]
    ends = Counter(job.status if job.error is None else job.error["code"] for job in found)
    answers = sum((customer.answers for customer in customers), Counter())
    print(f"{len(found)} jobs {dict(ends)}, kills {dict(kills)}, answers {dict(answers)}, "
          f"{sum(job.deaths for job in found)} deaths, {sum(c.loaded for c in customers)} files loaded")  # fmt: skip

    assert len(found) == count  # each request made one job, however often it was sent
    assert {job.id for job in found} == {job_id for customer in customers for job_id in customer.ids.values()}
    assert set(ends) <= {"succeeded", "canceled", "worker_crash"}
    assert {job.id: job.status for job in found} == {
        i: end for customer in customers for i, end in customer.ends.items()
    }
    assert all(job.deaths == 2 for job in found if job.status == "failed")
    for customer in customers:
        check_credits(server, customer)
    check_files(server, tmp_path)
    assert list((server.folder / "state" / "scratch").iterdir()) == []
    assert [pid for pid in pids if is_alive(pid)] == []


def present(server):
    with server.store.read() as tx:
        return workers.present(tx, 0)


def jobs_of(server, customer):
    with server.store.read() as tx:
        return jobs.list_jobs(tx, keys.check_key(tx, customer.key, time.time()).account_id, 1000).jobs


def check_credits(server, customer):
    """What is missing of the balance is the price of the jobs that were charged, once each."""
    with server.store.read() as tx:
        assert audit(tx) == []
        account_id = keys.check_key(tx, customer.key, time.time()).account_id
        rows = ledger.list_rows(tx, account_id, 10_000)
        charged = [row.job_id for row in rows if row.kind == "charge"]
        paid = sum(job.price for job in jobs_of(server, customer) if job.id in charged)
        assert len(charged) == len(set(charged))
        assert ledger.balance(tx, account_id) == 1000 * ledger.CREDIT - paid


def check_files(server, tmp_path):
    """Whatever stands under a digest is whole, and whatever a job names is there."""
    files = Folder(tmp_path / "files")
    there = {artifact.digest for artifact in files.each()}
    for digest in there:
        assert hashlib.sha256(files.read(digest)).hexdigest() == digest
    with server.store.read() as tx:
        assert outputs.digests_in_use(tx) <= there


def is_alive(pid):
    """Whether a runner still works under that number."""
    command = Path(f"/proc/{pid}/cmdline")
    return command.exists() and b"fourview.runners" in command.read_bytes()
