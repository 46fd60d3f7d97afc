# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A job tells what did it and on which device: an engine, and work on a mesh, by the real runner of the processor."""

import shutil

import pytest
from service.acts import stl

from fourview import __version__
from fourview.service.routes.page import EXAMPLES


@pytest.fixture
def url(migrated_file, tmp_path):
    """One database: what is told does not depend on it."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path)}"


def test_a_job_tells_what_did_it_and_on_which_device(serve):
    with serve(devices="cpu").client() as client:
        waits = {"prefer": "wait=120"}
        mesh = client.post("/api/v1/meshes/convert", files={"mesh": ("a.stl", stl())}, headers=waits).json()
        form = {"engine": "hull", "octree_resolution": "32", "texture": "off"}
        front = {"front": (EXAMPLES / "robot" / "front.png").read_bytes()}
        model = client.post("/api/v1/jobs", data=form, files=front, headers=waits).json()

    assert mesh["status"] == model["status"] == "succeeded"
    assert mesh["engine"] == {"name": "mesh", "version": __version__, "device": "cpu", "licence": "Apache-2.0"}
    assert (model["engine"]["name"], model["engine"]["device"]) == ("hull", "cpu")
