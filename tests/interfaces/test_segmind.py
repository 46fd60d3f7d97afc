# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The provider's own Python client, as it is installed, with nothing changed but its base URL."""

import shutil
import time

import httpx
import pytest
from interfaces.pictures import FRONT, PNG, text
from interfaces.server import Server
from segmind import SegmindClient
from segmind.exceptions import SegmindError
from segmind.v2 import InferenceFailed, InferenceTimeout

SLUG = "hunyuan3d-2mv"


@pytest.fixture(scope="module")
def slow(migrated_file, tmp_path_factory):
    """Jobs take a minute, and few may wait."""
    folder = tmp_path_factory.mktemp("slow")
    parameters = {"devices": "instant:60", "queue_max": 2, "shutdown_grace_s": 0}
    server = Server(f"sqlite:///{shutil.copy(migrated_file, folder)}", folder, **parameters)
    yield server.start()
    server.close()


@pytest.fixture
def connect():
    """Makes clients of a server and closes them."""
    clients = []

    def make(server, key=None, **more):
        clients.append(SegmindClient(key or server.add_key(), base_url=f"{server.base_url}/v1", **more))
        return clients[-1]

    yield make
    for client in clients:
        client._client.close()


def test_run_submits_polls_and_returns_the_url_of_the_model(standing, connect):
    result = connect(standing).run(
        SLUG, seed=1234, steps=30, file_type="glb", back_image=text(PNG), left_image=None, num_chunks=200_000,
        front_image=text(PNG), right_image="", guidance_scale=5, randomize_seed=False, target_face_num=10_000,
        octree_resolution=256, remove_background=True,
    )  # fmt: skip

    assert (result["status"], result["seed"]) == ("COMPLETED", 1234)
    assert httpx.get(result["output"]).content.startswith(b"glTF")
    assert result["metrics"]["inference_time"] >= 0
    assert (result["metrics"]["cost"], result["metrics"]["remaining_credits"]) == (0.1, 999.9)


def test_run_sync_returns_the_models_bytes(standing, connect):
    response = connect(standing).run_sync(SLUG, **FRONT, file_type="stl", seed=5, randomize_seed=False)

    assert response.content.startswith(b"fourview ")
    assert (response.headers["content-type"], response.headers["x-seed-value"]) == ("model/stl", "5")


def test_a_job_may_be_watched_and_waited_for(standing, connect):
    job = connect(standing).submit_async(SLUG, **FRONT)

    assert job.status()["status"] in ("QUEUED", "PROCESSING", "COMPLETED")
    assert job.wait(interval=0.05)["status"] == "COMPLETED"
    assert job.result()["request_id"] == job.request_id
    assert httpx.get(job.submit_response["poll_url"], headers={"x-api-key": "fv_x"}).status_code == 401


def test_a_job_that_was_canceled_is_an_inference_that_failed(slow, connect):
    client = connect(slow)
    job = client.submit_async(SLUG, **FRONT)
    client._request("POST", job.submit_response["cancel_url"])

    with pytest.raises(InferenceFailed) as caught:
        job.wait(interval=0.05)

    assert "canceled" in caught.value.detail
    assert caught.value.status_body["metrics"]["remaining_credits"] >= 999.9
    assert job.result()["status"] == "FAILED"


def test_a_wait_that_ends_leaves_the_job_alone(slow, connect):
    client = connect(slow)
    job = client.submit_async(SLUG, **FRONT)

    with pytest.raises(InferenceTimeout):
        job.wait(timeout=0.1, interval=0.05)

    assert job.status()["status"] in ("QUEUED", "PROCESSING")
    client._request("POST", job.submit_response["cancel_url"])


def test_run_sync_gives_up_after_its_own_limit_and_the_job_goes_on(slow, connect):
    key = slow.add_key()
    with pytest.raises(httpx.ReadTimeout):
        connect(slow, key, timeout=0.5).run_sync(SLUG, **FRONT)  # its limit is 30 s where none is given

    with slow.client(key) as client:
        (job,) = client.get("/api/v1/jobs").json()["data"]
        assert job["status"] in ("queued", "running")
        client.post(f"/api/v1/jobs/{job['id']}/cancel")


def test_refusals_are_its_errors_with_our_sentence(standing, connect):
    poor, hurried = standing.add_key(credits=0), standing.add_key(rate_per_min=1)
    connect(standing, hurried).submit_async(SLUG, **FRONT)
    for client, slug, fields, status, says in (
        (connect(standing), SLUG, {}, 400, "front_image is missing"),
        (connect(standing), SLUG, FRONT | {"steps": 1000}, 400, "1 .. 100"),
        (connect(standing, "fv_nobody"), SLUG, FRONT, 401, "the key is not valid"),
        (connect(standing), "another-model", FRONT, 404, "another-model"),
        (connect(standing, poor), SLUG, FRONT, 406, "0.1 are needed"),
        (connect(standing, hurried), SLUG, FRONT, 429, "1 requests a minute"),
    ):
        for call in (client.run, client.run_sync):
            with pytest.raises(SegmindError) as caught:
                call(slug, **fields)
            assert (caught.value.status, says in caught.value.detail) == (status, True), caught.value


def test_a_full_queue_is_its_error_too(slow, connect):
    client = connect(slow)
    until = time.monotonic() + 30
    with pytest.raises(SegmindError) as caught:
        while time.monotonic() < until:
            client.submit_async(SLUG, **FRONT)

    assert (caught.value.status, "jobs wait" in caught.value.detail) == (503, True)


def test_its_credits_are_ours(standing, connect):
    response = connect(standing)._request("GET", "/get-user-credits")

    assert response.json() == {"credits": 1000}
