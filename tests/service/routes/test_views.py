# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Previews, with the real process of the device `instant` and nobody who runs jobs."""

import shutil

import pytest
from service.acts import add_worker, base64_png, problem

from fourview.runners.local import LocalRunner

PREVIEW = "/api/v1/views/preview"


@pytest.fixture
def url(migrated_file, tmp_path):
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path)}"


@pytest.fixture
def make_runner():
    return lambda: LocalRunner("instant")


def test_a_preview_does_not_wait_behind_jobs(client, store, settings):
    add_worker(store)
    jobs = [client.post("/api/v1/jobs", json={"front": base64_png()}).json() for _ in range(3)]

    answer = client.post(PREVIEW, json={"front": base64_png(), "left": base64_png()})

    assert answer.status_code == 200, answer.text
    assert set(answer.json()["views"]) == {"front", "left"}
    assert all(client.get(f"/api/v1/jobs/{job['id']}").json()["status"] == "queued" for job in jobs)
    assert list(settings.scratch.glob("*")) == []


def test_a_preview_needs_nobody_who_runs_jobs(client):
    assert client.post(PREVIEW, json={"front": base64_png()}).status_code == 200
    assert problem(client.post("/api/v1/jobs", json={"front": base64_png()})) == (503, "not_ready")
