# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A request becomes a job once, and nothing is fetched for whoever may not have one."""

import asyncio
import time

import httpx
import pytest
from service.acts import add_worker, base64_png, claim, finish, png, stl
from service.hosts import Canary, Host, ok, running

from fourview.service.http.auth import ensure_open_account
from fourview.service.store import jobs, keys, ledger, queue, uploads, workers
from fourview.service.store.accounts import add_account

JOBS = "/api/v1/jobs"


@pytest.fixture
def worker(store):
    add_worker(store)


@pytest.fixture
def parameters(request, wire):
    """The service may ask one host of the loopback."""
    host, port = wire.getsockname()
    return {"outbound_test_hosts": (f"{host}:{port}",)} | getattr(request, "param", {})


def limited(**parameters):
    return pytest.mark.parametrize("parameters", [parameters], indirect=True)


def post(client, **more):
    return client.post(JOBS, **{"json": {"front": base64_png()}} | more)


def waiting(store):
    with store.read() as tx:
        return jobs.count_jobs(tx)["queued"]


def balance(store, key):
    with store.read() as tx:
        return ledger.balance(tx, key[0].account_id)


def client_of(app, text):
    """A client whose requests may be under way at once."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://testserver", headers={"x-api-key": text}
    )


def crowd(app, text, requests):
    """The answers to requests that are all under way at once."""

    async def ask():
        async with client_of(app, text) as client:
            return await asyncio.gather(*(client.post(JOBS, **request) for request in requests))

    return asyncio.run(ask())


def test_fifty_equal_requests_at_once_make_one_job_one_charge_and_fifty_equal_answers(app, store, key, worker):
    request = {"json": {"front": base64_png()}, "headers": {"Idempotency-Key": "once"}}

    answers = crowd(app, key[1], [request] * 50)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 49
    assert waiting(store) == 1
    assert balance(store, key) == 1_000_000 - 100


def test_the_same_word_with_another_body_is_a_mismatch(client, worker):
    word = {"Idempotency-Key": "w"}
    assert post(client, headers=word).status_code == 201

    answer = post(client, headers=word, json={"front": base64_png(), "recipe": {"octree_resolution": 64}})

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-remaining-credits"] == "999.9"


def test_a_replay_answers_the_first_job_as_it_is_by_now(client, store, worker):
    word = {"Idempotency-Key": "w"}
    first = post(client, headers=word).json()
    finish(store, claim(store))

    answer = post(client, headers=word)

    assert answer.status_code == 201
    assert answer.headers["idempotency-replayed"] == "true"
    assert (answer.json()["id"], answer.json()["status"]) == (first["id"], "succeeded")


def test_a_replay_of_a_deleted_job_makes_no_other(client, store, worker):
    word = {"Idempotency-Key": "w"}
    job = post(client, headers=word).json()
    client.post(f"{JOBS}/{job['id']}/cancel")
    assert client.delete(f"{JOBS}/{job['id']}").status_code == 204

    answer = post(client, headers=word)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert job["id"] in answer.json()["detail"]
    assert waiting(store) == 0


@limited(idempotency_keep_h=0.01)
def test_a_word_is_free_again_when_it_was_kept_long_enough(client, store, worker, monkeypatch):
    word = {"Idempotency-Key": "w"}
    first = post(client, headers=word).json()
    real = time.time
    monkeypatch.setattr("fourview.service.jobs.submit.time.time", lambda: real() + 37)

    assert post(client, headers=word).json()["id"] != first["id"]


def test_who_cannot_pay_is_told_price_and_balance_and_no_picture_is_fetched_for_them(store, app, worker, wire):
    with store.begin() as tx:
        _, text = keys.add_key(tx, add_account(tx, "poor", time.time()).id, "poor", time.time())

    async def ask():
        async with running(Canary(), wire=wire) as canary, client_of(app, text) as client:
            return await client.post(JOBS, json={"front": f"http://127.0.0.1:{canary.port}/front.png"}), canary.reached

    answer, reached = asyncio.run(ask())

    assert (answer.status_code, answer.json()["code"]) == (402, "credits_short")
    assert (answer.json()["balance"], answer.json()["price"]) == (0, 0.1)
    assert answer.headers["x-remaining-credits"] == "0"
    assert reached == 0


@limited(queue_max_per_key=2)
def test_a_key_has_so_many_waiting_jobs_and_no_more(client, store, worker, app, key):
    answers = crowd(app, key[1], [{"json": {"front": base64_png()}}] * 6)

    assert sorted(answer.status_code for answer in answers) == [201, 201, 429, 429, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "too_many_jobs"
    assert int(refused.headers["retry-after"]) > 0
    claim(store)
    assert post(client).status_code == 201


@limited(queue_max=1)
def test_so_many_jobs_wait_in_all_and_no_more(client, store, worker):
    assert post(client).status_code == 201

    answer = post(client)

    assert (answer.status_code, answer.json()["code"]) == (503, "queue_full")
    assert answer.json()["retryable"] is True
    assert int(answer.headers["retry-after"]) > 0


@limited(disk_free_min_mib=100_000_000)
def test_no_job_is_taken_on_a_full_disk(client, store, worker):
    answer = post(client)

    assert (answer.status_code, answer.json()["code"]) == (503, "disk_full")
    assert int(answer.headers["retry-after"]) > 0
    assert waiting(store) == 0


def test_a_service_without_any_worker_is_starting(client, store):
    answer = post(client)

    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert int(answer.headers["retry-after"]) > 0


def test_an_engine_that_no_worker_has_is_refused_and_one_whose_worker_just_left_is_not(client, store):
    with store.begin() as tx:
        workers.register(tx, "gone", ["mini"], {}, time.time() - 60)

    assert post(client).status_code == 201
    answer = post(client, json={"front": base64_png(), "recipe": {"engine": "hunyuan2mv"}})
    assert (answer.status_code, answer.json()["code"]) == (503, "engine_not_ready")
    assert "hunyuan2mv" in answer.json()["detail"]


def test_every_picture_that_cannot_be_used_is_named_and_nothing_is_held(client, store, key, worker):
    answer = post(client, json={"front": base64_png(), "left": base64_png(side=8), "back": "AAAA"})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_picture")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/left", "/back"]
    assert "8 x 8" in answer.json()["detail"]
    assert balance(store, key) == 1_000_000


def test_a_hold_is_taken_back_where_the_job_cannot_be_made(client, store, key, worker, monkeypatch):
    monkeypatch.setattr("fourview.service.store.jobs.events.append", lambda *_: 1 / 0)

    answer = post(client, headers={"Idempotency-Key": "w"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert waiting(store) == 0
    assert balance(store, key) == 1_000_000


@limited(no_auth=True)
def test_without_keys_a_job_costs_nothing(app, store, worker, stranger):
    ensure_open_account(store, time.time())

    answer = post(stranger)

    assert (answer.status_code, answer.json()["cost"]) == (201, 0)


def test_a_picture_is_the_same_file_as_a_url_as_base64_as_a_data_uri_and_as_a_part(
    app, store, key, context, worker, wire
):
    async def ask():
        host = Host(**{"front.png": ok(png())})
        async with running(host, wire=wire), client_of(app, key[1]) as client:
            url = f"http://127.0.0.1:{host.port}/front.png"
            fields = {"left": base64_png(), "back": f"data:image/png;base64,{base64_png()}", "front": url}
            return await client.post(JOBS, data=fields, files={"right": ("right.png", png(), "image/png")})

    answer = asyncio.run(ask())

    assert answer.status_code == 201, answer.text
    job = claim(store)
    assert set(job.inputs) == {"front", "left", "back", "right"}
    (digest,) = set(job.inputs.values())
    assert context.files.read(digest) == png()


def test_an_upload_of_the_account_stands_for_its_file_and_that_of_another_for_nothing(
    client, store, key, context, worker
):
    with store.begin() as tx:
        other = add_account(tx, "other", time.time()).id
        digest = context.files.put(png()).digest
        mine, theirs = (
            uploads.add_upload(tx, account, digest, "image/png", len(png()), time.time(), 60)
            for account in (key[0].account_id, other)
        )

    assert post(client, json={"front": mine.id}).status_code == 201
    answer = post(client, json={"front": theirs.id})

    assert claim(store).inputs == {"front": digest}
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_picture")
    assert theirs.id in answer.json()["detail"]


def test_a_job_may_have_a_deadline(client, store, worker):
    before = time.time()

    assert post(client, headers={"Cancel-After": "1m30s"}).status_code == 201

    job = claim(store)
    assert before + 90 <= job.deadline <= time.time() + 90
    with store.begin() as tx:
        assert [late.id for late in queue.expire_due(tx, job.deadline)] == [job.id]
    shown = client.get(f"{JOBS}/{job.id}").json()
    assert (shown["status"], shown["cost"]) == ("expired", 0)


@pytest.mark.parametrize("span", ["0s", "8d", "-5s", "soon", "", "1h1h", "9" * 9])
def test_a_deadline_that_is_none_is_refused(client, worker, span):
    answer = post(client, headers={"Cancel-After": span})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_field")
    assert "Cancel-After" in answer.json()["detail"]


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1/x", "http://10.0.0.1/", "ftp://example.com/", "http://[::1]/", "http://localhost/", "x"],
)
def test_a_webhook_is_called_only_where_the_service_may_go(client, store, worker, address):
    answer = post(client, json={"front": base64_png(), "webhook_url": address})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_address")
    assert answer.json()["errors"][0]["pointer"] == "/webhook_url"
    assert waiting(store) == 0


@limited(outbound_test_hosts=("127.0.0.1:9",))
def test_a_webhook_is_kept_with_the_job(client, store, worker):
    fields = {"front": base64_png(), "webhook_url": "http://127.0.0.1:9/hook", "tags": ["a", "b"], "keep_h": 2}

    assert post(client, json=fields).status_code == 201

    job = claim(store)
    assert (job.webhook_url, job.tags, job.keep_s) == ("http://127.0.0.1:9/hook", ["a", "b"], 7200)


def test_what_is_kept_of_a_recipe_is_what_was_set(client, store, worker):
    post(client, json={"front": base64_png(), "recipe": {"octree_resolution": 64, "seed": 5}})

    assert claim(store).recipe == {"octree_resolution": 64, "seed": 5}


@limited(recipe_defaults={"octree_resolution": 32})
def test_defaults_of_the_settings_are_kept_as_if_they_had_been_set(client, store, worker):
    answer = post(client, json={"front": base64_png(), "recipe": {"seed": 5}})

    assert answer.json()["recipe"]["octree_resolution"] == 32
    assert claim(store).recipe == {"octree_resolution": 32, "seed": 5}


def test_a_mesh_is_kept_with_its_type(client, store, worker):
    files = {"mesh": ("mesh.stl", stl(), "model/stl")}

    answer = client.post("/api/v1/meshes/simplify", files=files, data={"target_face_num": "500"})

    assert answer.status_code == 201, answer.text
    job = claim(store)
    assert (job.kind, job.engine) == ("simplify", "")
    assert job.recipe == {"target_face_num": 500, "mesh_type": "stl"}
    assert list(job.inputs) == ["mesh"]
