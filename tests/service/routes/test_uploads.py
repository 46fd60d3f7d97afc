# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures and meshes sent ahead, in every spelling, and what becomes of them."""

import asyncio
import errno
import hashlib
import io
import os
import time

import pytest
from PIL import Image
from service.acts import add_worker, base64_png, claim, png, problem, stl
from service.hosts import Host, ok, running

from fourview.service.inputs import load
from fourview.service.inputs.sources import tell
from fourview.service.store import accounts, keys
from fourview.service.store.outputs import digests_in_use

UPLOADS = "/api/v1/uploads"
OBJ = b"# a triangle\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


@pytest.fixture
def parameters(wire):
    host, port = wire.getsockname()
    return {"picture_max_mib": 1, "mesh_max_mib": 2, "body_max_mib": 3, "uploads_max_mib": 4,
            "outbound_ports": f"80,443,{port}", "outbound_test_hosts": f"{host}:{port}"}  # fmt: skip


def check_png(answer, side=32):
    upload = answer.json()
    assert (answer.status_code, upload["object"], upload["kind"]) == (201, "upload", "picture")
    assert (upload["media_type"], upload["width"], upload["height"]) == ("image/png", side, side)
    assert answer.headers["location"].endswith(f"{UPLOADS}/{upload['id']}")
    return upload


def test_a_picture_may_come_raw_as_a_part_as_base64_and_as_a_data_uri(client, context):
    text = base64_png()
    answers = [
        client.post(UPLOADS, content=png(), headers={"content-type": "image/png"}),
        client.post(UPLOADS, content=png(), headers={"content-type": "application/octet-stream"}),
        client.post(UPLOADS, files={"file": ("front.png", png(), "image/png")}),
        client.post(UPLOADS, json={"data": text}),
        client.post(UPLOADS, json={"data": f"data:image/png;base64,{text}"}),
        client.post(UPLOADS, data={"data": text}),
    ]

    shown = [check_png(answer) for answer in answers]

    assert len({upload["id"] for upload in shown}) == len(shown)
    assert len({upload["sha256"] for upload in shown}) == 1
    kept = context.files.read(shown[0]["sha256"])
    assert (hashlib.sha256(kept).hexdigest(), len(kept)) == (shown[0]["sha256"], shown[0]["bytes"])


def test_a_picture_may_be_fetched(client, wire):
    async def ask():
        async with running(Host(front=ok(png())), wire=wire) as host:
            return await asyncio.to_thread(client.post, UPLOADS, json={"data": f"http://127.0.0.1:{host.port}/front"})

    check_png(asyncio.run(ask()))


def test_what_a_picture_tells_of_its_owner_is_not_kept(client, context):
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x010F] = "a secret camera"
    Image.new("RGB", (40, 20)).save(file, "JPEG", exif=exif)

    upload = client.post(UPLOADS, content=file.getvalue(), headers={"content-type": "image/jpeg"}).json()

    assert (upload["media_type"], upload["width"], upload["height"]) == ("image/jpeg", 40, 20)
    assert b"secret" in file.getvalue()
    assert b"secret" not in context.files.read(upload["sha256"])


def test_a_mesh_is_told_by_how_it_begins_and_kept_as_it_is(client, context):
    kinds = {
        "model/gltf-binary": b"glTF\2\0\0\0", "model/obj": OBJ, "model/stl": stl(), "application/zip": b"PK\3\4zip",
        "application/octet-stream": b"ply\nformat ascii 1.0\n",
    }  # fmt: skip

    for media_type, data in kinds.items():
        answer = client.post(UPLOADS, content=data, headers={"content-type": "application/octet-stream"})
        upload = answer.json()
        assert (answer.status_code, upload["kind"], upload["media_type"]) == (201, "mesh", media_type)
        assert (upload["width"], upload["height"]) == (None, None)
        assert context.files.read(upload["sha256"]) == data


def test_a_mesh_may_be_larger_than_a_picture_but_not_than_its_own_limit(client):
    kind = {"content-type": "model/gltf-binary"}

    within = client.post(UPLOADS, content=b"glTF" + bytes(2**21 - 4), headers=kind)
    beyond = client.post(UPLOADS, content=b"glTF" + bytes(2**21), headers=kind)
    far_beyond = client.post(UPLOADS, content=b"glTF" + bytes(3 * 2**20), headers=kind)

    assert within.status_code == 201
    assert problem(beyond) == (400, "invalid_picture")
    assert str(2**21) in beyond.json()["detail"]
    assert problem(far_beyond) == (413, "too_large")


def test_what_cannot_be_used_is_refused_with_its_field_and_reason(client, context):
    large = png(side=16) + bytes(2**20)
    refused = [
        ({"files": {"file": ("x.gif", b"GIF89a" + bytes(20))}}, "invalid_picture", "/file", "a GIF"),
        ({"content": b"", "headers": {"content-type": "image/png"}}, "invalid_picture", "/file", "empty"),
        ({"content": png()[:60], "headers": {"content-type": "image/png"}}, "invalid_picture", "/file", "damaged"),
        ({"content": png(side=8), "headers": {"content-type": "image/png"}}, "invalid_picture", "/file", "8 x 8"),
        ({"content": large, "headers": {"content-type": "image/png"}}, "invalid_picture", "/file", "at most 1048576"),
        ({"json": {"data": "ftp://host/x"}}, "invalid_picture", "/data", "data"),
        ({"json": {"data": "http://10.0.0.1/x.png"}}, "invalid_picture", "/data", "10.0.0.1"),
        ({"json": {"data": "upl_" + "0" * 24}}, "invalid_field", "/data", "upload already"),
        ({"json": {"data": ""}}, "invalid_field", "/data", "empty"),
        ({"json": {"data": 5}}, "invalid_picture", "/data", "int"),
        ({"json": {}}, "invalid_field", "/file", "0 files"),
        ({"json": {"data": "x", "file": "y"}}, "invalid_field", "/file", "2 files"),
        ({"json": {"image": base64_png()}}, "invalid_field", "/image", "no field 'image'"),
        ({"json": {"data": "a\0b"}}, "malformed_body", "/data", "NUL"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, "malformed_body", None, "JSON"),
    ]

    for sent, code, pointer, says in refused:
        answer = client.post(UPLOADS, **sent)
        body = answer.json()
        assert (problem(answer), says in body["detail"]) == ((400, code), True), body
        assert [error["pointer"] for error in body["errors"]] == ([pointer] if pointer else []), body
    assert list(context.files.each()) == []


def test_a_kind_of_body_that_is_not_read_is_415(client):
    for kind in ("text/html", "video/mp4", "", "application/xml"):
        assert problem(client.post(UPLOADS, content=png(), headers={"content-type": kind})) == (415, "media_type")
    packed = {"content-type": "image/png", "content-encoding": "gzip"}
    assert problem(client.post(UPLOADS, content=png(), headers=packed)) == (415, "media_type")


def test_an_upload_is_shown_and_forgotten_by_its_account_alone(client, stranger, store, context):
    upload = client.post(UPLOADS, content=png(), headers={"content-type": "image/png"}).json()
    path = f"{UPLOADS}/{upload['id']}"
    with store.begin() as tx:
        bob = accounts.add_account(tx, "bob", time.time())
        other = {"x-api-key": keys.add_key(tx, bob.id, "bob's", time.time())[1]}

    assert client.get(path).json() == upload
    assert problem(stranger.get(path, headers=other)) == (404, "not_found")
    assert problem(stranger.delete(path, headers=other)) == (404, "not_found")
    assert stranger.get(path).status_code == stranger.delete(path).status_code == 401
    assert client.delete(path).status_code == 204
    assert problem(client.get(path)) == problem(client.delete(path)) == (404, "not_found")
    with store.read() as tx:
        assert upload["sha256"] not in digests_in_use(tx)


def test_a_hostile_id_is_no_upload(client):
    for upload_id in ("upl_" + "0" * 24, "x" * 4000, "%2e%2e", "%ff", "upl_..%2f"):
        assert problem(client.get(f"{UPLOADS}/{upload_id}")) == (404, "not_found")
        assert problem(client.delete(f"{UPLOADS}/{upload_id}")) == (404, "not_found")
    assert client.get(f"{UPLOADS}/upl_%00").json()["code"] == "invalid_field"


def test_an_upload_expires_when_the_settings_say(client, settings, monkeypatch):
    upload = client.post(UPLOADS, content=png(), headers={"content-type": "image/png"}).json()
    later = time.time() + settings.upload_keep_h * 3600

    monkeypatch.setattr(time, "time", lambda: later - 60)
    assert client.get(f"{UPLOADS}/{upload['id']}").status_code == 200
    monkeypatch.setattr(time, "time", lambda: later + 60)
    assert problem(client.get(f"{UPLOADS}/{upload['id']}")) == (404, "not_found")


def test_an_upload_is_a_picture_or_a_mesh_of_a_job(client, store):
    add_worker(store)
    front, mesh = (
        client.post(UPLOADS, content=data, headers={"content-type": "application/octet-stream"}).json()
        for data in (png(), OBJ)
    )

    made = client.post("/api/v1/jobs", json={"front": front["id"]})
    simplified = client.post("/api/v1/meshes/simplify", json={"mesh": mesh["id"], "target_face_num": 100})

    assert (made.status_code, simplified.status_code) == (201, 201)
    assert [claim(store).inputs, claim(store).inputs] == [{"front": front["sha256"]}, {"mesh": mesh["sha256"]}]


def test_the_upload_of_another_account_is_no_picture(client, context, store):
    upload = client.post(UPLOADS, content=png(), headers={"content-type": "image/png"}).json()
    with store.begin() as tx:
        bob = accounts.add_account(tx, "bob", time.time()).id

    with pytest.raises(Exception, match="not there"):
        asyncio.run(load.gather(context, bob, {"front": tell("front", upload["id"])}, {"front": "front"}))


def test_the_uploads_of_an_account_hold_no_more_than_they_may(client, store, context, monkeypatch):
    def mesh(number):
        return OBJ + b"# %d\n" % number + b"#" * 1_300_000

    def send(number, **headers):
        return client.post(UPLOADS, content=mesh(number), headers={"content-type": "model/obj"} | headers)

    first, *others = [send(number) for number in range(3)]
    full = send(3)
    assert context.files.find(hashlib.sha256(mesh(3)).hexdigest()) is None
    with store.begin() as tx:
        _, another = keys.add_key(tx, accounts.add_account(tx, "grace", time.time()).id, "", time.time())
    elsewhere = send(3, **{"x-api-key": another})

    assert [answer.status_code for answer in (first, *others, elsewhere)] == [201] * 4
    assert problem(full) == (429, "uploads_full")
    assert full.headers["retry-after"]
    assert client.delete(f"{UPLOADS}/{first.json()['id']}").status_code == 204
    assert send(4).status_code == 201
    assert send(5).status_code == 429
    later = time.time() + context.settings.upload_keep_h * 3600 + 1
    monkeypatch.setattr("fourview.service.routes.uploads.time.time", lambda: later)
    assert send(6).status_code == 201


def test_a_disk_that_fills_up_meanwhile_is_a_refusal_that_names_no_folder(client, context, monkeypatch):
    def fsync(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", fsync)

    answer = client.post(UPLOADS, content=png(), headers={"content-type": "image/png"})

    assert problem(answer) == (503, "disk_full")
    assert answer.headers["retry-after"]
    assert "/" not in answer.json()["detail"]
    assert list(context.files.each()) == []


def test_nothing_is_kept_on_a_full_disk(client, context, monkeypatch):
    monkeypatch.setattr(context.files, "free_mib", lambda: 0.5)

    answer = client.post(UPLOADS, content=png(), headers={"content-type": "image/png"})

    assert problem(answer) == (503, "disk_full")
    assert answer.headers["retry-after"]
    assert list(context.files.each()) == []
