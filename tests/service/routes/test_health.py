# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import asyncio
import time

import httpx
import pytest
import structlog
from starlette.testclient import TestClient

from fourview.service.health.probes import BEATS
from fourview.service.http.auth import ensure_open_account
from fourview.service.store import workers


@pytest.fixture
def runner(store, settings):
    """A runner that was seen `ago` seconds ago."""

    def seen(ago=0.0):
        with store.begin() as tx:
            workers.register(tx, "w", ["hull"], {}, time.time() - ago)

    return seen


def test_a_service_with_a_runner_is_ready(stranger, runner):
    runner()

    assert stranger.get("/health/live").json() == {"status": "live"}
    answer = stranger.get("/health/ready")
    assert answer.status_code == 200
    assert set(answer.json()["checks"].values()) == {"ok"}


def test_without_a_runner_that_was_seen_lately_it_is_not(stranger, runner, settings):
    assert stranger.get("/health/ready").json()["checks"]["runners"] != "ok"
    runner(ago=settings.heartbeat_s * BEATS + 1)
    answer = stranger.get("/health/ready")

    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert answer.headers["retry-after"]
    assert answer.json()["checks"] == {"database": "ok", "runners": "no runner is there", "files": "ok", "disk": "ok"}


def test_a_service_that_stops_is_not_ready(stranger, runner, context):
    runner()
    context.wakeups.close()

    assert stranger.get("/health/ready").json()["checks"]["process"] == "the service is stopping"


def test_without_a_database_it_lives_and_is_not_ready(stranger, runner, context):
    runner()
    with context.store.begin() as tx:
        tx.exec_driver_sql("ALTER TABLE workers RENAME TO gone")
    try:
        with structlog.testing.capture_logs() as told:
            answer = stranger.get("/health/ready")
    finally:
        with context.store.begin() as tx:
            tx.exec_driver_sql("ALTER TABLE gone RENAME TO workers")

    assert stranger.get("/health/live").status_code == 200
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == "the database does not answer"
    (reason,) = [line for line in told if line["event"] == "not_ready"]
    assert reason["check"] == "database"
    assert "workers" in reason["error"]
    assert "workers" not in answer.text


def test_however_many_ask_at_once_it_is_looked_at_once(app, runner, monkeypatch):
    runner()
    looks, put = [], app.state.context.files.put
    monkeypatch.setattr(app.state.context.files, "put", lambda data: looks.append(1) or put(data))

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            return await asyncio.gather(*(client.get("/health/ready") for _ in range(20)))

    assert {answer.status_code for answer in asyncio.run(ask())} == {200}
    assert looks == [1]


class TestFullDisk:
    @pytest.fixture
    def parameters(self):
        return {"disk_free_min_mib": 100_000_000}

    def test_with_a_full_disk_it_is_not_ready(self, stranger, runner):
        runner()
        assert stranger.get("/health/ready").json()["checks"]["disk"] == "the disk is nearly full"


def test_the_numbers_are_for_whoever_has_a_key_also_on_this_machine(app, key):
    """A proxy on this machine may forward a stranger's request without any header that shows it."""
    here = TestClient(app, "http://testserver", client=("127.0.0.1", 1))

    assert here.get("/metrics").status_code == 401
    assert here.get("/metrics", headers={"x-forwarded-for": "203.0.113.7"}).status_code == 401
    assert here.get("/metrics", headers={"authorization": f"Bearer {key[1]}"}).status_code == 200


class TestWithoutKeys:
    @pytest.fixture
    def parameters(self):
        return {"no_auth": True}

    def test_the_numbers_need_none(self, stranger, store):
        ensure_open_account(store, time.time())

        assert stranger.get("/metrics").status_code == 200
