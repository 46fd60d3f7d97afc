# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""v2 on the real service: submit, poll, fetch; what it refuses."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from interfaces.pictures import FRONT, PNG, V1, V2


@pytest.fixture
def client(standing):
    with standing.client() as client:
        yield client


def poll(client, submitted):
    """The last word of the status URL."""
    until = time.monotonic() + 60
    while (said := client.get(submitted["status_url"]).json())["status"] in ("QUEUED", "PROCESSING"):
        assert time.monotonic() < until
        time.sleep(0.02)
    return said


def test_a_form_is_submitted_polled_and_its_model_fetched(client):
    submitted = client.post(V2, files={"front_image": PNG}, data={"file_type": "stl", "steps": "5"}).json()

    assert poll(client, submitted)["status"] == "COMPLETED"
    result = client.get(submitted["response_url"]).json()
    file = httpx.get(result["output"])  # without a key
    assert (file.content[:9], file.headers["content-type"]) == (b"fourview ", "model/stl")
    assert client.get(submitted["poll_url"]).json()["seed"] == result["seed"]


def test_every_url_is_absolute_and_leads_here(client, standing):
    submitted = client.post(V2, json=FRONT).json()

    for name in ("poll_url", "status_url", "response_url", "cancel_url", "events_url"):
        assert submitted[name].startswith(f"{standing.base_url}/")
        assert submitted["request_id"] in submitted[name]
    assert httpx.get(submitted["status_url"]).status_code == 401


def test_many_equal_requests_at_once_are_one_job(client):
    headers = {"idempotency-key": "once"}
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: client.post(V2, json=FRONT, headers=headers), range(20)))

    assert len({answer.json()["request_id"] for answer in answers}) == 1
    assert sorted(answer.headers.get("idempotency-replayed", "") for answer in answers) == [""] + ["true"] * 19
    assert client.get("/v1/get-user-credits").json() == {"credits": 999.9}
    assert client.post(V2, json=FRONT | {"steps": 2}, headers=headers).json()["code"] == "idempotency_mismatch"


def test_what_is_sent_to_v1_may_be_asked_for_here(client):
    made = client.post(V1, json=FRONT)

    result = client.get(f"/v2/requests/{made.headers['x-job-id']}").json()
    assert httpx.get(result["output"]).content == made.content


def test_refusals_are_problems_with_a_text(client, standing):
    with standing.client(standing.add_key(credits=0)) as poor:
        refused = [poor.post(V2, json=FRONT)]
    refused += [
        client.post(V2, json=FRONT | {"octree_resolution": 8}),
        client.post(V2, content=b"x", headers={"content-type": "text/plain"}),
        client.get(V2),
        client.get("/v2/requests/job_0123456789abcdef01234567/status"),
        httpx.post(standing.base_url + V2, json=FRONT),
        httpx.get(f"{standing.base_url}/v1/get-user-credits", headers={"x-api-key": "fv_nobody"}),
    ]

    told = [(answer.status_code, answer.json()["code"]) for answer in refused]
    assert told == [
        (406, "credits_short"), (400, "invalid_field"), (400, "media_type"), (405, "method_not_allowed"),
        (404, "not_found"), (401, "key_missing"), (401, "key_invalid"),
    ]  # fmt: skip
    for answer in refused:
        assert isinstance(answer.json()["error"], str)
        assert ("x-remaining-credits" in answer.headers) == (answer.status_code != 401)
