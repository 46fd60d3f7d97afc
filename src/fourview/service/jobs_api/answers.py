# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The answer to a request that makes a job: the job, or the plan of a dry run.

Owns      the order read, submit, wait, show; the plan.
Not here  reading the request (`jobs_api.request`), the job object (`jobs.job_view`).
"""

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
from fourview.service.jobs_api import request as fields
from fourview.service.store import ledger


class Share(TypedDict):
    name: str
    share: float


class Plan(TypedDict):
    """What a dry run tells: the price in credits, the recipe that would run, and its stages."""

    object: Literal["plan"]
    kind: job_view.KindName
    engine: str | None
    cost: float
    recipe: dict[str, Any]
    stages: list[Share]
    warnings: list[job_view.WarningObject]


async def answer(context: AppContext, request: Request, caller: Caller, kind: str, is_dry: bool) -> Response:
    """201 with the job of this request; of a dry run 200 with its price and its plan."""
    wanted = await fields.read(context.settings, request, kind)
    if is_dry:
        check_addresses(context, wanted)
        return JSONResponse(plan(context, caller, wanted))
    submitted = await submit(context, caller, wanted)
    job, wait_s = submitted.job, fields.wait_s(request, context.settings.wait_max_s)
    headers = {"Location": context.links.job(job.id)}
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
    """What would be done and what it would cost; nothing was fetched, so pictures may still turn out to be none."""
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
