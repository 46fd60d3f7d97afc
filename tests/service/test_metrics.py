# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from fourview.service.health.probes import LATE_S
from fourview.service.store import queue, workers
from fourview.service.store.jobs import NewJob, add_job


@pytest.fixture
def numbers(app, key):
    """What Prometheus reads: name and labels -> number."""
    here = TestClient(app, "http://testserver", headers={"x-api-key": key[1]})

    def read():
        families = text_string_to_metric_families(here.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        return {(sample.name, *sorted(sample.labels.values())): sample.value for sample in samples}

    return read


def test_requests_are_counted_by_route_and_not_by_address(client, numbers):
    for path in ("/errors/internal", "/errors/busy", "/errors/none", "/a", "/b"):
        client.get(path)

    seen = numbers()

    assert seen["fourview_http_requests_total", "/errors/{code}", "200", "GET"] == 2
    assert seen["fourview_http_requests_total", "/errors/{code}", "404", "GET"] == 1
    assert seen["fourview_http_requests_total", "404", "any", "none"] == 2
    assert seen["fourview_http_request_seconds_count", "/errors/{code}"] == 3


def test_jobs_are_counted_by_state_and_their_time_once_they_end(app, numbers, store, key):
    began = time.time() - 100
    app.state.metrics.counted_until = began - 1
    with store.begin() as tx:
        workers.register(tx, "w", ["hull"], {}, time.time())
        for _ in range(2):
            add_job(tx, NewJob(key[0].account_id, key[0].id, "hull", 100, {}, {}), began)
        job = queue.claim(tx, "w", ["hull"], began, 30)
        queue.finish(tx, job.lease, {"timings_s": {"decode": 2.0, "texture": 3.0}}, [], began + 7)

    first, second = numbers(), numbers()

    assert first["fourview_jobs", "queued"] == first["fourview_jobs", "succeeded"] == 1
    assert first["fourview_jobs", "failed"] == 0
    assert first["fourview_runners",] == 1
    for seen in (first, second):  # each end is counted once
        assert seen["fourview_job_seconds_count", "generate", "hull", "succeeded"] == 1
        assert seen["fourview_job_seconds_sum", "generate", "hull", "succeeded"] == pytest.approx(7)
        assert seen["fourview_stage_seconds_sum", "hull", "texture"] == 3


def test_scrapes_at_the_same_time_count_an_end_once(app, numbers, store, key):
    began, together = time.time() - 100, threading.Barrier(8)
    app.state.metrics.counted_until = began - 1
    with store.begin() as tx:
        add_job(tx, NewJob(key[0].account_id, key[0].id, "hull", 100, {}, {}), began)
        job = queue.claim(tx, "w", ["hull"], began, 30)
        queue.finish(tx, job.lease, {"timings_s": {}}, [], began + 7)

    def scrape(_):
        together.wait()
        return numbers()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(scrape, range(8)))

    assert numbers()["fourview_job_seconds_count", "generate", "hull", "succeeded"] == 1


def test_an_end_that_is_written_down_late_is_counted_too(app, numbers, store, key):
    numbers()
    assert app.state.metrics.counted_until <= time.time() - LATE_S
