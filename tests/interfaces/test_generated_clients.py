# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Clients that real generators make of the service's own OpenAPI document send files, and get models."""

import json
import subprocess
import sys
import time
from importlib import import_module
from io import BytesIO
from pathlib import Path

import pytest
from require import TESTS, require

import fourview
from fourview.service.store import jobs

ROBOT = Path(fourview.__file__).parent / "examples" / "robot"
SIDES = ("front", "left", "back", "right")


@pytest.fixture
def client_package(standing, tmp_path, monkeypatch):
    """The package that openapi-python-client writes, and a client of it with a key."""
    pytest.importorskip("openapi_python_client", reason="pip install openapi-python-client")
    where = ["--url", f"{standing.base_url}/openapi.json", "--output-path", tmp_path / "written_client"]
    run([sys.executable, "-m", "openapi_python_client", "generate", *where, "--meta", "none"])
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("written_client")
    for name in [name for name in sys.modules if name.startswith("written_client")]:
        del sys.modules[name]


def test_openapi_python_client_sends_pictures_and_gets_models(standing, client_package):
    def operation(name):
        return import_module(f"written_client.api.{name}")

    types, models = import_module("written_client.types"), import_module("written_client.models")
    key = standing.add_key()
    client = client_package.AuthenticatedClient(
        standing.base_url, key, prefix="", auth_header_name="x-api-key", raise_on_unexpected_status=True
    )

    def file(side):
        return types.File(BytesIO((ROBOT / f"{side}.png").read_bytes()))

    def hosted():
        return {f"{side}_image": file(side) for side in SIDES} | {"seed": 7, "randomize_seed": False}

    with client:
        v1 = operation("compatible.generate_v1_hunyuan3d_2mv_post").sync_detailed(
            client=client, body=models.GenerateV1Hunyuan3D2MvPostFilesBody(**hosted())
        )
        v2 = operation("compatible.enqueue_v2_hunyuan3d_2mv_post").sync(
            client=client, body=models.EnqueueV2Hunyuan3D2MvPostFilesBody(**hosted())
        )
        result = wait(
            lambda: operation("compatible.result_v2_requests_request_id_get").sync(v2.request_id, client=client)
        )
        pictures = {side: file(side) for side in SIDES}
        job = operation("jobs.make_job_api_v1_jobs_post").sync(
            client=client, body=models.MakeJobApiV1JobsPostFilesBody(**pictures, tags="a,b")
        )
        job = wait(lambda: operation("jobs.read_job_api_v1_jobs_job_id_get").sync(job.id, client=client))
        model = operation("jobs.read_file_api_v1_jobs_job_id_files_name_get").sync_detailed(
            job.id, "model.glb", client=client
        )
        upload = operation("uploads.upload_api_v1_uploads_post").sync(
            client=client, body=models.UploadApiV1UploadsPostFilesBody(file("front"))
        )
        ahead = operation("jobs.make_job_api_v1_jobs_post").sync(
            client=client, body=models.MakeJobApiV1JobsPostJsonBody(upload.id)
        )

    assert (v1.content[:4], model.content[:4]) == (b"glTF", b"glTF")
    assert (result.output.startswith(standing.base_url), result.seed, job.tags) == (True, 7, ["a", "b"])
    assert (upload.kind, upload.width) == ("picture", 512)
    for job_id in (v1.headers["x-job-id"], v2.request_id, job.id):
        assert sides_of(standing, job_id) == {*SIDES}
    assert sides_of(standing, ahead.id) == {"front"}


def test_hey_api_sends_pictures_and_gets_models(standing, tmp_path):
    node, tools = require("node"), TESTS / "node_modules"
    written = tmp_path / "client"
    run([node, tools / "@hey-api/openapi-ts/bin/run.js", "-i", f"{standing.base_url}/openapi.json", "-o", written,
         "-c", "@hey-api/client-fetch"], cwd=TESTS)  # fmt: skip
    program = tmp_path / "generated_client.ts"
    program.write_bytes((TESTS / "interfaces" / program.name).read_bytes())
    run([node, tools / "typescript/bin/tsc", "--strict", "--module", "commonjs", "--target", "es2022", "--skipLibCheck",
         program], cwd=tmp_path)  # fmt: skip

    told = json.loads(run([node, program.with_suffix(".js"), standing.base_url, standing.add_key(), ROBOT]))

    assert told["models"] == ["glTF", "glTF"]
    assert told["upload"] == ["picture", 512]
    assert told["previewed"] == ["front"]
    for job_id in told["jobs"]:
        assert sides_of(standing, job_id) == {*SIDES}


def run(command, cwd=None):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait(ask):
    """What is answered about a job that has ended."""
    until = time.monotonic() + 60
    while (found := ask()).status not in ("COMPLETED", "succeeded"):
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found


def sides_of(server, job_id):
    """The pictures that a job was made with."""
    with server.store.begin() as tx:
        return set(jobs.find_job(tx, job_id).inputs)
