# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs as real clients meet them: events that resume, at another process too, deadlines, clients that hang up."""

import base64
import io
import json
import shutil
import time

import httpx
import pytest
from interfaces.server import Server
from PIL import Image
from service.acts import base64_png, png, problem

JOBS = "/api/v1/jobs"
SOON_S = 60  # far more than it takes, also where the machine has much to do
SLOW = "instant:600"  # a job that ends only when it is told to


@pytest.fixture(scope="module")
def slow(migrated_file, tmp_path_factory):
    """A service with one worker, whose jobs go on until somebody ends them."""
    folder = tmp_path_factory.mktemp("slow")
    database = f"sqlite:///{shutil.copy(migrated_file, folder)}"
    server = Server(database, folder, devices=SLOW, events_heartbeat_s=1)
    yield server.start()
    server.close()


@pytest.fixture
def client(slow):
    """A client of the slow service with a key of its own, whose jobs end with the test."""
    with slow.client() as client:
        yield client
        for job in client.get(JOBS).json()["data"]:
            client.post(f"{JOBS}/{job['id']}/cancel")
        for job in client.get(JOBS).json()["data"]:
            wait_until(client, job, "canceled", "expired")


def make_job(client, **headers):
    answer = client.post(JOBS, json={"front": base64_png()}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def wait_until(client, job, *statuses):
    until = time.monotonic() + SOON_S
    while (found := client.get(f"{JOBS}/{job['id']}").json())["status"] not in statuses:
        assert time.monotonic() < until, found
        time.sleep(0.02)
    return found


def find(client, tag):
    """The job with this tag, which is on its way in."""
    until = time.monotonic() + SOON_S
    while not (found := client.get(JOBS, params={"tag": tag}).json()["data"]):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found[0]


def read_events(url, seen=0, count=None):
    """Events after number `seen` as (number, data), until there are `count` or the stream ends."""
    found = []
    with httpx.stream("GET", url, headers={"Last-Event-ID": str(seen)}, timeout=SOON_S) as answer:
        for line in answer.iter_lines():
            if line.startswith("id: "):
                number = int(line.removeprefix("id: "))
            if line.startswith("data: "):
                found.append((number, json.loads(line.removeprefix("data: "))))
                if len(found) == count:
                    break
    return found


def test_a_reader_that_hangs_up_goes_on_at_another_process_without_a_gap(serve):
    first, second = serve(devices="instant:1"), serve(devices="instant:1")
    with first.client() as client:
        job = make_job(client)

        begun = read_events(job["events_url"], count=3)
        elsewhere = job["events_url"].replace(first.base_url, second.base_url)
        rest = read_events(elsewhere, seen=begun[-1][0])

    told = begun + rest
    assert [number for number, _ in told] == list(range(1, len(told) + 1))
    assert [data["status"] for _, data in told if "status" in data] == ["queued", "running", "succeeded"]
    shares = [data["progress"] for _, data in told if "progress" in data]
    assert shares == sorted(shares)
    assert max(shares) < 1


def test_a_silent_stream_shows_that_it_lives(client):
    make_job(client)
    waiting = make_job(client)

    with httpx.stream("GET", waiting["events_url"], timeout=SOON_S) as answer:
        signs = (line for line in answer.iter_lines() if line.startswith(":"))
        assert next(signs)
        assert next(signs)


def test_a_job_that_runs_too_long_expires_and_costs_nothing(client):
    job = make_job(client, **{"Cancel-After": "1s"})

    ended = wait_until(client, job, "expired")

    assert (ended["cost"], ended["error"]) == (0, None)
    assert client.get("/v1/get-user-credits").json() == {"credits": 1000}


def test_a_running_job_that_is_canceled_stops_and_the_next_one_runs(client):
    job, following = make_job(client), make_job(client)
    wait_until(client, job, "running")

    assert client.post(f"{JOBS}/{job['id']}/cancel").status_code == 202

    assert wait_until(client, job, "canceled")["cost"] > 0
    wait_until(client, following, "running")


def test_a_client_that_hangs_up_cancels_only_what_it_said_it_would(client):
    ends = {"wait=600": "running", "wait=600, cancel-on-disconnect": "canceled"}
    for prefer, status in ends.items():
        with pytest.raises(httpx.ReadTimeout):
            client.post(JOBS, json={"front": base64_png(), "tags": [status]}, headers={"Prefer": prefer}, timeout=2)

    wait_until(client, find(client, "canceled"), "canceled")

    assert wait_until(client, find(client, "running"), "running")["status"] == "running"


def test_a_preview_shows_the_matte_of_each_picture_and_costs_nothing(standing):
    with standing.client() as client:
        files = {"front": ("front.png", png(), "image/png")}
        answer = client.post("/api/v1/views/preview", files=files, data={"remove_background": "always"})

        assert answer.status_code == 200, answer.text
        shown = answer.json()
        assert set(shown) == {"views", "warnings"}
        matte = shown["views"]["front"]["matte"].removeprefix("data:image/png;base64,")
        with Image.open(io.BytesIO(base64.b64decode(matte))) as image:
            assert image.format == "PNG"
        assert answer.headers["x-remaining-credits"] == "1000"
        assert client.get(JOBS).json()["data"] == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "invalid_field"),
        ({"left": base64_png()}, "invalid_field"),
        ({"front": base64_png(), "steps": 5}, "invalid_field"),
        ({"front": base64_png(), "recipe": {"steps": 5}}, "invalid_field"),
        ({"front": "AAAA"}, "invalid_picture"),
    ],
)
def test_a_preview_of_what_cannot_be_used_is_refused(standing, fields, code):
    with standing.client() as client:
        assert problem(client.post("/api/v1/views/preview", json=fields)) == (400, code)
