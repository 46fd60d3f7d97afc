# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""An S3 server that others wrote is cut off, or frozen, while jobs end: nothing is lost, and reads are 503."""

import os
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest
from cluster import free_port
from interfaces.pictures import PNG, V1, text
from interfaces.server import Server
from relay import Relay

from fourview.service.store.audit import audit
from fourview.service.store.jobs import find_job

PARAMETERS = {
    "devices": "instant:1",
    "shutdown_grace_s": 1,
    "workers_per_device": 2,
    "lease_s": 4,
    "heartbeat_s": 1,
    "concurrency": 10,
}
AWAY_S = 8  # longer than a lease
PATIENCE_S = 60


@pytest.fixture
def s3():
    """A server in a process of its own, and the relay that leads to it."""
    port = free_port()
    code = f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    relay = Relay(port)
    until = time.monotonic() + PATIENCE_S
    while not _is_up(f"http://127.0.0.1:{port}/pictures"):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.1)
    yield port, relay, process
    relay.close()
    process.kill()
    process.wait()


def _is_up(url):
    try:
        return httpx.put(url).status_code == 200
    except httpx.TransportError:
        return False


class Cut:
    """The network to the store is cut."""

    def __init__(self, port, relay, process):
        self.port, self.relay = port, relay

    def begin(self):
        self.relay.point_at(None)

    def end(self):
        self.relay.point_at(self.port)


class Frozen:
    """The store takes connections, and answers nothing."""

    def __init__(self, port, relay, process):
        self.pid = process.pid

    def begin(self):
        os.kill(self.pid, signal.SIGSTOP)

    def end(self):
        os.kill(self.pid, signal.SIGCONT)


@pytest.fixture
def server(s3, tmp_path, migrated_file):
    relay = s3[1]
    files = (
        f"s3://pictures/kept?region=us-east-1&access_key_id=a&secret_access_key=b"
        f"&endpoint=http://127.0.0.1:{relay.port}"
    )
    database = tmp_path / "state.db"
    database.write_bytes(migrated_file.read_bytes())
    server = Server(f"sqlite:///{database}", tmp_path, files_url=files, **PARAMETERS)
    yield server.start()
    server.close()


def submit(client):
    return client.post("/api/v1/jobs", json={"front": text(PNG)})


def until_ended(client, job_ids):
    limit = time.monotonic() + PATIENCE_S
    jobs = {}
    while len(jobs) < len(job_ids):
        assert time.monotonic() < limit
        for job_id in set(job_ids) - jobs.keys():
            job = client.get(f"/api/v1/jobs/{job_id}").json()
            if job["status"] not in ("queued", "running"):
                jobs[job_id] = job
        time.sleep(0.1)
    return jobs


@pytest.mark.parametrize("way", [Cut, Frozen])
def test_a_store_that_is_away_while_jobs_end_loses_none_of_them(server, s3, way):
    away = way(*s3)
    with server.client() as client:
        done = submit(client).json()["id"]
        before = until_ended(client, [done])[done]
        job_ids = [submit(client).json()["id"] for _ in range(4)]
        while client.get(f"/api/v1/jobs/{job_ids[0]}").json()["status"] == "queued":
            time.sleep(0.02)

        away.begin()
        began = time.monotonic()
        refused = [client.get(before["outputs"][0]["url"]), submit(client), client.get("/health/ready")]
        refused.append(client.post(V1, json={"front_image": text(PNG)}))
        statuses = [client.get(f"/api/v1/jobs/{job_id}").status_code for job_id in job_ids]
        time.sleep(max(0.0, AWAY_S - (time.monotonic() - began)))
        assert client.get("/health/live").status_code == 200
        away.end()

        jobs = until_ended(client, job_ids)
        for job in jobs.values():
            for output in job["outputs"]:
                assert len(client.get(output["url"]).content) == output["bytes"]
        assert submit(client).status_code == 201

    assert [answer.status_code for answer in refused] == [503] * 4, [answer.text for answer in refused]
    assert all(answer.headers["retry-after"] for answer in refused)
    assert refused[2].json()["checks"]["files"] == "files cannot be written"
    assert statuses == [200] * 4
    assert {job["status"] for job in jobs.values()} == {"succeeded"}
    with server.store.read() as tx:
        assert {find_job(tx, job_id).deaths for job_id in job_ids} == {0}
        assert audit(tx) == []
    assert "Traceback" not in server.log.read_text()


def test_a_job_that_waits_for_its_store_is_canceled_and_the_service_ends_in_order(server, s3):
    relay = s3[1]
    with server.client() as client:
        first, second = (submit(client).json()["id"] for _ in range(2))
        while not re.search(r"job_began", server.log.read_text()):
            time.sleep(0.02)
        relay.point_at(None)
        time.sleep(2)  # their work is done by now
        assert client.post(f"/api/v1/jobs/{first}/cancel").status_code == 202
        canceled = until_ended(client, [first])[first]

    code = server.stop()
    with server.store.read() as tx:
        put_back = find_job(tx, second)
    assert canceled["status"] == "canceled"
    assert code == 0
    assert (put_back.status, put_back.deaths) == ("queued", 0)
