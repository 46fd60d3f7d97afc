# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Files over real connections: readers that leave, paths that no client would write, formats on demand."""

import os
import shutil
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from interfaces.pictures import PNG, noise
from interfaces.server import END_S, Server

from fourview.service.store.tables import outputs

JOBS, UPLOADS = "/api/v1/jobs", "/api/v1/uploads"


@pytest.fixture
def client(standing):
    with standing.client() as client:
        yield client


@pytest.fixture
def job(client):
    return client.post(JOBS, files={"front": ("front.png", PNG)}, headers={"Prefer": "wait=60"}).json()


def ask(server, path, key):
    """The status of a request whose path goes over the wire as it stands here."""
    with socket.create_connection(("127.0.0.1", server.port)) as wire:
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: {key}\r\nConnection: close\r\n\r\n"
        wire.sendall(head.encode("latin-1"))
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
    return int(answer.split()[1]), answer.partition(b"\r\n\r\n")[2]


def test_no_spelling_of_a_path_leads_out_of_the_files(standing, job, client):
    base, key = f"{JOBS}/{job['id']}/files", client.headers["x-api-key"]
    names = ["../../../../etc/passwd", "..", "../files/../../x", "%2e%2e/%2e%2e/state.db", "..%2f..%2fstate.db",
             "%2e%2e%5cstate.db", "/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd", "model.glb/", "model.glb/.",
             "model.glb;x", "model.glb%20", "model%2eglb%2f..", "x" * 8000, "%ff", "%c0%ae%c0%ae"]  # fmt: skip

    assert ask(standing, f"{base}/model.glb", key)[1].startswith(b"glTF")
    for name in names:
        status, content = ask(standing, f"{base}/{name}", key)
        assert (status, b"root:" in content, b"SQLite" in content) == (404, False, False), name
        assert b'"not_found"' in content, name
    for name in ("%00", "model.glb%00.png"):
        assert ask(standing, f"{base}/{name}", key)[0] in (400, 404)


def test_every_format_comes_over_the_wire(client, job):
    heads = {"obj": b"# fourview ", "ply": b"ply\n", "stl": b"fourview ", "glb": b"glTF"}

    for file_type, head in heads.items():
        answer = client.get(f"{JOBS}/{job['id']}/files/model.{file_type}")
        assert (answer.status_code, len(answer.content)) == (200, int(answer.headers["content-length"]))
        assert answer.content.startswith(head)
    assert client.head(f"{JOBS}/{job['id']}/files/preview.png").headers["content-type"] == "image/png"


def test_readers_that_leave_and_readers_that_sleep_cost_nothing(serve, tmp_path):
    """Forty connections that stop reading hold no thread, and those that are closed hold no file."""
    server = serve()
    files = tmp_path / "files"
    with server.client() as client:
        job = client.post(JOBS, files={"front": ("front.png", PNG)}, headers={"Prefer": "wait=60"}).json()
        output = next(output for output in job["outputs"] if output["name"] == "model.glb")
        artifact = files / output["sha256"][:2] / output["sha256"]
        _grow(server, job["id"], artifact)
        url = urlsplit(output["url"])

        readers = []
        for _ in range(50):  # more than there are threads
            wire = socket.create_connection(("127.0.0.1", server.port))
            wire.sendall(f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert wire.recv(1024).startswith(b"HTTP/1.1 200 OK")
            readers.append(wire)
        assert _opened(server, artifact) == 50
        assert client.get(f"{JOBS}/{job['id']}").status_code == 200
        for wire in readers:
            wire.close()

        until = time.monotonic() + END_S
        while _opened(server, artifact):
            assert time.monotonic() < until
            time.sleep(0.02)
        assert client.get("/health/live").status_code == 200


def _grow(server, job_id, artifact):
    """Let the model be larger than what a connection holds by itself."""
    with artifact.open("ab") as file:
        file.write(bytes(2**25))
    with server.store.begin() as tx:
        mine = outputs.c.job_id == job_id, outputs.c.name == "model.glb"
        tx.execute(outputs.update().where(*mine).values(bytes=artifact.stat().st_size))


def _opened(server, artifact):
    """How often the process has a file open."""
    count = 0
    for handle in Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            count += os.readlink(handle) == str(artifact)
        except FileNotFoundError:
            continue
    return count


def test_large_uploads_come_in_whole_in_every_form(client):
    picture = noise(7)
    sent = [
        client.post(UPLOADS, content=picture, headers={"content-type": "image/png"}),
        client.post(UPLOADS, files={"file": ("front.png", picture)}),
    ]

    assert [answer.status_code for answer in sent] == [201, 201]
    assert {answer.json()["bytes"] for answer in sent} == {len(picture)}


def test_everything_may_lie_in_a_bucket(migrated_file, tmp_path):
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    s3 = ThreadedMotoServer("127.0.0.1", 0)
    s3.start()
    host, port = s3.get_host_and_port()
    where = f"endpoint=http://{host}:{port}&region=us-east-1&access_key_id=a&secret_access_key=b"
    httpx.put(f"http://{host}:{port}/models").raise_for_status()
    database = f"sqlite:///{shutil.copy(migrated_file, tmp_path)}"
    server = Server(database, tmp_path, files_url=f"s3://models/here?{where}").start()
    try:
        with server.client() as client:
            upload = client.post(UPLOADS, files={"file": ("front.png", PNG)}).json()
            job = client.post(JOBS, json={"front": upload["id"]}, headers={"Prefer": "wait=60"}).json()
            model = f"{JOBS}/{job['id']}/files/model.glb"
            whole = client.get(model)
            part = client.get(model, headers={"range": "bytes=4-7"})
            stl = client.get(f"{JOBS}/{job['id']}/files/model.stl")
    finally:
        server.close()
        s3.stop()

    assert (job["status"], whole.content[:4], len(whole.content)) == ("succeeded", b"glTF", job["outputs"][0]["bytes"])
    assert (part.status_code, part.content) == (206, whole.content[4:8])
    assert stl.content.startswith(b"fourview ")
    assert not (tmp_path / "state" / "files").exists()
