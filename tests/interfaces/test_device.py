# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A job tells what did it and on which device: an engine, and work on a mesh, by the real runner of the processor."""

import shutil
import time

import pytest
from interfaces.pictures import FRONT, V1, V2
from service.acts import stl

from fourview.service.routes.page import EXAMPLES


@pytest.fixture
def url(migrated_file, tmp_path):
    """One database: what is told does not depend on it."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path)}"


def test_a_job_shows_its_engine_and_device(serve):
    with serve(devices="cpu").client() as client:
        waits = {"prefer": "wait=120"}
        mesh = client.post("/api/v1/meshes/convert", files={"mesh": ("a.stl", stl())}, headers=waits).json()
        form = {"engine": "hull", "octree_resolution": "32", "texture": "off"}
        front = {"front": (EXAMPLES / "robot" / "front.png").read_bytes()}
        model = client.post("/api/v1/jobs", data=form, files=front, headers=waits).json()

    assert mesh["status"] == model["status"] == "succeeded"
    assert set(mesh["engine"].values()) == {None}  # converting needs no engine
    assert (model["engine"]["name"], model["engine"]["device"]) == ("hull", "cpu")


def test_an_opaque_picture_whose_background_stays_is_the_subject_from_rim_to_rim(serve):
    asked = FRONT | {"remove_background": False, "octree_resolution": 32}
    with serve(devices="cpu", recipe_defaults='{"engine": "hull"}').client() as client:
        at_once = client.post(V1, json=asked)
        form = client.post(V1, data=asked | {"remove_background": "false"}, headers={"accept": "application/json"})
        queued = client.post(V2, json=asked).json()
        native = {"front": FRONT["front_image"], "recipe": {"remove_background": "never"}}
        refused = client.post("/api/v1/jobs", json=native, headers={"prefer": "wait=120"}).json()
        while (told := client.get(queued["response_url"]).json())["status"] in ("QUEUED", "PROCESSING"):
            time.sleep(0.1)

    assert (at_once.status_code, at_once.content[:4]) == (200, b"glTF")
    assert "whole_picture" in at_once.headers["x-warnings"]
    assert [warning["field"] for warning in form.json()["warnings"] if warning["code"] == "whole_picture"] == ["front"]
    assert told["status"] == "COMPLETED"
    assert "whole_picture" in [warning["code"] for warning in told["warnings"]]
    assert (refused["status"], refused["error"]["code"]) == ("failed", "invalid_picture")
