# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What other processes do in these tests; each is a Python of its own."""

import sys
import time

from service.store.people import LEASE_S, T0

from fourview.service.store import events, jobs, ledger, queue
from fourview.service.store.database import open_store


def work_until_empty(url, worker, folder, workers):
    """Once `workers` stand ready in `folder`, claim and finish jobs until there are none; their ids in order."""
    store, done = open_store(url), []
    (folder / worker).touch()
    while len(list(folder.iterdir())) < workers:
        time.sleep(0.001)
    while True:
        with store.begin() as tx:
            job = queue.claim(tx, worker, ["hull"], T0, LEASE_S)
        if job is None:
            store.close()
            return done
        done.append(job.id)
        with store.begin() as tx:
            assert queue.finish(tx, job.lease, {"by": worker}, [], T0)
        time.sleep(0.005)  # the work; SQLite's lock is not fair to who waits for it


def open_and_close(url):
    open_store(url).close()


def stand_still(*_, **__):
    """Say so on stdout, and wait to be killed."""
    print("here", flush=True)
    time.sleep(600)


def begin_and_stand_still(url, what, job_id):
    """Do `what` in a transaction and stop in its middle."""
    store = open_store(url)
    with store.begin() as tx:
        job = jobs.find_job(tx, job_id)
        if what == "accept":  # after the hold and the job, before the event
            events.append = stand_still
            jobs.add_job(tx, jobs.NewJob(job.account_id, job.key_id, "hull", 100, {}, {}), T0)
        elif what == "claim":
            events.append = stand_still
            queue.claim(tx, "doomed", ["hull"], T0, LEASE_S)
        elif what == "charge":  # the job has succeeded, the charge is not written
            ledger.charge = stand_still
            queue.finish(tx, job.lease, {}, [], T0)
        elif what == "release":
            ledger.release = stand_still
            queue.fail(tx, job.lease, {"code": "x"}, T0)


if __name__ == "__main__":
    begin_and_stand_still(*sys.argv[1:])
