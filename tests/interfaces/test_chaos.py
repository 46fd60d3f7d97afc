# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random points, of the process that serves and of those that work, while customers go on as customers do.

Afterwards everything is counted: jobs, credits, files.
"""

import hashlib
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from interfaces.customers import Customer, check_credits, jobs_of

from fourview.service.files.folder import Folder
from fourview.service.store import outputs, workers

CUSTOMERS = 4
PARAMETERS = {"devices": "instant:0.05", "workers_per_device": 2, "lease_s": 2, "heartbeat_s": 0.5, "job_keep_h": 24}


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
    server = serve(**PARAMETERS)
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
