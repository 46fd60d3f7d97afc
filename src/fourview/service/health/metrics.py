# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers for Prometheus.

Owns      what is counted in this process (requests), what is read from the database for each scrape (jobs, runners).
Not here  who may ask (`routes.health`, `health_port`).

Jobs and runners are those of the whole installation, whichever process did the work: of several processes that serve
one database ask one. Durations count jobs that ended since this process started.
"""

import threading
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

from fourview.service.store.jobs import Ended

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)


class Metrics:
    """One for an application, with a registry of its own."""

    def __init__(self, now: float) -> None:
        self.turn = threading.Lock()  # of those who read what ended since `counted_until`: twice would count it twice
        self.counted_until = now  # ends of jobs before this moment are counted, or happened before the process began
        self._registry = CollectorRegistry()
        of_route = ("method", "route", "status")
        self._requests = Counter(
            "fourview_http_requests", "Requests that were answered.", of_route, registry=self._registry
        )
        self._latency = Histogram(
            "fourview_http_request_seconds", "Until the end of the answer.", ("route",), registry=self._registry,
            buckets=SECONDS,
        )  # fmt: skip
        self._jobs = Gauge("fourview_jobs", "Jobs that are kept, by state.", ("status",), registry=self._registry)
        self._runners = Gauge("fourview_runners", "Runners that show that they live.", registry=self._registry)
        self._free = Gauge("fourview_files_free_bytes", "Free disk for files.", registry=self._registry)
        of_job = ("kind", "engine", "status")
        self._job_seconds = Histogram(
            "fourview_job_seconds", "From the first start of a job to its end.", of_job, registry=self._registry,
            buckets=SECONDS,
        )  # fmt: skip
        self._stage_seconds = Histogram(
            "fourview_stage_seconds", "Of the stages of a job.", ("engine", "stage"), registry=self._registry,
            buckets=SECONDS,
        )  # fmt: skip

    def saw_request(self, scope: Scope, status: int, seconds: float) -> None:
        """A request was answered."""
        route = getattr(scope.get("route"), "path", "none")
        self._requests.labels(scope["method"] if route != "none" else "any", route, status).inc()
        self._latency.labels(route).observe(seconds)

    def saw_ended(self, ended: Iterable[Ended], until: float) -> None:
        """These jobs ended since the last time, all those until `until`."""
        self.counted_until = until
        for job in ended:
            self._job_seconds.labels(job.kind, job.engine, job.status).observe(job.seconds)
            for stage, seconds in job.stages_s.items():
                self._stage_seconds.labels(job.engine, stage).observe(seconds)

    def page(self, jobs: Mapping[str, int], runners: int, free_mib: float | None) -> bytes:
        """Everything, as Prometheus reads it."""
        for status, count in jobs.items():
            self._jobs.labels(status).set(count)
        self._runners.set(runners)
        if free_mib is not None:
            self._free.set(free_mib * 2**20)
        return generate_latest(self._registry)
