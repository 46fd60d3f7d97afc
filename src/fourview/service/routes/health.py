# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the process lives, whether it is ready, and its numbers for Prometheus.

Owns      who may see them, how the answer looks.
Not here  what is looked at (`probes`), the same at a port of its own (`health_port`).

`/metrics` needs a key: a request through a proxy on this machine looks like one from this machine.
Without a key there is `health_port`. The two others are for everybody: they tell yes or no and why.
"""

from anyio import to_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fourview.service.context import context_of
from fourview.service.health.port import METRICS
from fourview.service.http.auth import Admitted
from fourview.service.problems import Refused

router = APIRouter(tags=["operations"])


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live")
async def live(request: Request) -> dict[str, str]:
    """Yes, as long as the process answers and all its threads live."""
    if dead := request.app.state.probes.dead():
        raise Refused("not_ready", f"these threads died and are started again: {', '.join(dead)}")
    return {"status": "live"}


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready")
async def ready(request: Request) -> Response:
    """Whether jobs can be accepted and done now, and what is in the way."""
    async with request.app.state.checking:  # those who wait for the one that looks take no thread
        checks = await to_thread.run_sync(request.app.state.probes.checks)
    if context_of(request).wakeups.is_closing:
        checks["process"] = "the service is stopping"
    reasons = {name: state for name, state in checks.items() if state != "ok"}
    if reasons:
        raise Refused("not_ready", "; ".join(reasons.values()), headers={"Retry-After": "5"}, more={"checks": checks})
    return JSONResponse({"status": "ready", "checks": checks})


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, caller: Admitted) -> Response:
    """The numbers of this installation, as Prometheus reads them."""
    return Response(await to_thread.run_sync(request.app.state.probes.numbers), media_type=METRICS)
