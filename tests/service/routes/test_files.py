# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Files of jobs as clients get them; other formats are made by the real process of the device `instant`."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service import acts

from fourview.runners.local import LocalRunner
from fourview.service.routes.files import Pieces
from fourview.service.signing import sign
from fourview.service.store import accounts, jobs, keys
from fourview.service.store.jobs import NewJob
from fourview.service.store.outputs import Output, add_outputs, list_outputs

MODEL = b"glTF" + bytes(range(256)) * 4
JOBS = "/api/v1/jobs"


@pytest.fixture
def make_runner():
    made = []

    def make():
        made.append(LocalRunner("instant"))
        return made[-1]

    make.made = made
    yield make
    for runner in made:
        runner.kill()


def add_job(store, key, **more):
    with store.begin() as tx:
        new = NewJob(key.account_id, key.id, "hull", 0, {}, {"front": "0" * 64}, **more)
        return jobs.add_job(tx, new, time.time())


@pytest.fixture
def job(store, context, key):
    """A job that has succeeded, with its model and its preview."""
    add_job(store, key[0])
    picture = context.files.put(b"\x89PNG")
    outputs = [acts.model(context.files, MODEL), Output("preview.png", "png", picture.bytes, picture.digest)]
    job = acts.claim(store)
    acts.finish(store, job, outputs)
    return job.id


@pytest.fixture
def path(job):
    return f"{JOBS}/{job}/files/model.glb"


def check_problem(answer, status, code, *says):
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    for word in says:
        assert word in body["detail"]


# Whole


def test_a_file_comes_whole_with_its_type_name_digest_and_length(client, context, path):
    answer = client.get(path)

    assert (answer.status_code, answer.content) == (200, MODEL)
    expected = {
        "content-type": "model/gltf-binary", "content-length": str(len(MODEL)), "accept-ranges": "bytes",
        "content-disposition": 'attachment; filename="model.glb"', "etag": f'"{context.files.put(MODEL).digest}"',
        "cache-control": "private, no-cache", "x-content-type-options": "nosniff", "x-remaining-credits": "1000",
    }  # fmt: skip
    assert {name: answer.headers[name] for name in expected} == expected


def test_a_file_is_never_compressed_on_its_way(client, path):
    answer = client.get(path, headers={"accept-encoding": "gzip"})

    assert "content-encoding" not in answer.headers
    assert answer.headers["content-length"] == str(len(MODEL))


def test_a_head_tells_the_same_and_sends_nothing(client, path):
    head, whole = client.head(path), client.get(path)

    assert (head.status_code, head.content) == (200, b"")
    own = ("x-request-id", "ratelimit", "x-rate-limit-reset-at-utc")
    assert [item for item in head.headers.items() if item[0] not in own] == [
        item for item in whole.headers.items() if item[0] not in own
    ]


def test_the_preview_may_be_shown_in_place(client, job):
    saved, shown = (client.get(f"{JOBS}/{job}/files/preview.png", params=more) for more in ({}, {"inline": 1}))

    assert saved.headers["content-type"] == shown.headers["content-type"] == "image/png"
    assert saved.headers["content-disposition"] == 'attachment; filename="preview.png"'
    assert shown.headers["content-disposition"] == 'inline; filename="preview.png"'


def test_who_has_the_file_is_not_sent_it_again(client, path):
    etag = client.get(path).headers["etag"]

    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = client.get(path, headers={"if-none-match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert client.get(path, headers={"if-none-match": '"other"'}).status_code == 200


# Ranges


def test_any_range_is_that_part_of_the_file(client, path):
    number = st.integers(0, len(MODEL) + 50)

    @settings(max_examples=60, deadline=None, database=None)
    @given(st.one_of(st.tuples(number, number), st.tuples(number, st.none()), st.tuples(st.none(), number)))
    def check(ends):
        begin, last = ends
        spelling = f"bytes={'' if begin is None else begin}-{'' if last is None else last}"
        answer = client.get(path, headers={"range": spelling})
        if begin is None:
            first, end = max(0, len(MODEL) - last), len(MODEL)
        else:
            first, end = begin, len(MODEL) if last is None else min(last + 1, len(MODEL))
        if begin is not None and last is not None and last < begin:  # is no range
            assert (answer.status_code, answer.content) == (200, MODEL)
        elif first >= end:
            check_problem(answer, 416, "range", str(len(MODEL)))
            assert answer.headers["content-range"] == f"bytes */{len(MODEL)}"
        else:
            assert (answer.status_code, answer.content) == (206, MODEL[first:end])
            assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/{len(MODEL)}"
            assert answer.headers["content-length"] == str(end - first)

    check()


def test_what_is_not_one_range_of_bytes_is_answered_with_the_whole_file(client, path):
    for header in ("bytes=0-1,4-5", "lines=0-1", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "x" * 999):
        answer = client.get(path, headers={"range": header})
        assert (answer.status_code, answer.content) == (200, MODEL)


def test_a_range_of_another_file_is_answered_with_the_whole_file(client, path):
    etag = client.get(path).headers["etag"]

    same = client.get(path, headers={"range": "bytes=0-3", "if-range": etag})
    for other in ('"other"', f"W/{etag}", "Mon, 23 Nov 2026 00:00:00 GMT"):
        answer = client.get(path, headers={"range": "bytes=0-3", "if-range": other})
        assert (answer.status_code, answer.content) == (200, MODEL)

    assert (same.status_code, same.content) == (206, MODEL[:4])


# Who may


def test_a_signed_url_opens_its_file_without_a_key_and_nothing_else(client, stranger, job):
    outputs = {output["name"]: output["url"] for output in client.get(f"{JOBS}/{job}").json()["outputs"]}
    url = urlsplit(outputs["model.glb"])

    whole = stranger.get(outputs["model.glb"])
    part = stranger.get(outputs["model.glb"], headers={"range": "bytes=0-3"})
    others = [f"{url.path.replace('model.glb', 'preview.png')}?{url.query}", outputs["model.glb"][:-2] + "xx"]

    assert whole.content == MODEL
    assert (part.status_code, part.content) == (206, b"glTF")
    for other in others:
        check_problem(stranger.get(other), 401, "signature_invalid")
    check_problem(stranger.get(url.path), 401, "key_missing")


def test_an_expired_url_and_one_for_another_purpose_open_nothing(stranger, context, path):
    expired = sign(path, purpose="file", expires_at=int(time.time()) - 1, secrets=context.secrets)
    other = sign(path, purpose="events", expires_at=int(time.time()) + 60, secrets=context.secrets)

    check_problem(stranger.get(expired), 401, "signature_invalid", "expired")
    check_problem(stranger.get(other), 401, "signature_invalid")


def test_the_files_of_another_account_are_not_there(stranger, store, path):
    with store.begin() as tx:
        bob = accounts.add_account(tx, "bob", time.time())
        text = keys.add_key(tx, bob.id, "bob's", time.time())[1]

    check_problem(stranger.get(path, headers={"x-api-key": text}), 404, "not_found")


def test_a_hostile_name_is_no_file(client, job):
    names = ["%2e%2e", "..%2f..%2fstate.db", "%2fetc%2fpasswd", "model.glb%2f", "x" * 4000,
             "model.fbx", "MODEL.GLB", "preview.jpg", "model.glb ", "%ff%fe", "\u202emodel.glb"]  # fmt: skip

    for name in names:
        check_problem(client.get(f"{JOBS}/{job}/files/{name}"), 404, "not_found")
    check_problem(client.get(f"{JOBS}/{job}/files/model.glb%00"), 400, "invalid_field")


def test_a_hostile_job_has_no_files(client):
    for job_id in ("%2e%2e", "job_" + "0" * 24, "x" * 4000, "%ff", "job_%F0%9F%98%80"):
        check_problem(client.get(f"{JOBS}/{job_id}/files/model.glb"), 404, "not_found")


def test_a_job_that_has_not_succeeded_has_no_files(client, store, key):
    waiting = add_job(store, key[0]).id
    check_problem(client.get(f"{JOBS}/{waiting}/files/model.glb"), 409, "job_not_final", "queued")

    acts.fail(store, acts.claim(store))
    check_problem(client.get(f"{JOBS}/{waiting}/files/model.glb"), 404, "not_found", "failed")


def test_other_methods_are_not_allowed(client, path):
    answer = client.post(path)

    check_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"


# What went wrong


def test_a_file_that_is_cut_off_or_gone_is_our_fault_and_never_half_an_answer(client, settings, context, path):
    digest = context.files.put(MODEL).digest

    def check():
        for headers in ({}, {"range": "bytes=0-3"}):
            answer = client.get(path, headers=headers)
            check_problem(answer, 500, "internal")
            assert digest not in answer.text

    (settings.state_dir / "files" / digest[:2] / digest).write_bytes(MODEL[:10])
    check()
    context.files.drop(digest)
    check()


def test_a_file_that_goes_before_its_first_byte_is_our_fault_too(client, context, path, monkeypatch):
    """Between the look at it and the reading of it."""
    find = context.files.find

    def find_and_drop(digest):
        artifact = find(digest)
        context.files.drop(digest)
        return artifact

    monkeypatch.setattr(context.files, "find", find_and_drop)

    check_problem(client.get(path), 500, "internal")


def test_a_client_that_goes_away_leaves_no_open_file():
    """The server says so while an answer is sent to somebody who no longer reads."""
    is_closed = False

    async def endless():
        nonlocal is_closed
        try:
            while True:
                yield b"piece"
        finally:
            is_closed = True

    async def serve():
        is_stuck = asyncio.Event()

        async def send(message):
            if message.get("body"):
                is_stuck.set()
                await asyncio.Event().wait()

        async def receive():
            await is_stuck.wait()
            return {"type": "http.disconnect"}

        scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
        await Pieces(endless(), 200, {})(scope, receive, send)
        return is_closed

    assert asyncio.run(serve())


# Other formats

HEADS = {
    "model.obj": (b"# fourview ", "model/obj"),
    "model.ply": (b"ply\n", "application/octet-stream"),
    "model.stl": (b"fourview ", "model/stl"),
}


def test_a_model_in_another_format_is_made_once_and_then_read(client, job, make_runner):
    first = {name: client.get(f"{JOBS}/{job}/files/{name}") for name in HEADS}
    for runner in make_runner.made:
        runner.kill()
    again = {name: client.get(f"{JOBS}/{job}/files/{name}") for name in HEADS}

    shown = {output["name"]: output for output in client.get(f"{JOBS}/{job}").json()["outputs"]}
    for name, (head, media_type) in HEADS.items():
        assert first[name].status_code == again[name].status_code == 200
        assert first[name].content.startswith(head)
        assert first[name].headers["content-type"] == media_type
        assert first[name].headers["content-disposition"] == f'attachment; filename="{name}"'
        assert first[name].headers["x-remaining-credits"] == "1000"
        assert again[name].content == first[name].content
        assert shown[name]["bytes"] == len(first[name].content)


def test_many_who_ask_at_once_for_a_format_wait_for_one_work(client, store, context, job, make_runner, monkeypatch):
    begun, run = [], context.quick_lane.run
    monkeypatch.setattr(type(context.quick_lane), "run", lambda self, order: begun.append(order) or run(order))

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(client.get, [f"{JOBS}/{job}/files/model.ply"] * 12))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(begun) == 1
    with store.read() as tx:
        assert [output.name for output in list_outputs(tx, job)] == ["model.glb", "model.ply", "preview.png"]


def test_a_signed_url_of_a_format_that_was_not_made_yet_makes_it(stranger, context, job):
    url = sign(
        f"{JOBS}/{job}/files/model.stl", purpose="file", expires_at=int(time.time()) + 60, secrets=context.secrets
    )

    assert stranger.get(url).content.startswith(b"fourview ")


def test_an_obj_with_its_texture_is_a_zip_under_both_names(client, store, context, key):
    add_job(store, key[0])
    archive = context.files.put(b"PK\3\4" + os.urandom(40))
    outputs = [acts.model(context.files), Output("model.zip", "zip", archive.bytes, archive.digest)]
    job = acts.claim(store)
    acts.finish(store, job, outputs)

    for name in ("model.obj", "model.zip"):
        answer = client.get(f"{JOBS}/{job.id}/files/{name}")
        assert (answer.status_code, answer.content) == (200, context.files.read(archive.digest))
        assert answer.headers["content-type"] == "application/zip"
        assert answer.headers["content-disposition"] == 'attachment; filename="model.zip"'


def test_a_job_that_is_deleted_while_a_format_is_made_is_not_there(client, store, context, job, monkeypatch):
    put = context.files.put

    def delete_first(source):
        with store.begin() as tx:
            assert jobs.delete_job(tx, job)
        return put(source)

    monkeypatch.setattr(context.files, "put", delete_first)

    check_problem(client.get(f"{JOBS}/{job}/files/model.obj"), 404, "not_found", "deleted")


def test_two_processes_that_make_a_format_at_once_agree(client, store, context, job, monkeypatch):
    put, there = context.files.put, b"by the other process"

    def be_late(source):
        artifact = put(there)
        with store.begin() as tx:
            add_outputs(tx, job, [Output("model.obj", "obj", artifact.bytes, artifact.digest)])
        return put(source)

    monkeypatch.setattr(context.files, "put", be_late)

    assert client.get(f"{JOBS}/{job}/files/model.obj").content == there
