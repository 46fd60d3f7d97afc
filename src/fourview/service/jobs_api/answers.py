# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Answers of the jobs API to a request for a job: the job, or of a dry run the plan.

Owns      the plan, `Prefer: wait`, what the OpenAPI document says of a route that makes a job.
Not here  reading the request (`jobs_api.request`), the job object (`jobs.job_view`).
"""

import re
import time
from collections.abc import Mapping
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from fourview.engines import stages_of
from fourview.kinds import KINDS
from fourview.recipe import flat
from fourview.service.caller import Caller
from fourview.service.context import AppContext
from fourview.service.jobs import job_view
from fourview.service.jobs.submit import JobRequest, check_addresses, price_of_request, submit
from fourview.service.jobs.wait_for_job import preferences, wait_for_end
from fourview.service.jobs_api.request import read
from fourview.service.jobs_api.request_schema import job_body
from fourview.service.links import JOBS
from fourview.service.store import ledger

_WAIT = re.compile(r"[0-9]{1,6}", re.ASCII)  # seconds of `Prefer: wait=`


class Share(TypedDict):
    name: str
    share: float


class Plan(TypedDict):
    """What a dry run shows: the price in credits, the recipe that would run, and its stages."""

    object: Literal["plan"]
    kind: job_view.KindName
    engine: str | None
    cost: float
    recipe: dict[str, Any]
    stages: list[Share]
    warnings: list[job_view.WarningObject]


def route_of(kind: str) -> dict[str, Any]:
    """What the OpenAPI document says of a route that makes a job of `kind`."""
    return {
        "status_code": 201,
        "responses": {200: {"model": Plan}, 201: {"model": job_view.JobObject}},
        "openapi_extra": {"requestBody": job_body(kind)},
    }


async def answer(context: AppContext, request: Request, caller: Caller, kind: str, is_dry: bool) -> Response:
    """201 with the job of this request; for a dry run 200 with the plan."""
    wanted = await read(context, request, kind)
    if is_dry:
        check_addresses(context, wanted)
        return JSONResponse(plan(context, caller, wanted))
    submitted = await submit(context, caller, wanted)
    job, wait_s = submitted.job, _wait_s(request, context.settings.wait_max_s)
    headers = {"Location": f"{context.settings.base_url}{JOBS}/{job.id}"}
    if submitted.is_replay:
        headers["Idempotency-Replayed"] = "true"
    if wait_s is not None:
        cancels = "cancel-on-disconnect" in preferences(request)
        headers["Preference-Applied"] = f"wait={wait_s}" + ", cancel-on-disconnect" * cancels
        await wait_for_end(context, request, job.id, wait_s)
    return await show(context, job.id, caller, 201, headers)


async def show(
    context: AppContext, job_id: str, caller: Caller, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """The job as it is now."""
    seen = await context.look(lambda tx: job_view.find(tx, context.queue_places, job_id, caller.account_id))
    return JSONResponse(job_view.job_object(context.links, seen, time.time()), status, headers)


def plan(context: AppContext, caller: Caller, wanted: JobRequest) -> Plan:
    """What the job would do and cost. Pictures are not fetched, so they may still turn out to be unusable."""
    shares = dict(KINDS[wanted.kind].stages or stages_of(wanted.engine))
    if wanted.recipe.texture.texture == "off":
        shares.pop("texture", None)
    total = sum(shares.values())
    return {
        "object": "plan",
        "kind": wanted.kind,
        "engine": wanted.engine or None,
        "cost": price_of_request(context, caller, wanted) / ledger.CREDIT,
        "recipe": flat(wanted.recipe),
        "stages": [{"name": name, "share": round(share / total, 3)} for name, share in shares.items() if share],
        "warnings": [{"code": n.code, "message": n.message, "field": n.field} for n in wanted.warnings],
    }


def _wait_s(request: Request, longest: float) -> int | None:
    """How many seconds the request prefers to wait, at most `longest`; None where it names no number."""
    wait = preferences(request).get("wait", "")
    return min(int(wait), int(longest)) if _WAIT.fullmatch(wait) else None
