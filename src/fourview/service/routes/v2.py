# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The compatible surface, v2: submit and poll.

A job that has no result is no problem document but a job whose state is FAILED, with status 422: so the provider's
client knows it. Canceled and expired jobs have failed here, since there are no words for them.
"""

import time
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fourview.service import compatible, present
from fourview.service.auth import Admitted, admit_with
from fourview.service.compatible import SLUG, Enqueued, Result, Status
from fourview.service.desk import desk_of
from fourview.service.present import EVENTS, JOBS, Seen, find
from fourview.service.submit import submit

router = APIRouter(tags=["compatible"])

_RESULTS: dict[int | str, dict[str, Any]] = {
    200: {"model": Result},
    422: {"model": Result, "description": "The job has failed"},
}


@router.post(
    f"/v2/{SLUG}", responses={200: {"model": Enqueued}}, openapi_extra={"requestBody": compatible.request_body()}
)
async def enqueue(request: Request, caller: Admitted) -> Response:
    """Ask for a model; the answer names where to look for it."""
    desk = desk_of(request)
    submitted = await submit(desk, caller, await compatible.read(request, "v2"))
    job = submitted.job
    body = {
        "request_id": job.id,
        "status": compatible.state(job),
        **compatible.urls(desk, job.id),
        "cancel_url": f"{desk.settings.base_url}{JOBS}/{job.id}/cancel",
        "events_url": present.signed_url(desk, f"{JOBS}/{job.id}/events", EVENTS, time.time()),
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
    seen, desk, now = await _find(request, request_id), desk_of(request), time.time()
    body = _shown(request, seen) | {"output": None}
    if seen.job.status == "succeeded":
        body["output"] = compatible.model_url(desk, seen, now)
        body["seed"] = seen.job.seed_used
    return _answer(body | {"warnings": compatible.warnings_of(seen.job)})


async def _find(request: Request, request_id: str) -> Seen:
    """The caller's job of that id, read in one transaction with key and balance."""
    desk = desk_of(request)
    return await admit_with(request, lambda tx, caller: find(tx, desk, request_id, caller.account_id))


def _shown(request: Request, seen: Seen) -> dict[str, Any]:
    job, desk = seen.job, desk_of(request)
    balance = request.state.balance if request.state.caller.pays else None
    body = {
        "request_id": job.id,
        "status": compatible.state(job),
        **compatible.urls(desk, job.id),
        "progress": job.progress,
        "stage": job.stage,
        "queue_position": seen.position,
        "metrics": compatible.metrics(seen, balance, time.time()),
    }
    if body["status"] == "FAILED":
        body["code"], body["error"] = compatible.error_of(job)
    return body


def _answer(body: dict[str, Any]) -> Response:
    return JSONResponse(body, 422 if body["status"] == "FAILED" else 200)
