# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the process lives, whether it is ready, and its numbers for Prometheus.

Owns      what is looked at, who may see the numbers.
Not here  what is counted (`metrics`).

`/metrics` is for this machine, and for whoever has a key; a request that came through a proxy that nobody named in
`trusted_proxies` is not from this machine. The two others are for everybody: they tell yes or no and why.
"""

import time
from typing import Any

import structlog
from anyio import to_thread
from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fourview.service.auth import admit
from fourview.service.desk import Desk, desk_of
from fourview.service.metrics import Metrics
from fourview.service.problems import Refused
from fourview.service.settings import is_loopback
from fourview.service.store import jobs, workers

router = APIRouter(tags=["operations"])
log = structlog.get_logger(__name__)

BEATS = 3  # a runner that was silent for so many heartbeats is gone
LATE_S = 5.0  # how long after its moment an end of a job may still be written down
FRESH_S = 1.0  # everybody may ask whether it is ready, and nobody can keep the disk busy with it
PROBE = b"fourview looks whether it can write"


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live")
async def live() -> dict[str, str]:
    """Yes, as long as the process answers; it looks at nothing else."""
    return {"status": "live"}


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready")
async def ready(request: Request) -> Response:
    """Whether jobs can be accepted and done now, and what is in the way."""
    desk = desk_of(request)
    async with request.app.state.checking:  # however many ask, one looks
        looked_at, checks = request.app.state.checks
        if time.monotonic() - looked_at > FRESH_S:
            checks = await to_thread.run_sync(_checks, desk)
            request.app.state.checks = time.monotonic(), checks
    checks = dict(checks)
    if desk.news.is_closing:
        checks["process"] = "the service is stopping"
    reasons = {name: said for name, said in checks.items() if said != "ok"}
    if reasons:
        raise Refused("not_ready", "; ".join(reasons.values()), headers={"Retry-After": "5"}, more={"checks": checks})
    return JSONResponse({"status": "ready", "checks": checks})


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """The numbers of this installation, as Prometheus reads them."""
    is_forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
    desk, numbers = desk_of(request), request.app.state.metrics
    is_here = request.client is not None and is_loopback(request.client.host)
    if not is_here or (is_forwarded and not desk.settings.trusted_proxies):
        await admit(request)
    page = await to_thread.run_sync(_page, desk, numbers)
    return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8")


def _checks(desk: Desk) -> dict[str, str]:
    """What was looked at -> ok, or what is wrong, for everybody to read."""
    settings, checks = desk.settings, {"database": "ok", "runners": "ok", "files": "ok", "disk": "ok"}
    try:
        with desk.store.read() as tx:
            if not workers.present(tx, time.time() - BEATS * settings.heartbeat_s):
                checks["runners"] = "no runner is there"
    except Exception as error:  # whatever it is, it is not ready
        log.warning("not_ready", check="database", error=_first_line(error))
        checks |= {"database": "the database does not answer", "runners": "nobody knows of the runners"}
    try:
        desk.files.put(PROBE)
        free_mib = desk.free_mib()
    except Exception as error:
        log.warning("not_ready", check="files", error=_first_line(error))
        checks["files"] = "files cannot be written"
    else:
        if free_mib < settings.disk_free_min_mib:
            checks["disk"] = "the disk is nearly full"
    return checks


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _page(desk: Desk, metrics: Metrics) -> bytes:
    def look(tx: Connection) -> tuple[dict[str, int], int, Any]:
        present = workers.present(tx, time.time() - BEATS * desk.settings.heartbeat_s)
        return jobs.count_jobs(tx), len(present), jobs.list_ended(tx, metrics.told_until, until)

    with metrics.turn:
        until = time.time() - LATE_S
        with desk.store.read() as tx:
            by_state, runners, ended = look(tx)
        metrics.saw_ended(ended, until)
    return metrics.page(by_state, runners, desk.files.free_mib())
