# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import re
import time

import pytest
from starlette.requests import Request

from fourview.service.http.auth import OPEN_ACCOUNT, Admitted, ReadBuckets, admit_with, ensure_open_account
from fourview.service.store import accounts, keys, ledger
from fourview.service.store.jobs import NewJob, add_job

PER_MIN = 5


@pytest.fixture
def app(app, context):
    @app.get("/api/v1/who")
    async def who(request: Request):
        return await admit_with(request, lambda tx, caller: {"account": caller.account_id, "pays": caller.pays})

    @app.post("/api/v1/who")
    async def who_changes(caller: Admitted):
        return {"account": caller.account_id}

    @app.post("/api/v1/spend")
    async def spend(caller: Admitted):
        new = NewJob(caller.account_id, caller.key.id, "hull", 1500, {}, {})
        await context.change(lambda tx: add_job(tx, new, time.time()))

    @app.post("/api/v1/break")
    async def fail():
        raise ZeroDivisionError

    return app


def test_a_key_is_taken_from_either_header(client, stranger, key):
    expected = {"account": key[0].account_id, "pays": True}
    assert client.get("/api/v1/who").json() == expected
    assert stranger.get("/api/v1/who", headers={"authorization": f"Bearer {key[1]}"}).json() == expected
    assert stranger.post("/api/v1/who", headers={"x-api-key": key[1]}).json() == {"account": key[0].account_id}


def test_a_missing_key_and_one_that_is_not_valid_are_told_apart(stranger, store, key):
    with store.begin() as tx:
        _, revoked = keys.add_key(tx, key[0].account_id, "old", 0)
        keys.revoke_key(tx, revoked[: keys.ID_LENGTH], 1)
        _, expired = keys.add_key(tx, key[0].account_id, "past", 0, expires_at=1)

    missing = stranger.get("/api/v1/who")
    wrong = [
        stranger.get("/api/v1/who", headers={"x-api-key": text})
        for text in (key[1][:-1], "fv_", "nonsense", "\xe9".encode("latin-1"), revoked, expired)
    ]

    assert (missing.status_code, missing.json()["code"]) == (401, "key_missing")
    assert {(one.status_code, one.json()["code"]) for one in wrong} == {(401, "key_invalid")}
    assert len({one.json()["detail"] for one in wrong}) == 1
    assert not any("x-remaining-credits" in one.headers for one in (missing, *wrong))


def test_a_key_that_is_revoked_opens_nothing_from_then_on(client, store, key):
    assert client.get("/api/v1/who").status_code == 200
    with store.begin() as tx:
        keys.revoke_key(tx, key[0].id, time.time())
    assert client.get("/api/v1/who").status_code == 401


def test_every_answer_to_a_valid_key_tells_what_is_left(client):
    answers = [
        client.get("/api/v1/who"),
        client.get("/nowhere"),
        client.put("/api/v1/who"),
        client.post("/api/v1/break"),
        client.post("/api/v1/signin", content="{", headers={"content-type": "application/json"}),
        client.post("/api/v1/who", content=b"x", headers={"content-length": str(2**40)}),
        client.get("/api/v1/who", headers={"host": "evil.example"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 404, 405, 500, 400, 413, 400]
    assert {answer.headers["x-remaining-credits"] for answer in answers} == {"1000"}


def test_what_is_left_is_told_after_the_request_has_spent_it(client):
    assert client.post("/api/v1/spend").headers["x-remaining-credits"] == "998.5"
    assert client.get("/api/v1/who").headers["x-remaining-credits"] == "998.5"


class TestRate:
    @pytest.fixture
    def parameters(self):
        return {"rate_per_min": PER_MIN}

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_key_may_ask_so_often_and_is_told_when_it_may_again(self, client, method):
        answers = [client.request(method, "/api/v1/who") for _ in range(PER_MIN + 1)]

        assert [answer.status_code for answer in answers] == [200] * PER_MIN + [429]
        last = answers[-1]
        assert last.json()["code"] == "rate_limited"
        assert 1 <= int(last.headers["retry-after"]) <= 60 / PER_MIN
        policy = "reads" if method == "GET" else "changes"
        assert last.headers["ratelimit-policy"] == f'"{policy}";q={PER_MIN};w=60'
        assert re.fullmatch(rf'"{policy}";r=0;t=60', last.headers["ratelimit"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", last.headers["x-rate-limit-reset-at-utc"])
        assert last.headers["x-remaining-credits"] == "1000"

    def test_reads_changes_and_other_keys_do_not_wait_for_each_other(self, client, store, key):
        with store.begin() as tx:
            _, other = keys.add_key(tx, key[0].account_id, "other", time.time(), rate_per_min=100)
        for _ in range(PER_MIN + 1):
            assert client.get("/api/v1/who").headers["ratelimit-policy"].startswith('"reads"')

        assert client.post("/api/v1/who").status_code == 200
        answer = client.get("/api/v1/who", headers={"x-api-key": other})
        assert (answer.status_code, answer.headers["ratelimit-policy"]) == (200, '"reads";q=100;w=60')


def test_a_bucket_fills_up_with_time_and_no_further_than_it_is():
    bucket = ReadBuckets()

    taken = [bucket.take("k", 60, 1000.0).allowed for _ in range(61)]
    later = [bucket.take("k", 60, 1002.0).allowed for _ in range(3)]
    much_later = [bucket.take("k", 60, 9000.0).allowed for _ in range(61)]

    assert taken == [True] * 60 + [False]
    assert later == [True, True, False]
    assert much_later == [True] * 60 + [False]
    assert bucket.take("k", 60, 8000.0).wait_s == pytest.approx(1)  # a clock that went back fills nothing


class TestNoAuth:
    @pytest.fixture
    def parameters(self):
        return {"no_auth": True, "rate_per_min": 1}

    def test_everybody_is_the_house_and_nothing_is_counted(self, stranger, store):
        ensure_open_account(store, 1.0)
        ensure_open_account(store, 2.0)

        answers = [stranger.get("/api/v1/who"), stranger.get("/api/v1/who", headers={"x-api-key": "any"})]
        answers += [stranger.post("/api/v1/who") for _ in range(3)]

        with store.read() as tx:
            house = accounts.find_account(tx, OPEN_ACCOUNT)
            assert len(keys.list_keys(tx)) == 1
            assert ledger.balance(tx, house.id) == 0
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.json()["account"] for answer in answers} == {house.id}
        assert not any("x-remaining-credits" in answer.headers for answer in answers)

    def test_before_the_house_is_open_nobody_comes_in(self, stranger):
        assert stranger.get("/api/v1/who").json()["code"] == "not_ready"
