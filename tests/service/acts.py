# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What happens to jobs where no runner is: the test claims them, and tells how they end."""

import base64
import io
import time

from PIL import Image

from fourview.service.store import queue, workers
from fourview.service.store.outputs import Output

RESULT = {
    "version": "1.0",
    "engine": {"name": "mini", "version": "1.0", "licence": "Apache-2.0", "device": "cpu"},
    "timings_s": {"matte": 0.25, "export": 0.0104},
    "mesh": {
        "faces": 996, "vertices": 500, "watertight": True, "manifold": True, "components": 1, "euler": 2,
        "volume": 0.5, "bounds": [[-1, -0.5, -0.5], [1, 0.5, 0.5]], "degenerate": 0,
    },
    "warnings": [{"code": "crumbs_dropped", "message": "2 small parts were dropped", "field": None}],
}  # fmt: skip


def png(side=32, colour=(200, 30, 30)):
    """The bytes of a picture."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "PNG")
    return file.getvalue()


def base64_png(**more):
    return base64.b64encode(png(**more)).decode()


def stl():
    """The bytes of a mesh of one face."""
    corners = b"vertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\n"
    return b"solid x\nfacet normal 0 0 1\nouter loop\n" + corners + b"endloop\nendfacet\nendsolid x\n"


def add_worker(store, *engines):
    """Somebody is there who runs jobs."""
    with store.begin() as tx:
        workers.register(tx, "w", list(engines or ("mini", "hull")), {"device": "cpu"}, time.time())


def claim(store, engines=("mini", "hull")):
    with store.begin() as tx:
        return queue.claim(tx, "w", list(engines), time.time(), 30)


def report(store, job, stage, progress, **more):
    with store.begin() as tx:
        assert queue.report_steps(tx, job.lease, [(stage, progress, more)], time.time())


def finish(store, job, outputs=(), result=RESULT, seed_used=7):
    with store.begin() as tx:
        assert queue.finish(tx, job.lease, result, list(outputs), time.time(), seed_used)


def fail(store, job, code="no_surface"):
    with store.begin() as tx:
        assert queue.fail(tx, job.lease, {"code": code, "message": "why", "retryable": False}, time.time())


def stop(store, job):
    with store.begin() as tx:
        assert queue.stop(tx, job.lease, time.time())


def model(files, data=b"glTF model"):
    """The file of a model, and the row that names it."""
    artifact = files.put(data)
    return Output("model.glb", "glb", artifact.bytes, artifact.digest)


def problem(answer):
    """Status and code of a refusal to a valid key."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert "x-remaining-credits" in answer.headers
    return answer.status_code, answer.json()["code"]
