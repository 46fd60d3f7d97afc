# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""v1 and v2 where jobs end badly, or in ways that the runner `instant` does not know: the test is the worker."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from service.acts import add_worker, base64_png, claim, fail, finish, model, report, stop

from fourview.formats.obj import encode
from fourview.mesh.mesh import Mesh
from fourview.service.hosted import request as hosted
from fourview.service.http.auth import ensure_open_account
from fourview.service.http.recipe_schema import JSON
from fourview.service.problems import PROBLEMS
from fourview.service.store import accounts, keys, queue
from fourview.service.store.jobs import list_ended
from fourview.service.store.outputs import Output

V1, V2 = "/v1/hunyuan3d-2mv", "/v2/hunyuan3d-2mv"
FRONT = {"front_image": base64_png()}
HULL = ("hull",)


@pytest.fixture
def post(client, store):
    """Sends a request to v1, does with its job what the test wants, and returns the answer."""
    add_worker(store)

    def run(act, fields=FRONT, **headers):
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.post, V1, json=fields, headers=headers)
            until = time.monotonic() + 30
            while (job := claim(store)) is None:
                assert not waiting.done(), waiting.result().text
                assert time.monotonic() < until
                time.sleep(0.01)
            act(job)
            return waiting.result()

    return run


@pytest.fixture
def enqueue(client, store):
    """The answer to a request to v2."""
    add_worker(store)

    def run(fields=FRONT):
        answer = client.post(V2, json=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return run


def put(context, name, file_format, data):
    artifact = context.files.put(data)
    return Output(name, file_format, artifact.bytes, artifact.digest)


TRIANGLE = Mesh(
    np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.int32([[0, 1, 2]]), np.float32([[0, 0], [1, 0], [0, 1]])
)


@pytest.mark.parametrize("code", ["invalid_picture", "no_surface", "worker_crash", "internal", "engine_not_ready"])
def test_v1_answers_a_failed_job_with_the_status_of_its_code_and_nothing_is_billed(post, store, code):
    answer = post(lambda job: fail(store, job, code))

    body = answer.json()
    assert answer.status_code == body["status"] == PROBLEMS[code].status
    assert (body["code"], body["error"], body["billed"]) == (code, "why", False)
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["job_id"] == answer.headers["x-job-id"]
    assert answer.headers["x-remaining-credits"] == "1000"


def test_v1_tells_that_a_job_was_canceled_while_it_ran_and_that_this_costs(post, client, store):
    def cancel(job):
        assert client.post(f"/api/v1/jobs/{job.id}/cancel").status_code == 202
        stop(store, job)

    answer = post(cancel)

    body = answer.json()
    assert (answer.status_code, body["code"], body["billed"]) == (409, "canceled", True)
    assert answer.headers["x-remaining-credits"] == "999.9"


def test_v1_tells_that_a_job_was_deleted_while_it_was_waited_for(post, client, store):
    def delete(job):
        fail(store, job)
        assert client.delete(f"/api/v1/jobs/{job.id}").status_code == 204

    assert post(delete).status_code in (400, 404)  # as it is seen before or after


def test_v1_repeats_a_failure_to_whom_repeats_the_request(post, client, store):
    first = post(lambda job: fail(store, job), **{"idempotency-key": "k"})
    second = client.post(V1, json=FRONT, headers={"idempotency-key": "k"})

    assert (second.status_code, second.json()["job_id"]) == (400, first.json()["job_id"])
    assert second.headers["idempotency-replayed"] == "true"


def test_v1_names_the_warnings_of_door_and_run(post, context, store):
    answer = post(lambda job: finish(store, job, [model(context.files)]), FRONT | {"seed": 3})

    assert answer.headers["x-warnings"] == "crumbs_dropped, seed_not_used"
    assert answer.headers["x-seed-value"] == "7"


def test_v1_is_our_fault_where_the_file_is_gone(post, context, store):
    def lose(job):
        output = model(context.files)
        context.files.drop(output.digest)
        finish(store, job, [output])

    answer = post(lose)

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "digest" not in answer.text


def test_an_obj_is_one_file_at_both_doors(post, client, context, store):
    outputs = [put(context, "model.zip", "zip", encode(TRIANGLE, b"\x89PNG")), model(context.files)]
    answer = post(lambda job: finish(store, job, outputs), FRONT | {"file_type": "obj"})

    assert [line.split()[0] for line in answer.text.splitlines()] == ["#", "o"] + ["v"] * 3 + ["vt"] * 3 + [
        "vn"
    ] * 3 + ["f"]
    assert answer.headers["content-type"] == "model/obj"
    assert "model.obj" in answer.headers["content-disposition"]
    assert "obj_without_texture" in answer.headers["x-warnings"]
    url = client.get(f"/v2/requests/{answer.headers['x-job-id']}").json()["output"]
    client.headers.pop("x-api-key")
    assert client.head(url).headers["content-length"] == str(len(answer.content))
    assert (client.get(url).content, client.get(url).headers["content-type"]) == (answer.content, "model/obj")
    assert client.get(url.partition("?")[0]).status_code == 401
    assert client.get(url.replace("signature=", "signature=x")).status_code == 401


def test_an_obj_without_a_texture_has_a_head_too(post, client, context, store):
    answer = post(
        lambda job: finish(store, job, [put(context, "model.obj", "obj", b"v 0 0 0\n")]), FRONT | {"file_type": "obj"}
    )

    head = client.head(f"/v1/requests/{answer.headers['x-job-id']}/model.obj")

    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "8")


def test_only_a_job_that_was_asked_for_an_obj_has_one(post, client, context, store):
    answer = post(lambda job: finish(store, job, [model(context.files)]))

    assert client.get(f"/v1/requests/{answer.headers['x-job-id']}/model.obj").status_code == 404


def test_v2_tells_each_state_in_the_words_of_the_hosted_service(enqueue, client, context, store):
    submitted = enqueue()
    said = [client.get(submitted["status_url"]).json()]
    job = claim(store)
    report(store, job, "denoise", 0.4)
    said.append(client.get(submitted["status_url"]).json())
    finish(store, job, [model(context.files)])
    said.append(client.get(submitted["status_url"]).json())

    assert [one["status"] for one in said] == ["QUEUED", "PROCESSING", "COMPLETED"]
    assert [one["queue_position"] for one in said] == [1, None, None]
    assert [one["progress"] for one in said] == [0, 0.4, 1]
    assert said[1]["stage"] == "denoise"
    assert all("output" not in one and one["request_id"] == submitted["request_id"] for one in said)
    for one in said:
        told = one["metrics"]
        assert (told["cost"], told["remaining_credits"], told["retry_count"]) == (0.1, 999.9, 0)
        assert told["total_time"] == pytest.approx(told["queue_time"] + told["inference_time"], abs=0.002)


def test_v2_answers_the_result_at_both_of_its_urls(enqueue, client, context, store):
    submitted = enqueue(FRONT | {"colour": "red"})
    before = client.get(submitted["response_url"]).json()
    finish(store, claim(store), [model(context.files)])
    after, poll = (client.get(submitted[name]).json() for name in ("response_url", "poll_url"))

    assert (before["status"], before["output"]) == ("QUEUED", None)
    assert client.get(after["output"]).content == b"glTF model"
    assert (after["seed"], [warning["code"] for warning in after["warnings"]]) == (
        7,
        ["field_unknown", "crumbs_dropped"],
    )
    assert poll["output"].partition("?")[0] == after["output"].partition("?")[0]


def test_v2_answers_a_failed_job_with_422_and_the_job(enqueue, client, store):
    submitted = enqueue()
    fail(store, claim(store))

    for name in ("status_url", "response_url", "poll_url"):
        answer = client.get(submitted[name])
        body = answer.json()
        assert (answer.status_code, body["status"], body["error"], body["code"]) == (422, "FAILED", "why", "no_surface")
        assert (body["metrics"]["cost"], body["metrics"]["remaining_credits"]) == (0, 1000)
        assert answer.headers["x-remaining-credits"] == "1000"


def test_v2_has_canceled_and_expired_jobs_fail(enqueue, client, store):
    canceled, expired = enqueue(), enqueue()
    assert client.post(canceled["cancel_url"]).status_code == 202
    claim(store)
    with store.begin() as tx:
        tx.exec_driver_sql(f"UPDATE jobs SET deadline = 1 WHERE id = '{expired['request_id']}'")
    with store.begin() as tx:
        queue.expire_due(tx, time.time())

    for submitted, code in ((canceled, "canceled"), (expired, "expired")):
        answer = client.get(submitted["status_url"])
        assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (422, "FAILED", code)
        assert code in answer.json()["error"] or "deadline" in answer.json()["error"]


@pytest.mark.parametrize(
    "parameters", [{"public_url": "https://models.example.com/3d/", "allowed_hosts": ("testserver",)}]
)
def test_urls_are_those_of_the_public_address(enqueue):
    submitted = enqueue()

    for name in ("poll_url", "status_url", "response_url", "cancel_url", "events_url"):
        assert submitted[name].startswith("https://models.example.com/3d/")
        assert submitted["request_id"] in submitted[name]


def test_v2_counts_what_was_tried_again(enqueue, client, store):
    submitted = enqueue()
    for _ in range(2):
        job = claim(store)
        with store.begin() as tx:
            queue.release_lease(tx, job.lease, time.time())

    assert client.get(submitted["status_url"]).json()["metrics"]["retry_count"] == 1


def test_seconds_are_those_of_the_attempt_that_counts_and_the_rest_is_waiting(enqueue, client, store):
    submitted, begin = enqueue(), time.time()
    with store.begin() as tx:
        dead = queue.claim(tx, "w1", ["hull", "mini"], begin + 10, 30)
        assert queue.report_death(tx, dead.lease, begin + 70)
    waiting = client.get(submitted["status_url"]).json()
    assert client.get(f"/api/v1/jobs/{submitted['request_id']}").json()["started_at"] is None
    with store.begin() as tx:
        alive = queue.claim(tx, "w2", ["hull", "mini"], begin + 100, 30)
        assert queue.finish(tx, alive.lease, {}, [], begin + 105)
        (ended,) = list_ended(tx, begin, begin + 200)
    done = client.get(submitted["status_url"]).json()

    assert (waiting["status"], waiting["metrics"]["inference_time"]) == ("QUEUED", 0)
    assert done["metrics"]["inference_time"] == pytest.approx(5, abs=0.01)
    assert done["metrics"]["queue_time"] == pytest.approx(100, abs=5)
    assert done["metrics"]["retry_count"] == 1
    assert ended.seconds == pytest.approx(5, abs=0.01)


def test_a_request_of_somebody_else_is_not_there(enqueue, stranger, store):
    submitted = enqueue()
    with store.begin() as tx:
        account = accounts.add_account(tx, "eve", time.time())
        _, text = keys.add_key(tx, account.id, "eve", time.time())

    for url in (submitted["status_url"], submitted["response_url"], submitted["poll_url"], "/v2/requests/x/status"):
        answer = stranger.get(url, headers={"x-api-key": text})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert isinstance(answer.json()["error"], str)


@pytest.mark.parametrize(
    ("engines", "status", "code"), [((), 503, "not_ready"), (("hunyuan2mv",), 503, "engine_not_ready")]
)
def test_503_where_nobody_can_do_it(client, store, engines, status, code):
    if engines:
        add_worker(store, *engines)

    for door in (V1, V2):
        answer = client.post(door, json=FRONT)
        assert (answer.status_code, answer.json()["code"], answer.json()["error"]) == (
            status, code, answer.json()["detail"],
        )  # fmt: skip
        assert answer.headers["x-remaining-credits"] == "1000"


@pytest.mark.parametrize("parameters", [{"queue_max": 1}])
def test_503_where_too_many_wait(enqueue, client):
    enqueue()

    for door in (V1, V2):
        answer = client.post(door, json=FRONT)
        assert (answer.status_code, answer.json()["code"]) == (503, "queue_full")
        assert int(answer.headers["retry-after"]) > 0


def test_credits_are_those_that_are_not_held(enqueue, client):
    enqueue()

    assert client.get("/v1/get-user-credits").json() == {"credits": 999.9}


def test_the_document_has_every_field_and_every_answer(client):
    paths = client.get("/openapi.json").json()["paths"]
    bodies = [paths[path]["post"]["requestBody"]["content"] for path in (V1, V2)]

    assert bodies[0] == bodies[1]
    for kind in (JSON, "multipart/form-data", "application/x-www-form-urlencoded"):
        assert sorted(bodies[0][kind]["schema"]["properties"]) == sorted(hosted.FIELDS)
    assert {"model/gltf-binary", "application/json"} <= paths[V1]["post"]["responses"]["200"]["content"].keys()
    assert {"400", "401", "404", "406", "413", "429", "500", "503"} <= paths[V1]["post"]["responses"].keys()
    assert {"200", "422"} <= paths["/v2/requests/{request_id}/status"]["get"]["responses"].keys()


@pytest.mark.parametrize("parameters", [{"no_auth": True}])
def test_without_keys_nothing_costs_and_there_are_no_credits(context, enqueue, stranger):
    ensure_open_account(context.store, time.time())
    assert stranger.get("/v1/get-user-credits").json() == {"credits": None}
    submitted = stranger.post(V2, json=FRONT).json()
    told = stranger.get(submitted["status_url"]).json()["metrics"]
    assert (told["cost"], told["remaining_credits"]) == (0, None)
