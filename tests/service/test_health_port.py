# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The port of health and metrics, over the wire."""

import socket
import threading
import time

import httpx
import pytest

from fourview.errors import ServiceError
from fourview.service.health import port as module
from fourview.service.health.metrics import Metrics
from fourview.service.health.port import AT_ONCE, HealthPort
from fourview.service.health.probes import Probes
from fourview.service.store import workers


@pytest.fixture
def port(context):
    probes = Probes(context.settings, context.store, context.files, Metrics(time.time()), context.supervisor, "here-")
    port = HealthPort("127.0.0.1", 0, probes)
    port.start()
    yield port
    port.close()


def register(store, name):
    with store.begin() as tx:
        workers.register(tx, name, ["hull"], {}, time.time())


def test_a_process_is_ready_once_one_of_its_own_workers_is(port, store):
    register(store, "elsewhere-1")
    before = httpx.get(f"{port.url}/health/ready")
    register(store, "here-1")
    time.sleep(1.1)  # what was looked at is a second old at most
    after = httpx.get(f"{port.url}/health/ready")

    assert (before.status_code, before.json()["checks"]["runners"]) == (503, "no runner is there")
    assert before.headers["retry-after"]
    assert (after.status_code, after.json()["status"]) == (200, "ready")


def test_a_dead_thread_is_named(port, context):
    assert httpx.get(f"{port.url}/health/live").json() == {"status": "live", "dead": []}

    context.supervisor.add("dispatcher here-1", lambda: False, lambda: None)
    answer = httpx.get(f"{port.url}/health/live")

    assert (answer.status_code, answer.json()["dead"]) == (503, ["dispatcher here-1"])


def test_the_numbers_need_no_key_there(port, store):
    register(store, "here-1")

    answer = httpx.get(f"{port.url}/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "fourview_runners 1.0" in answer.text


def test_there_is_nothing_else(port):
    assert httpx.get(f"{port.url}/api/v1/jobs").status_code == 404
    assert httpx.post(f"{port.url}/health/live").status_code == 501
    assert httpx.head(f"{port.url}/health/live").content == b""


def test_a_files_look_that_hangs_holds_up_no_answer_and_is_taken_once(port, context, store, monkeypatch):
    register(store, "here-1")
    go, looks = threading.Event(), []
    monkeypatch.setattr("fourview.service.health.probes.DEADLINE_S", 0.2)
    monkeypatch.setattr("fourview.service.health.probes.FRESH_S", 0.0)
    monkeypatch.setattr(context.files, "put", lambda data: looks.append(1) or go.wait(20))

    answers = [httpx.get(f"{port.url}/health/ready") for _ in range(3)]
    go.set()

    assert [answer.status_code for answer in answers] == [503] * 3
    assert answers[0].json()["checks"]["files"] == "files cannot be written"
    assert answers[0].json()["checks"]["database"] == "ok"
    assert looks == [1]


def test_who_is_silent_or_slow_loses_the_connection(port, monkeypatch):
    monkeypatch.setattr(module, "ANSWERED_S", 1.0)
    address = ("127.0.0.1", int(port.url.rpartition(":")[2]))
    with socket.create_connection(address, 20) as slow:
        try:
            while True:  # a byte now and then, for ever
                slow.sendall(b"G")
                time.sleep(0.1)
        except OSError:
            pass
    assert httpx.get(f"{port.url}/health/live").status_code == 200


def test_more_connections_than_it_serves_at_once_are_closed(port):
    address = ("127.0.0.1", int(port.url.rpartition(":")[2]))
    waiting = [socket.create_connection(address, 20) for _ in range(AT_ONCE)]
    with socket.create_connection(address, 20) as one_more:
        assert one_more.recv(1) == b""
    for connection in waiting:
        connection.close()

    until = time.monotonic() + 20
    while True:
        try:
            assert httpx.get(f"{port.url}/health/live").status_code == 200
            break
        except httpx.TransportError:
            assert time.monotonic() < until


def test_a_port_that_is_taken_is_an_error_with_its_cure(port):
    number = int(port.url.rpartition(":")[2])
    with pytest.raises(ServiceError, match=r"cannot listen on 127.0.0.1 port .*--health-port"):
        HealthPort("127.0.0.1", number, None)
