# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Several processes on one database: they share the work, and one that is killed leaves nothing half-done."""

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from service.store import labour
from service.store.people import LEASE_S, PRICE, T0, add_customer, job_of

from fourview.service.store import ledger, queue
from fourview.service.store.audit import audit
from fourview.service.store.database import open_store
from fourview.service.store.jobs import add_job, count_jobs, find_job

TESTS = Path(__file__).parents[2]


def in_processes(function, *calls):
    with ProcessPoolExecutor(len(calls), multiprocessing.get_context("spawn")) as pool:
        return [future.result() for future in [pool.submit(function, *call) for call in calls]]


@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.soak)])
def test_two_processes_share_all_jobs_and_claim_none_twice(store, url, count, tmp_path_factory):
    keys = [add_customer(store, name, credits=10**9) for name in ("ada", "bob")]
    with store.begin() as tx:
        for number in range(count):
            add_job(tx, job_of(keys[number % 2]), T0)

    ready = tmp_path_factory.mktemp("ready")
    done = in_processes(labour.work_until_empty, (url, "one", ready, 2), (url, "two", ready, 2))

    claimed = done[0] + done[1]
    assert len(claimed) == len(set(claimed)) == count
    assert min(map(len, done)) > 0
    with store.read() as tx:
        assert count_jobs(tx)["succeeded"] == count
        assert sum(ledger.balance(tx, key.account_id) for key in keys) == 2 * 10**9 - count * PRICE


@pytest.mark.parametrize("what", ["accept", "claim", "charge", "release"])
def test_a_process_killed_in_the_middle_of_a_change_leaves_none_of_it(store, url, what):
    key = add_customer(store)
    with store.begin() as tx:
        job = add_job(tx, job_of(key), T0)
        if what in ("charge", "release"):
            job = queue.claim(tx, "doomed", ["hull"], T0, LEASE_S)

    process = subprocess.Popen(
        [sys.executable, "-m", "service.store.labour", url, what, job.id],
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    assert process.stdout.read(4) == b"here"
    process.kill()
    process.wait()
    process.stdout.close()

    with store.begin() as tx:
        assert audit(tx) == []
        assert find_job(tx, job.id) == job
        assert sum(count_jobs(tx).values()) == 1
        assert ledger.balance(tx, key.account_id) == 1_000_000 - PRICE
    with store.begin() as tx:  # and the work goes on
        queue.reap_leases(tx, T0 + LEASE_S)
        assert queue.finish(tx, queue.claim(tx, "next", ["hull"], T0 + LEASE_S, LEASE_S).lease, {}, [], T0 + LEASE_S)


def test_two_processes_that_start_at_once_both_find_the_tables(empty_url):
    in_processes(labour.open_and_close, *[(empty_url,)] * 2)

    store = open_store(empty_url)
    add_customer(store)
    store.close()
