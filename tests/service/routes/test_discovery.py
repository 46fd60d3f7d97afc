# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import gzip
import time

import pytest

from fourview.recipe import parameters
from fourview.service.health.probes import BEATS
from fourview.service.problems import PROBLEMS
from fourview.service.store import keys, ledger, signin, workers

ENGINE = {"installed": True, "version": "1.0", "licence": "Apache-2.0", "lacks": None}


def test_a_stranger_is_told_where_everything_is(stranger):
    found = stranger.get("/.well-known/fourview").json()

    assert found["needs_key"] is True
    for url in (found["openapi"], stranger.get("/errors/busy").url, f"{found['native']}/keys/self"):
        assert stranger.get(str(url)).status_code in (200, 401)


@pytest.mark.parametrize("accepts", ["gzip", "br, gzip;q=0.5", "GZIP , deflate"])
def test_the_document_is_compressed_for_who_takes_that(stranger, accepts):
    plain = stranger.get("/openapi.json", headers={"accept-encoding": "identity"})
    with stranger.stream("GET", "/openapi.json", headers={"accept-encoding": accepts}) as answer:
        packed = b"".join(answer.iter_raw())

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(packed))
    assert gzip.decompress(packed) == plain.content
    assert len(packed) < len(plain.content) / 5
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == answer.headers["vary"] == "Accept-Encoding"
    assert plain.headers["content-type"] == answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("accepts", ["", "br", "gzip;q=0", "gzip; q=0.000", "x-gzipped"])
def test_who_does_not_take_gzip_gets_none(stranger, accepts):
    assert "content-encoding" not in stranger.get("/openapi.json", headers={"accept-encoding": accepts}).headers


def test_who_has_the_document_is_not_sent_it_again_in_the_same_encoding(stranger):
    etags = {}
    for accepts in ("gzip", "identity"):
        known = etags[accepts] = stranger.get("/openapi.json", headers={"accept-encoding": accepts}).headers["etag"]
        answer = stranger.get("/openapi.json", headers={"accept-encoding": accepts, "if-none-match": f"W/{known}"})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", known)
        assert answer.headers["vary"] == "Accept-Encoding"

    crossed = stranger.get("/openapi.json", headers={"accept-encoding": "gzip", "if-none-match": etags["identity"]})

    assert crossed.status_code == 200


def test_the_document_has_a_head(stranger):
    head, whole = stranger.head("/openapi.json"), stranger.get("/openapi.json")

    names = ("content-length", "content-type", "content-encoding", "etag", "vary")
    assert head.status_code == 200
    assert [head.headers[name] for name in names] == [whole.headers[name] for name in names]


def test_llms_txt_has_every_parameter_with_its_range(stranger):
    answer = stranger.get("/llms.txt")

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert not [
        parameter.name for parameter in parameters() if f"`{parameter.name}` ({parameter.range})" not in answer.text
    ]


def test_the_type_of_every_problem_is_a_page_with_its_cure(stranger):
    for code, problem in PROBLEMS.items():
        answer = stranger.get(f"/errors/{code}")
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.text.startswith(f"{code}: {problem.title}")
    assert stranger.get("/errors/nothing").status_code == 404


def test_an_engine_is_installed_where_a_runner_that_lives_says_so(client, store, settings):
    now, gone = time.time(), time.time() - BEATS * settings.heartbeat_s - 1
    with store.begin() as tx:
        workers.register(tx, "a", ["mini"], {"engines": {"mini": ENGINE}}, now)
        lacking = ENGINE | {"installed": False, "lacks": "its weights"}
        workers.register(tx, "b", ["mini"], {"engines": {"mini": lacking, "hunyuan2mv": lacking}}, now)
        workers.register(tx, "c", ["hunyuan2mv"], {"engines": {"hunyuan2mv": ENGINE}}, gone)

    found = {model["id"]: model for model in client.get("/api/v1/models").json()["data"]}

    assert found["mini"]["installed"]
    assert found["mini"]["is_default"]
    assert found["mini"]["price"] == 0.1
    assert (found["hunyuan2mv"]["installed"], found["hunyuan2mv"]["lacks"]) == (False, "its weights")
    assert "guidance_scale" in found["hunyuan2mv"]["parameters"]
    assert "guidance_scale" not in found["mini"]["parameters"]


def test_a_key_sees_its_own_limits(client, store, key):
    with store.begin() as tx:
        _, other = keys.add_key(tx, key[0].account_id, "b", time.time(), rate_per_min=7, concurrency=2)

    mine = client.get("/api/v1/limits").json()
    others = client.get("/api/v1/limits", headers={"x-api-key": other}).json()

    assert (mine["requests_per_min"], mine["jobs_at_once"]) == (600, 4)
    assert (others["requests_per_min"], others["jobs_at_once"]) == (7, 2)


def test_the_ledger_is_read_page_by_page(client, store, key):
    with store.begin() as tx:
        for number in range(6):
            ledger.grant(tx, key[0].account_id, 500, f"gift {number}", time.time())

    notes, after = [], {}
    while True:
        page = client.get("/api/v1/usage", params={"limit": 3, **after}).json()
        notes += [row["note"] for row in page["data"]]
        if not page["has_more"]:
            break
        after = {"after": page["next"]}

    assert notes == [*(f"gift {number}" for number in reversed(range(6))), "start"]
    assert page["balance"] == 1003
    assert page["data"][-1] | {"id": "", "at": ""} == {
        "id": "", "kind": "grant", "credits": 1000, "change": 1000, "balance": 1000, "job_id": None, "note": "start",
        "at": "",
    }  # fmt: skip


@pytest.mark.parametrize("query", ["limit=0", "limit=many", "after=-1", "after=9223372036854775808"])
def test_a_page_that_cannot_be_is_refused(client, query):
    answer = client.get(f"/api/v1/usage?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_field")


def test_a_key_is_told_what_it_is_but_not_its_text(client, key):
    answer = client.get("/api/v1/keys/self")
    assert answer.json()["id"] == key[0].id
    assert key[1] not in answer.text


def test_a_sign_in_link_gives_a_key_of_the_account_once(stranger, store, key):
    with store.begin() as tx:
        word = signin.add_link(tx, key[0].id, time.time(), 60)

    first, second = (stranger.post("/api/v1/signin", json={"word": word}) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 401)
    mine = stranger.get("/api/v1/keys/self", headers={"x-api-key": first.json()["key"]}).json()
    assert (mine["account"], mine["name"]) == (key[0].account_id, "browser")
    assert mine["id"] != key[0].id


def test_a_link_of_a_revoked_key_and_an_invented_word_open_nothing(stranger, store, key):
    with store.begin() as tx:
        word = signin.add_link(tx, key[0].id, time.time(), 60)
        keys.revoke_key(tx, key[0].id, time.time())

    answers = [stranger.post("/api/v1/signin", json={"word": said}) for said in (word, "x" * 32)]
    malformed = stranger.post("/api/v1/signin", json={"word": "\0"})

    assert [answer.json()["code"] for answer in answers] == ["key_invalid"] * 2
    assert malformed.status_code == 400
