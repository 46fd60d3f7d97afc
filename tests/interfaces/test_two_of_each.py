# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Several processes on one PostgreSQL: two that answer, two that work, and each job is done once."""

import json
import re
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import httpx
import pytest
from interfaces.pictures import FRONT, V2
from interfaces.server import END_S, Server
from sqlalchemy import select

from fourview.service.store import jobs, keys
from fourview.service.store.audit import audit
from fourview.service.store.database import open_store
from fourview.service.store.tables import jobs as table

WIDE = {"queue_max": 100_000, "queue_max_per_key": 100_000, "concurrency": 10}
CLIENTS = 8


@pytest.fixture
def start(cluster, tmp_path):
    """Starts processes on one PostgreSQL and one folder of files."""
    url, started = cluster.new_database(), []
    open_store(url).close()

    def start(*words, **parameters):
        folder = tmp_path / f"process-{len(started)}"
        folder.mkdir()
        shared = {"files_url": (tmp_path / "files").as_uri(), "heartbeat_s": 0.5}
        started.append(Server(url, folder, *words, **shared | parameters))
        return started[-1].start()

    yield start
    for process in started:
        process.close()


def wait_until(what, limit_s=END_S):
    until = time.monotonic() + limit_s
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("count", [60, pytest.param(5000, marks=pytest.mark.soak)])
def test_every_job_is_done_once(start, count):
    serving = [start(**WIDE), start("serve", "--no-runners", **WIDE)]
    working = start("work")
    texts = [serving[0].add_key(credits=count) for _ in range(3)]

    def submit(turn):
        server, text = turn
        with server.client(text) as client:
            answers = [client.post(V2, json=FRONT) for _ in range(count // CLIENTS + 1)]
        return [answer.json()["request_id"] for answer in answers]

    turns = [(serving[number % 2], texts[number % 3]) for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        made = set(chain.from_iterable(pool.map(submit, turns)))
    store = serving[0].store

    def count_open():
        with store.read() as tx:
            return sum(jobs.count_jobs(tx)[status] for status in jobs.OPEN)

    wait_until(lambda: count_open() == 0, END_S + count)

    with store.read() as tx:
        ended = {job.id: job for job in tx.execute(select(table))}
        assert audit(tx) == []
    assert len(made) >= count
    assert set(ended) == made
    assert {(job.status, job.attempts, job.deaths) for job in ended.values()} == {("succeeded", 1, 0)}
    logs = [process.log.read_text() for process in (*serving, working)]
    began = [Counter(re.findall(r"job_began .*job_id=(job_\w+)", log)) for log in logs]
    assert sum(began, Counter()) == Counter(dict.fromkeys(made, 1))
    assert [bool(each) for each in began] == [True, False, True]  # both worked, and who is not to did not
    assert [process.stop() for process in (*serving, working)] == [0, 0, 0]


def test_what_one_process_does_is_followed_and_fetched_at_another(start):
    serving, _ = start("serve", "--no-runners"), start("work", devices="instant:1")

    with serving.client() as client:
        job = client.post("/api/v1/jobs", json={"front": FRONT["front_image"]}).json()
        began = time.monotonic()
        arrived = []
        with httpx.stream("GET", job["events_url"], timeout=END_S) as events:
            for line in events.iter_lines():
                if line.startswith("data:"):
                    arrived.append((time.monotonic() - began, json.loads(line[5:])))
        done = client.get(f"/api/v1/jobs/{job['id']}").json()
        model = httpx.get(next(output["url"] for output in done["outputs"] if output["name"] == "model.glb"))

    assert [event["status"] for _, event in arrived if "status" in event] == ["queued", "running", "succeeded"]
    steps = [at for at, event in arrived if "progress" in event]
    assert len(steps) >= 3
    assert len({round(at, 1) for at in steps}) > 1  # told while it went on, not at its end
    assert model.content.startswith(b"glTF")


def test_without_workers_a_job_is_refused_until_one_comes(start):
    serving = start("serve", "--no-runners")
    with serving.client() as client:
        early = client.post("/api/v1/jobs", json={"front": FRONT["front_image"]})
        start("work")
        late = client.post("/api/v1/jobs", json={"front": FRONT["front_image"]})

    assert (early.status_code, early.json()["code"], late.status_code) == (503, "not_ready", 201)
    assert "retry-after" in early.headers


@pytest.mark.parametrize(("signals", "code"), [(1, 0), (2, 130)])
def test_a_worker_that_is_asked_to_end_puts_its_job_back(start, signals, code):
    serving = start("serve", "--no-runners")
    working = start("work", devices="instant:60", shutdown_grace_s=0.2 if signals == 1 else 600)
    with serving.client() as client:
        job = client.post("/api/v1/jobs", json={"front": FRONT["front_image"]}).json()
        place = f"/api/v1/jobs/{job['id']}"
        wait_until(lambda: client.get(place).json()["status"] == "running")

        for _ in range(signals):
            working.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "stopping" in working.log.read_text())  # so that they come one by one
        ended = working.process.wait(END_S)

        assert (ended, client.get(place).json()["status"]) == (code, "queued")
        start("work")
        wait_until(lambda: client.get(place).json()["status"] == "succeeded")
    with serving.store.read() as tx:
        assert jobs.find_job(tx, job["id"]).deaths == 0
        assert keys.list_keys(tx)
