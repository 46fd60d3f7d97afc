# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The commands of docs/guides/backup.md, as they stand there, on a service that is at work."""

import hashlib
import itertools
import os
import re
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from interfaces.pictures import png, text
from interfaces.server import END_S, Server
from require import require

from fourview.service.store.audit import audit
from fourview.service.store.jobs import OPEN

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "backup.md").read_text()
JOBS = "/api/v1/jobs"
PARAMETERS = {"devices": "instant:0.5", "lease_s": 3, "heartbeat_s": 0.5}


def run(heading, **where):
    """Run the commands below a heading of the page."""
    section = re.split(r"^#+ ", PAGE.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    subprocess.run(["sh", "-euc", commands], env=os.environ | where, check=True, capture_output=True)


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def kind(request, monkeypatch):
    if request.param == "PostgreSQL":
        monkeypatch.setenv("PATH", str(require("postgresql").parent), prepend=os.pathsep)
    return request.param


@pytest.fixture
def place(kind, tmp_path, request):
    """Starts a service in a new place: the place's folder and its database for commands."""
    servers = []

    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        database = str(folder / "state.db")
        if kind == "PostgreSQL":
            database = request.getfixturevalue("cluster").new_database()
        return folder, {"FILES": str(folder / "files"), "DATABASE": database}

    def start(folder, where):
        url = where["DATABASE"] if kind == "PostgreSQL" else f"sqlite:///{where['DATABASE']}"
        servers.append(Server(url, folder, files_url=Path(where["FILES"]).as_uri(), **PARAMETERS))
        return servers[-1].start()

    yield make, start
    for server in servers:
        server.close()


def post(client, number, **headers):
    """A job of a picture of its own."""
    answer = client.post(JOBS, json={"front": text(png(32 + number))}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def fetch_all(client, job):
    """The files of a job by name, each of which is whole."""
    files = {}
    for output in job["outputs"]:
        answer = client.get(f"{JOBS}/{job['id']}/files/{output['name']}")
        assert answer.status_code == 200
        assert (len(answer.content), hashlib.sha256(answer.content).hexdigest()) == (output["bytes"], output["sha256"])
        files[output["name"]] = answer.content
    return files


def list_jobs(client):
    jobs, after = [], None
    while True:
        page = client.get(JOBS, params={"limit": 100} | ({"after": after} if after else {})).json()
        jobs += page["data"]
        if (after := page["next"]) is None:
            return {job["id"]: job for job in jobs}


def wait_until(holds, what):
    until = time.monotonic() + END_S
    while not (found := holds()):
        assert time.monotonic() < until, what
        time.sleep(0.05)
    return found


def test_what_is_restored_has_every_file_and_runs_every_open_job(kind, place, tmp_path):
    make, start = place
    folder, where = make("old")
    old, backup = start(folder, where), {"BACKUP": str(tmp_path / "backup")}
    key = old.add_key(account=None, credits=1000)

    with old.client(key) as client:
        before = [post(client, number, Prefer="wait=60") for number in range(3)]
        assert {job["status"] for job in before} == {"succeeded"}
        files = {job["id"]: fetch_all(client, job) for job in before}
        signed = httpx.URL(before[0]["outputs"][0]["url"])

        is_over = threading.Event()
        accepted = []

        def go_on():
            """Another job every moment until all is copied."""
            with old.client(key) as other:
                for number in itertools.count(3):
                    accepted.append(post(other, number)["id"])
                    if is_over.wait(0.05):
                        return

        at_work = threading.Thread(target=go_on)
        at_work.start()
        wait_until(lambda: any(job["status"] == "running" for job in list_jobs(client).values()), "nothing runs")
        known = set(accepted)
        run("Files", **where, **backup)
        run(f"Database: {kind}", **where, **backup)
        run("Files", **where, **backup)
        is_over.set()
        at_work.join()
    old.kill()

    folder, where = make("new")
    run("Restored files", **where, **backup)
    run(f"Restored database: {kind}", **where, **backup)
    new = start(folder, where)

    assert httpx.get(signed.copy_with(port=new.port)).content == files[before[0]["id"]]["model.glb"]
    with new.client(key) as client:
        restored = list_jobs(client)
        assert known | files.keys() <= restored.keys()
        assert {job_id: fetch_all(client, restored[job_id]) for job_id in files} == files
        wait_until(
            lambda: not any(job["status"] in OPEN for job in list_jobs(client).values()), "some job is still open"
        )
        ended = list_jobs(client)
        assert {job["status"] for job in ended.values()} == {"succeeded"}
        for job in ended.values():
            assert fetch_all(client, job).keys() == {"model.glb", "preview.png"}
        spent = sum(job["cost"] for job in ended.values())
        assert client.get("/v1/get-user-credits").json()["credits"] == pytest.approx(1000 - spent)
    with new.store.read() as tx:
        assert audit(tx) == []
    assert any(job["status"] in OPEN for job in restored.values())
