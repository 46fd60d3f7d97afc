# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The hosted API, v2: submit and poll.

A job that has no result is no problem document but a job whose state is FAILED, with status 422: so the provider's
client knows it. Canceled and expired jobs have failed here, since there are no words for them.
"""

import time
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fourview.service.context import context_of
from fourview.service.hosted import answers
from fourview.service.hosted import request as fields
from fourview.service.hosted.answers import Enqueued, Result, Status
from fourview.service.hosted.request import SLUG
from fourview.service.http.auth import Admitted, admit_with
from fourview.service.jobs import job_view
from fourview.service.jobs.job_view import Seen, find
from fourview.service.jobs.submit import submit

router = APIRouter(tags=["compatible"])

_RESULTS: dict[int | str, dict[str, Any]] = {
    200: {"model": Result},
    422: {"model": Result, "description": "The job has failed"},
}


@router.post(f"/v2/{SLUG}", responses={200: {"model": Enqueued}}, openapi_extra={"requestBody": fields.request_body()})
async def enqueue(request: Request, caller: Admitted) -> Response:
    """Ask for a model; the answer names where to look for it."""
    context = context_of(request)
    submitted = await submit(context, caller, await fields.read(request, "v2", context.settings.recipe_defaults))
    job = submitted.job
    body = {
        "request_id": job.id,
        "status": answers.state(job),
        **answers.urls(context.links, job.id),
        "cancel_url": f"{context.links.job(job.id)}/cancel",
        "events_url": context.links.events(job.id, time.time()),
        "warnings": job.warnings,
    }
    return JSONResponse(body, headers={"idempotency-replayed": "true"} if submitted.is_replay else None)


@router.get(
    "/v2/requests/{request_id}/status",
    responses={200: {"model": Status}, 422: {"model": Status, "description": "The job has failed"}},
)
async def status(request: Request, request_id: str) -> Response:
    """How far a job is."""
    seen = await _find(request, request_id)
    return _answer(_shown(request, seen))


@router.get("/v1/requests/{request_id}", responses=_RESULTS)
@router.get("/v2/requests/{request_id}", responses=_RESULTS)
async def result(request: Request, request_id: str) -> Response:
    """How far a job is, and the URL of its file once it is there."""
    seen, context, now = await _find(request, request_id), context_of(request), time.time()
    body = _shown(request, seen) | {"output": None}
    if seen.job.status == "succeeded":
        body["output"] = answers.model_url(context.links, seen, now)
        body["seed"] = seen.job.seed_used
    return _answer(body | {"warnings": job_view.warnings_of(seen.job)})


async def _find(request: Request, request_id: str) -> Seen:
    """The caller's job of that id, read in one transaction with key and balance."""
    context = context_of(request)
    return await admit_with(request, lambda tx, caller: find(tx, context.queue_places, request_id, caller.account_id))


def _shown(request: Request, seen: Seen) -> dict[str, Any]:
    job, context = seen.job, context_of(request)
    balance = request.state.balance if request.state.caller.pays else None
    body = {
        "request_id": job.id,
        "status": answers.state(job),
        **answers.urls(context.links, job.id),
        "progress": job.progress,
        "stage": job.stage,
        "queue_position": seen.position,
        "metrics": answers.metrics(seen, balance, time.time()),
    }
    if body["status"] == "FAILED":
        body["code"], body["error"] = answers.error_of(job)
    return body


def _answer(body: dict[str, Any]) -> Response:
    return JSONResponse(body, 422 if body["status"] == "FAILED" else 200)
