# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The native surface: what a job looks like in each of its states, and what may be done to it then."""

import asyncio
import json
import re
import time
from datetime import datetime

import httpx
import pytest
from pydantic import TypeAdapter
from service.acts import RESULT, add_worker, base64_png, claim, fail, finish, model, problem, report, stop

from fourview.recipe import Recipe, flat
from fourview.service.jobs.job_view import JobObject
from fourview.service.store import accounts, jobs, keys, ledger, queue
from fourview.service.store.outputs import digests_in_use

JOBS = "/api/v1/jobs"
SHAPE = TypeAdapter(JobObject)


@pytest.fixture(autouse=True)
def worker(store):
    add_worker(store)


@pytest.fixture
def job(client):
    """A job that waits."""
    answer = client.post(JOBS, json={"front": base64_png(), "recipe": {"octree_resolution": 64}, "tags": ["red", "b"]})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
def other(store):
    """The header of another account."""
    with store.begin() as tx:
        account = accounts.add_account(tx, "bob", time.time())
        ledger.grant(tx, account.id, 1_000_000, "start", time.time())
        return {"x-api-key": keys.add_key(tx, account.id, "bob's", time.time())[1]}


def read(client, job):
    answer = client.get(f"{JOBS}/{job['id']}")
    assert answer.status_code == 200, answer.text
    SHAPE.validate_python(answer.json(), strict=True)
    return answer.json()


def events_of(client, job, **headers):
    """The events of a stream that ends, as numbers and data."""
    with client.stream("GET", f"{JOBS}/{job['id']}/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in answer.headers  # though this client takes gzip
        blocks = "".join(answer.iter_text()).split("\n\n")
    return [
        (int(lines[0].removeprefix("id: ")), json.loads(lines[1].removeprefix("data: ")))
        for lines in (block.splitlines() for block in blocks)
        if lines and lines[0].startswith("id: ")
    ]


# States


def test_a_job_that_waits_shows_its_place_and_its_whole_recipe(client, store, job):
    assert job["object"] == "job"
    assert (job["status"], job["progress"], job["queue_position"]) == ("queued", 0, 1)
    assert job["recipe"] == flat(Recipe.of(octree_resolution=64))
    assert (job["cost"], job["tags"], job["outputs"], job["error"]) == (0.082, ["red", "b"], [], None)
    assert datetime.fromisoformat(job["created_at"]).timestamp() == pytest.approx(time.time(), abs=60)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", job["created_at"])
    assert read(client, job) == job


def test_the_answer_says_where_the_job_is(client, job):
    answer = client.post(JOBS, json={"front": base64_png()})

    assert client.get(answer.headers["location"]).json()["id"] == answer.json()["id"]
    assert answer.json()["queue_position"] == 2


def test_a_running_job_shows_its_stage_and_its_progress(client, store, job):
    report(store, claim(store), "decode", 0.25)

    shown = read(client, job)

    assert (shown["status"], shown["stage"], shown["progress"]) == ("running", "decode", 0.25)
    assert shown["queue_position"] is None
    assert shown["started_at"] >= shown["created_at"]


def test_a_job_that_succeeded_shows_what_it_made(client, store, job, context):
    output = model(context.files)
    finish(store, claim(store), [output])

    shown = read(client, job)

    assert (shown["status"], shown["progress"], shown["cost"], shown["seed_used"]) == ("succeeded", 1, 0.082, 7)
    (file,) = shown["outputs"]
    assert (file["name"], file["format"], file["bytes"], file["sha256"]) == ("model.glb", "glb", 10, output.digest)
    assert httpx.URL(file["url"]).path == f"{JOBS}/{job['id']}/files/model.glb"
    assert shown["engine"] == {"name": "mini", "version": "1.0", "device": "cpu", "licence": "Apache-2.0"}
    assert shown["timings"] == {"matte": 250, "export": 10}
    assert (shown["mesh"]["faces"], shown["mesh"]["faces_target"]) == (996, 10_000)
    assert shown["mesh"]["bbox"] == [[-1, -0.5, -0.5], [1, 0.5, 0.5]]
    assert shown["warnings"] == RESULT["warnings"]
    assert shown["expires_at"] > shown["finished_at"]


def test_a_url_of_a_job_opens_without_a_key(client, stranger, store, job, context):
    finish(store, claim(store), [model(context.files)])

    url = read(client, job)["outputs"][0]["url"]

    assert stranger.get(url).content == b"glTF model"
    assert stranger.get(url.replace("model.glb", "model.ply")).status_code == 401


def test_a_job_that_failed_says_why_and_costs_nothing(client, store, job):
    fail(store, claim(store))

    shown = read(client, job)

    assert (shown["status"], shown["cost"]) == ("failed", 0)
    assert shown["error"] == {"code": "no_surface", "message": "why", "retryable": False}


def test_a_job_that_waits_is_canceled_at_once_and_costs_nothing(client, store, job):
    answer = client.post(f"{JOBS}/{job['id']}/cancel")

    assert (answer.status_code, answer.json()["status"], answer.json()["cost"]) == (202, "canceled", 0)
    assert answer.headers["x-remaining-credits"] == "1000"
    assert claim(store) is None


def test_a_running_job_is_asked_to_stop_and_is_charged(client, store, job):
    running = claim(store)

    answer = client.post(f"{JOBS}/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    assert client.post(f"{JOBS}/{job['id']}/cancel").status_code == 202
    stop(store, running)

    shown = read(client, job)
    assert (shown["status"], shown["cost"]) == ("canceled", 0.082)


def test_a_job_that_ended_cannot_be_canceled(client, store, job):
    finish(store, claim(store))

    assert problem(client.post(f"{JOBS}/{job['id']}/cancel")) == (409, "job_final")
    assert read(client, job)["status"] == "succeeded"


def test_only_a_job_that_ended_can_be_deleted_and_then_it_is_gone(client, store, job, context):
    path = f"{JOBS}/{job['id']}"
    assert problem(client.delete(path)) == (409, "job_not_final")
    running = claim(store)
    assert problem(client.delete(path)) == (409, "job_not_final")
    finish(store, running, [model(context.files)])
    url = read(client, job)["outputs"][0]["url"]

    answer = client.delete(path)

    assert (answer.status_code, answer.content) == (204, b"")
    assert problem(client.get(path)) == (404, "not_found")
    assert problem(client.get(url)) == (404, "not_found")
    assert client.get(JOBS).json()["data"] == []
    with store.read() as tx:
        assert digests_in_use(tx) == set()
    assert client.get("/v1/get-user-credits").json() == {"credits": 999.918}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", "/cancel"), ("DELETE", ""), ("GET", "/events"), ("GET", "/files/model.glb")],
)
def test_the_job_of_another_account_is_not_there(client, store, job, other, method, path):
    answer = client.request(method, f"{JOBS}/{job['id']}{path}", headers=other)

    assert problem(answer) == (404, "not_found")
    assert job["id"] in answer.json()["detail"]
    assert read(client, job)["status"] == "queued"


# Reading again


def test_an_unchanged_job_is_not_sent_again(client, store, job):
    first = client.get(f"{JOBS}/{job['id']}")
    assert int(first.headers["retry-after"]) > 0
    same = client.get(f"{JOBS}/{job['id']}", headers={"If-None-Match": f'"x", {first.headers["etag"]}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])

    running = claim(store)
    tags = [first.headers["etag"]]
    for change in (
        lambda: report(store, running, "decode", 0.5),
        lambda: report(store, running, "decode", 0.75),
        lambda: finish(store, running),
    ):
        change()
        tags.append(client.get(f"{JOBS}/{job['id']}", headers={"If-None-Match": tags[-1]}).headers["etag"])

    assert len(set(tags)) == 4
    assert "retry-after" not in client.get(f"{JOBS}/{job['id']}").headers


def test_a_job_whose_urls_grow_old_is_sent_again(client, store, job, monkeypatch):
    first, real = client.get(f"{JOBS}/{job['id']}"), time.time
    monkeypatch.setattr("fourview.service.routes.jobs.time.time", lambda: real() + 1801)

    again = client.get(f"{JOBS}/{job['id']}", headers={"If-None-Match": first.headers["etag"]})

    assert again.status_code == 200
    assert again.json()["events_url"] != job["events_url"]


# Lists


def test_pages_hold_every_job_once_while_others_come_in(client, store):
    made = [client.post(JOBS, json={"front": base64_png()}).json()["id"] for _ in range(7)]

    seen, after = [], None
    while True:
        page = client.get(JOBS, params={"limit": 2} | ({"after": after} if after else {})).json()
        seen += [job["id"] for job in page["data"]]
        client.post(JOBS, json={"front": base64_png()})
        after = page["next"]
        assert page["has_more"] == (after is not None)
        if after is None:
            break

    assert seen == made[::-1]


def test_a_list_may_be_of_one_state_or_of_one_tag(client, store, job):
    client.post(JOBS, json={"front": base64_png(), "tags": ["blue"]})
    claim(store)

    def ids(**params):
        return [found["id"] for found in client.get(JOBS, params=params).json()["data"]]

    assert ids(status="running") == ids(tag="red") == ids(tag="b", status="running") == [job["id"]]
    assert ids(tag="red", status="queued") == ids(tag="r") == []


# Waiting


def wait(app, text, headers, meanwhile):
    """The answer to a request that waits for its job, to which `meanwhile` happens."""

    async def ask():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            job = {"front": base64_png()}
            asked = asyncio.create_task(client.post(JOBS, json=job, headers={"x-api-key": text} | headers))
            await asyncio.to_thread(meanwhile)
            return await asked

    return asyncio.run(ask())


def test_who_waits_gets_the_job_when_it_has_ended(app, key, store, context):
    def work():
        while (job := claim(store)) is None:
            time.sleep(0.01)
        finish(store, job)

    answer = wait(app, key[1], {"Prefer": "respond-async, wait=60"}, work)

    assert (answer.status_code, answer.json()["status"]) == (201, "succeeded")
    assert answer.headers["preference-applied"] == "wait=60"


def test_who_waited_long_enough_gets_the_job_as_it_is(client):
    answer = client.post(JOBS, json={"front": base64_png()}, headers={"Prefer": "wait=1"})

    assert (answer.status_code, answer.json()["status"]) == (201, "queued")
    assert answer.headers["preference-applied"] == "wait=1"


# Fairness


def test_a_key_with_a_thousand_jobs_delays_the_single_job_of_another_by_one(client, store, url, key, job, other):
    count = 1000 if url.startswith("sqlite") else 100  # PostgreSQL takes seconds to take a thousand
    with store.begin() as tx:
        many = jobs.NewJob(key[0].account_id, key[0].id, "hull", 1, {}, {})
        for _ in range(count):
            jobs.add_job(tx, many, time.time())
    busy = claim(store)

    late = client.post(JOBS, json={"front": base64_png()}, headers=other)

    assert late.json()["queue_position"] == 1
    finish(store, busy)
    assert claim(store).id == late.json()["id"]


# Events


def test_a_stream_tells_all_that_happened_and_ends_with_the_job(client, store, job):
    running = claim(store)
    report(store, running, "decode", 0.5, step=1, steps=2)
    finish(store, running)

    told = events_of(client, job)

    assert [number for number, _ in told] == [1, 2, 3, 4]
    assert [data.get("status") for _, data in told] == ["queued", "running", None, "succeeded"]
    progress = told[2][1]
    assert progress["type"] == "progress"
    assert (progress["stage"], progress["progress"], progress["step"], progress["steps"]) == ("decode", 0.5, 1, 2)
    assert progress["at"].endswith("Z")


def test_a_reader_that_lost_its_stream_goes_on_where_it_was(client, store, job):
    finish(store, claim(store))

    assert [number for number, _ in events_of(client, job, **{"Last-Event-ID": "1"})] == [2, 3]
    assert client.get(f"{JOBS}/{job['id']}/events?last_event_id=2").text.count("id: ") == 1


def test_a_reader_that_has_seen_the_end_is_told_so(client, store, job):
    finish(store, claim(store))

    answer = client.get(f"{JOBS}/{job['id']}/events", headers={"Last-Event-ID": "3"})

    assert (answer.status_code, answer.content) == (204, b"")


def test_a_signed_url_opens_the_events_of_its_job_alone(client, stranger, store, job, context):
    finish(store, claim(store))
    url = job["events_url"]

    assert stranger.get(url).text.count("id: ") == 3
    assert stranger.get(url.replace("&expires=", "&expires=1")).json()["code"] == "signature_invalid"
    assert stranger.get(url.replace(job["id"], "job_" + "0" * 24)).json()["code"] == "signature_invalid"
    for_files = context.links.signed(f"{JOBS}/{job['id']}/events", "file", time.time())
    assert stranger.get(for_files).json()["code"] == "signature_invalid"
    assert stranger.get(url.partition("?")[0]).json()["code"] == "key_missing"


def test_the_events_of_a_deleted_job_are_not_there(client, stranger, store, job):
    finish(store, claim(store))
    client.delete(f"{JOBS}/{job['id']}")

    assert stranger.get(job["events_url"]).status_code == 404


def test_a_stream_of_hundreds_of_events_ends_with_what_is_kept(client, store, job):
    running = claim(store)
    with store.begin() as tx:
        for step in range(500):
            queue.report_steps(tx, running.lease, [("denoise", step / 501, {})], time.time())
    finish(store, running)

    told = events_of(client, job)

    assert told[-1][0] == 503
    assert told[-1][1]["status"] == "succeeded"
    assert len(told) < 250
