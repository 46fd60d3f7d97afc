# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""v1 on the real service: one call, the model's bytes; each refusal with its body and headers."""

import shutil
import time

import httpx
import pytest
from interfaces.pictures import FRONT, PNG, V1, text
from interfaces.server import Server

from fourview.service.store import accounts, jobs, keys

HEADS = {"glb": b"glTF", "obj": b"# fourview ", "ply": b"ply\n", "stl": b"fourview "}
JSON = {"content-type": "application/json"}
MEDIA_TYPES = {
    "glb": "model/gltf-binary", "obj": "model/obj", "ply": "application/octet-stream", "stl": "model/stl",
}  # fmt: skip


@pytest.fixture
def client(standing):
    with standing.client() as client:
        yield client


@pytest.fixture(scope="module")
def slow(migrated_file, tmp_path_factory):
    """Jobs take a minute, nobody waits for more than a second, little may be sent and few jobs may wait."""
    folder = tmp_path_factory.mktemp("slow")
    parameters = {"devices": "instant:60", "wait_max_s": 1, "queue_max_per_key": 1, "body_max_mib": 2,
             "picture_max_mib": 1, "shutdown_grace_s": 0}  # fmt: skip
    server = Server(f"sqlite:///{shutil.copy(migrated_file, folder)}", folder, **parameters)
    yield server.start()
    server.close()


def check_refusal(answer, status, code, says):
    """Every refusal has this form: a problem and a string `error`, and the credits where a key is known."""
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["error"] == body["detail"]
    assert says in body["error"]
    assert body["billed"] is False
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["type"].endswith(f"/errors/{code}")
    assert ("x-remaining-credits" in answer.headers) == (status != 401)
    return body


@pytest.mark.parametrize("file_type", list(HEADS))
def test_the_answer_is_the_model_with_its_media_type_and_name(client, file_type):
    answer = client.post(V1, json=FRONT | {"file_type": file_type})

    assert answer.status_code == 200
    assert answer.content.startswith(HEADS[file_type])
    assert answer.headers["content-type"] == MEDIA_TYPES[file_type]
    assert answer.headers["content-disposition"] == f'attachment; filename="model.{file_type}"'
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_the_headers_tell_cost_credits_time_and_seed(client):
    answer = client.post(V1, json=FRONT | {"seed": 1234, "randomize_seed": False})

    told = answer.headers
    assert (told["x-cost"], told["x-remaining-credits"], told["x-seed-value"]) == ("0.1", "999.9", "1234")
    assert float(told["x-generation-time"]) >= 0
    assert told["x-request-id"].startswith("req_")
    assert told["x-rate-limit-reset-at-utc"].endswith("Z")
    assert client.get(f"/v1/requests/{told['x-job-id']}").json()["status"] == "COMPLETED"
    assert client.get("/v1/get-user-credits").json() == {"credits": 999.9}


def test_a_drawn_seed_comes_back_and_repeats_the_run(client):
    seed = client.post(V1, json=FRONT | {"seed": 5}).headers["x-seed-value"]

    assert seed != "5"
    again = client.post(V1, json=FRONT | {"seed": seed, "randomize_seed": False})
    assert again.headers["x-seed-value"] == seed


def test_json_is_answered_where_nothing_else_is_accepted(client):
    answer = client.post(V1, json=FRONT | {"colour": "red"}, headers={"accept": "application/json"})

    body = answer.json()
    assert httpx.get(body["output"]["url"]).content.startswith(b"glTF")  # without a key
    assert str(body["seed"]) == answer.headers["x-seed-value"]
    assert (body["metrics"]["cost"], body["metrics"]["remaining_credits"]) == (0.1, 999.9)
    assert [(warning["code"], warning["field"]) for warning in body["warnings"]] == [("field_unknown", "colour")]
    assert answer.headers["x-warnings"] == "field_unknown"


@pytest.mark.parametrize("accept", ["*/*", "application/json, text/plain, */*", "model/gltf-binary"])
def test_the_file_is_answered_to_all_others(client, accept):
    assert client.post(V1, json=FRONT, headers={"accept": accept}).content.startswith(b"glTF")


def test_json_form_and_file_parts_are_all_read(client):
    for more in (
        {"json": FRONT | {"steps": 3}},
        {"data": FRONT | {"steps": "3", "back_image": "1"}},
        {"files": {"front_image": ("front.png", PNG, "image/png"), "left_image": PNG}, "data": {"steps": "3"}},
        {"files": {"front_image": (None, FRONT["front_image"]), "right_image": (None, "")}},
    ):
        assert client.post(V1, **more).status_code == 200, more.keys()


def test_the_same_request_sent_twice_is_one_job(client):
    headers = {"idempotency-key": "once"}
    first, second = (client.post(V1, json=FRONT, headers=headers) for _ in range(2))

    assert (first.headers["x-job-id"], first.content) == (second.headers["x-job-id"], second.content)
    assert "idempotency-replayed" not in first.headers
    assert (second.headers["idempotency-replayed"], second.headers["x-remaining-credits"]) == ("true", "999.9")
    check_refusal(client.post(V1, json=FRONT | {"steps": 3}, headers=headers), 422, "idempotency_mismatch", "'once'")


def test_400_names_field_and_range(client):
    body = check_refusal(client.post(V1, json=FRONT | {"steps": 101, "seed": "x"}), 400, "invalid_field", "1 .. 100")

    assert [error["pointer"] for error in body["errors"]] == ["/seed", "/steps"]
    check_refusal(client.post(V1, json={}), 400, "invalid_field", "front_image is missing")
    check_refusal(client.post(V1), 400, "invalid_field", "front_image is missing")
    check_refusal(client.post(V1, content=b"{", headers=JSON), 400, "malformed_body", "JSON")


def test_400_for_a_picture_that_cannot_be_used(client):
    wrong = {"front_image": text(b"GIF89a" + bytes(100)), "left_image": text(PNG[:60])}

    body = check_refusal(client.post(V1, json=wrong), 400, "invalid_picture", "a GIF")

    assert [error["pointer"] for error in body["errors"]] == ["/front_image", "/left_image"]


def test_400_for_a_content_type_that_is_not_read(client):
    answer = client.post(V1, content=b"<xml/>", headers={"content-type": "text/xml"})

    check_refusal(answer, 400, "media_type", "text/xml")


def test_400_for_json_nested_a_hundred_thousand_deep(client):
    bomb = b'{"front_image":' + b"[" * 100_000
    answer = client.post(V1, content=bomb, headers=JSON)

    check_refusal(answer, 400, "malformed_body", "JSON")


def test_401_tells_a_missing_key_from_a_wrong_one(standing):
    now = time.time()
    with standing.store.begin() as tx:
        account = accounts.add_account(tx, "gone", now)
        key, revoked = keys.add_key(tx, account.id, "gone", now)
        keys.revoke_key(tx, key.id, now)
    for headers, code, says in (
        ({}, "key_missing", "missing"),
        ({"x-api-key": "fv_nobody"}, "key_invalid", "not valid"),
        ({"x-api-key": revoked}, "key_invalid", "not valid"),
    ):
        check_refusal(httpx.post(standing.base_url + V1, json=FRONT, headers=headers), 401, code, says)


def test_404_and_405_are_json_too(client):
    check_refusal(client.post("/v1/another-model", json=FRONT), 404, "not_found", "/v1/another-model")
    answer = client.get(V1)
    check_refusal(answer, 405, "method_not_allowed", "POST")
    assert answer.headers["allow"] == "POST"


def test_406_names_balance_and_price(standing):
    with standing.client(standing.add_key(credits=0)) as client:
        answer = client.post(V1, json=FRONT)
        body = check_refusal(answer, 406, "credits_short", "0.1 are needed")

    assert (body["balance"], body["price"], answer.headers["x-remaining-credits"]) == (0, 0.1, "0")


def test_413_for_a_body_that_is_too_large(slow):
    with slow.client() as client:
        for content in (bytes(3 << 20), iter([bytes(1 << 20)] * 3)):  # with a length, and in pieces
            check_refusal(
                client.post(V1, content=content, headers={"content-type": "application/json"}),
                413,
                "too_large",
                "2 MiB",
            )


def test_429_after_too_many_requests(standing):
    with standing.client(standing.add_key(rate_per_min=1)) as client:
        assert client.post(V1, json=FRONT).status_code == 200
        answer = client.post(V1, json=FRONT)

    check_refusal(answer, 429, "rate_limited", "1 requests a minute")
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert answer.headers["x-rate-limit-reset-at-utc"].endswith("Z")


def test_503_when_the_wait_is_over_and_the_job_goes_on(slow):
    with slow.client() as client:
        answer = client.post(V1, json=FRONT)
        body = check_refusal(answer, 503, "still_running", "goes on")

        assert int(answer.headers["retry-after"]) > 0
        assert body["retryable"]
        assert client.get(body["status_url"]).json()["status"] in ("QUEUED", "PROCESSING")
        assert client.get(body["response_url"]).json()["request_id"] == body["job_id"]


def test_429_when_too_many_jobs_of_a_key_wait(slow):
    with slow.client() as client:
        answers = [client.post("/v2/hunyuan3d-2mv", json=FRONT) for _ in range(3)]

    check_refusal(answers[-1], 429, "too_many_jobs", "as many as may")
    assert int(answers[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize("prefer", ["respond-async", "wait=5, cancel-on-disconnect"])
def test_a_dropped_connection_cancels_nothing_unless_that_is_preferred(slow, prefer):
    key = slow.add_key()

    with slow.client(key) as client, pytest.raises(httpx.ReadTimeout):
        client.post(V1, json=FRONT, headers={"prefer": prefer}, timeout=httpx.Timeout(10, read=0.3))
    gone = ("status=499", f"key={key_of(slow, key).id}")
    wait_until(lambda: any(all(word in line for word in gone) for line in slow.log.read_text().splitlines()))

    with slow.store.read() as tx:
        (job,) = jobs.list_jobs(tx, key_of(slow, key).account_id, 10).jobs
    assert job.status == "canceled" if "cancel" in prefer else not job.is_final


def test_headers_cannot_be_smuggled_in_through_fields(client):
    answer = client.post(V1, json=FRONT | {"x\r\nset-cookie: a=b": 1, "\u00e9": 2})

    assert answer.status_code == 200
    assert answer.headers["x-warnings"] == "field_unknown"
    assert "set-cookie" not in answer.headers


def key_of(server, text):
    with server.store.read() as tx:
        return keys.check_key(tx, text, time.time())


def wait_until(is_so):
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)
