# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The JavaScript of the hosted service's page, with the real axios and form-data, and a browser's EventSource.

As it is printed that sample cannot work: form-data writes no booleans, and the page's fields have two. The form breaks
off in the middle of the request. With every value made text it runs.
"""

import base64
import json
import subprocess
from pathlib import Path

import httpx
import pytest
from interfaces.pictures import FRONT, PNG, V1, V2, text
from require import require

HERE = Path(__file__).parent
PAGE = {
    "seed": 1234, "steps": 30, "file_type": "glb", "back_image": text(PNG), "left_image": text(PNG),
    "num_chunks": 200_000, "front_image": text(PNG), "right_image": text(PNG), "guidance_scale": 5,
    "randomize_seed": True, "target_face_num": 10_000, "octree_resolution": 256, "remove_background": True,
}  # fmt: skip
BYTES = {"responseType": "arraybuffer"}


@pytest.fixture
def sample(standing):
    """Runs the sample against the service; returns what it prints."""
    node, key = require("node"), standing.add_key()

    def run(fields, mend=False, options=None, path=V1, **more):
        order = {"url": standing.base_url + path, "fields": fields, "mend": mend, "options": options or {}}
        order |= {"key": key} | more
        done = subprocess.run(
            [node, HERE / "page_sample.cjs"], input=json.dumps(order), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_as_printed_the_form_breaks_off_at_a_boolean_and_nothing_comes_of_it(sample, standing):
    key = standing.add_key()

    told = sample(PAGE, options=BYTES, key=key)

    assert "should be a string" in told["error"]
    assert "status" not in told
    with standing.client(key) as client:
        assert client.get("/api/v1/jobs").json()["data"] == []
        assert client.get("/v1/get-user-credits").json() == {"credits": 1000}


def test_with_every_value_as_text_it_gives_the_model(sample):
    told = sample(PAGE, mend=True, options=BYTES)

    assert told["status"] == 200
    assert base64.b64decode(told["data"]).startswith(b"glTF")
    assert told["headers"]["content-type"] == "model/gltf-binary"
    assert told["headers"]["x-seed-value"] != "1234"
    assert "seed_not_used" in told["headers"]["x-warnings"]


def test_without_the_booleans_it_gives_the_model_too(sample):
    fields = {name: value for name, value in PAGE.items() if not isinstance(value, bool)}

    assert base64.b64decode(sample(fields, options=BYTES)["data"]).startswith(b"glTF")


def test_null_becomes_the_text_null_and_means_absent(sample):
    fields = FRONT | {"back_image": None, "left_image": None, "seed": None}

    assert sample(fields, options=BYTES)["status"] == 200
    assert sample(fields, mend=True, options=BYTES)["status"] == 200


def test_axios_takes_the_bytes_for_text_unless_it_is_told(sample):
    """So the page's `console.log(response.data)` prints noise; nothing on our side can mend it."""
    told = sample(PAGE, mend=True)

    assert (told["status"], told["type"]) == (200, "string")
    assert told["data"].startswith("glTF")


def test_axios_gets_the_url_where_it_accepts_json_alone(sample):
    told = sample(PAGE, mend=True, accept="application/json")

    assert httpx.get(told["data"]["output"]["url"]).content.startswith(b"glTF")


def test_a_refusal_is_an_object_with_a_text(sample):
    told = sample(PAGE | {"steps": 1000}, mend=True)

    assert told["status"] == 400
    assert "1 .. 100" in told["data"]["error"]


def test_v2_takes_the_same_form(sample):
    told = sample(PAGE, mend=True, path=V2)

    assert (told["status"], told["data"]["status"]) == (200, "QUEUED")


def test_an_event_source_hears_the_whole_job_without_a_key(serve):
    """On both databases: the stream begins after the job, and misses nothing."""
    server = serve(devices="instant:0.5")
    node = require("node")
    with server.client() as client:
        submitted = client.post(V2, json=FRONT).json()

    done = subprocess.run(
        [node, HERE / "events.cjs", submitted["events_url"]], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [int(event["id"]) for event in events] == list(range(1, len(events) + 1))
    assert [event["status"] for event in events if event["type"] == "state"] == ["queued", "running", "succeeded"]
    stages = [event["progress"] for event in events if event["type"] == "progress"]
    assert stages == sorted(stages)
    assert httpx.get(submitted["events_url"].replace("signature=", "signature=x")).status_code == 401
