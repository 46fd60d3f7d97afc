# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview serve` from nothing to ready and down again, as whoever starts it sees it."""

import re
import shlex
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
from interfaces.browsing import built
from interfaces.pictures import FRONT, V1
from interfaces.server import END_S, Server

from fourview.service.store import accounts, jobs, keys, ledger, signin
from fourview.service.store.audit import audit

LONG = {"devices": "instant:60", "heartbeat_s": 0.2}


@pytest.fixture
def start(tmp_path):
    """Starts services on one SQLite database of this test."""
    servers = []

    def start(**parameters):
        folder = tmp_path / f"serve-{len(servers)}"
        folder.mkdir()
        url = f"sqlite:///{tmp_path / 'state.db'}"
        servers.append(Server(url, folder, **{"files_url": (tmp_path / "files").as_uri()} | parameters))
        return servers[-1].start()

    yield start
    for server in servers:
        server.close()
        with server.store.read() as tx:
            assert audit(tx) == []


def wait_until(what):
    until = time.monotonic() + END_S
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def only_job(server):
    with server.store.read() as tx:
        (account,) = {key.account_id for key in keys.list_keys(tx) if key.name == "test"}
        return next(iter(jobs.list_jobs(tx, account, 1).jobs), None)


class Call(threading.Thread):
    """A blocking call of v1 in a thread, and its answer."""

    def __init__(self, server, body=FRONT, **more):
        super().__init__()
        self._server, self._body, self._more = server, body, more
        self._key = server.add_key()
        self.answer = None
        self.start()
        wait_until(lambda: (job := only_job(server)) and job.status == "running")

    def run(self):
        with self._server.client(self._key) as client:
            self.answer = client.post(V1, json=self._body, **self._more)

    def result(self):
        self.join(END_S)
        return self.answer


def test_the_lines_of_the_first_start_work_as_they_are_printed(start, tmp_path):
    built()
    server = start(devices="cpu", first_key_credits=7)
    printed = server.log.read_text()
    (curl,) = re.findall(r"^  (curl .+)$", printed, re.M)
    (text,) = re.findall(r"^  (fv_[\w-]{32})$", printed, re.M)
    (base, word) = re.findall(r"^  (\S+)/#signin=(\S+)$", printed, re.M)[0]

    made = subprocess.run(shlex.split(curl), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)

    assert made.returncode == 0, made.stderr
    assert (tmp_path / "robot.glb").read_bytes().startswith(b"glTF")
    assert base == server.base_url
    with server.store.read() as tx:
        (key,) = keys.list_keys(tx)
        assert keys.check_key(tx, text, time.time()) == key
        assert ledger.balance(tx, accounts.find_account(tx, "default").id) < 7 * ledger.CREDIT
        (job,) = jobs.list_jobs(tx, key.account_id, 2).jobs
    assert (job.engine, job.status, sorted(job.inputs)) == ("mini", "succeeded", ["back", "front", "left", "right"])
    assert job.result["mesh"]["watertight"]
    with server.store.begin() as tx:
        assert signin.use_link(tx, word, time.time()) == key.id


def test_a_later_start_makes_no_key_and_tells_the_command_that_does(start, tmp_path):
    first = start()
    first.stop()
    since = first.log.stat().st_size

    first.start()

    printed = first.log.read_text()[since:]
    (command,) = re.findall(r"^a new key: fourview (.+)$", printed, re.M)
    assert "fv_" not in printed
    words = [sys.executable, "-m", "fourview", *shlex.split(command)]
    made = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    with first.client(made.stdout.strip()) as client:
        assert client.get("/api/v1/keys/self").status_code == 200
        assert client.get("/api/v1/keys/self").headers.get("server") is None


def test_without_keys_the_printed_line_needs_none(start, tmp_path):
    server = start(no_auth="true")
    (curl,) = re.findall(r"^  (curl .+)$", server.log.read_text(), re.M)

    made = subprocess.run(shlex.split(curl), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert made.returncode == 0, made.stderr
    assert not re.search(r"fv_[\w-]{9}", server.log.read_text())
    assert (tmp_path / "robot.glb").read_bytes().startswith(b"glTF")


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_end_it_lets_the_running_job_end_and_answers_who_waits(start, sign):
    server = start(devices="instant:2")
    call = Call(server)

    code = server.stop(sign)

    assert (code, call.result().status_code) == (0, 200)
    assert call.result().content.startswith(b"glTF")
    assert only_job(server).status == "succeeded"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.base_url}/health/live")


def test_after_the_grace_the_job_is_put_back_and_the_next_start_does_it(start):
    server = start(**LONG, shutdown_grace_s=0.2)
    call = Call(server)

    code = server.stop()

    job = only_job(server)
    assert (code, call.result().status_code) == (0, 503)
    assert call.result().json()["retryable"] is True
    assert job.id in call.result().text
    assert "retry-after" in call.result().headers
    assert (job.status, job.deaths, list((server.folder / "state" / "scratch").iterdir())) == ("queued", 0, [])
    start()
    wait_until(lambda: only_job(server).status == "succeeded")


def test_a_second_signal_ends_at_once_and_still_puts_the_job_back(start):
    server = start(**LONG, shutdown_grace_s=600)
    call = Call(server)

    server.process.send_signal(signal.SIGINT)
    wait_until(lambda: "Shutting down" in server.log.read_text())
    code = server.stop(signal.SIGINT)

    call.join(END_S)
    assert code == 130
    assert (only_job(server).status, only_job(server).deaths) == ("queued", 0)


def test_whoever_follows_events_does_not_hold_up_the_end(start):
    server = start(**LONG, shutdown_grace_s=0.2)
    with server.client() as client:
        job = client.post("/api/v1/jobs", json={"front": FRONT["front_image"]}).json()
        with httpx.stream("GET", job["events_url"], timeout=END_S) as events:
            lines = events.iter_lines()
            assert next(line for line in lines if line.startswith("data:"))

            code = server.stop()

            list(lines)  # the stream ends in good order, else this raises
    assert code == 0
    assert "Cancel" not in server.log.read_text()


def test_two_services_may_share_one_folder(start, tmp_path):
    first, second = start(devices="instant:0.2"), start(devices="instant:0.2")
    key = first.add_key()

    with first.client(key) as one, second.client(key) as other:
        made = [client.post("/v2/hunyuan3d-2mv", json=FRONT).json() for client in (one, other) * 5]
        ids = [job["request_id"] for job in made]
        wait_until(lambda: all(other.get(f"/v2/requests/{job}").json()["status"] == "COMPLETED" for job in ids))

    assert {first.stop(), second.stop()} == {0}
