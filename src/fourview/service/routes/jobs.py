# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The jobs API: jobs, their events, cancel and removal.

A stream of events ends with the job. A browser's `EventSource` asks again then, naming the last event it saw, and gets
204 then, which means that there are no more. Events are read from the store a batch at a time, when the reader has
taken those before: a slow reader holds nothing but its connection.
"""

import json
import re
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from typing_extensions import TypedDict

from fourview.errors import DependencyAwayError
from fourview.service.caller import Caller
from fourview.service.context import AppContext, context_of
from fourview.service.http.auth import Admitted, admit_signed, admit_with
from fourview.service.http.conditional import is_known
from fourview.service.http.event_streams import CountedStream
from fourview.service.jobs import job_view
from fourview.service.jobs.job_view import JobObject, Seen, find, job_object, see
from fourview.service.jobs_api import answers, schema
from fourview.service.jobs_api.request import TAG
from fourview.service.links import EVENTS
from fourview.service.problems import Refused
from fourview.service.store import events, jobs, queue
from fourview.service.store.events import Event
from fourview.service.store.jobs import Status
from fourview.service.times import moment

router = APIRouter(prefix="/api/v1", tags=["jobs"])

RETRY_S = 1  # when to ask again for a job that has not ended
RECONNECT_MS = 1000  # how soon a browser asks for events again after it lost them
_SEQ = re.compile(r"[0-9]{1,9}", re.ASCII)
_CURSOR = r"^[0-9]{1,12}(\.[0-9]{1,9})?:job_[0-9a-f]{24}$"


class JobPage(TypedDict):
    """Jobs, newest first; `next` is the `after` of the page that follows."""

    data: list[JobObject]
    has_more: bool
    next: str | None


@router.post("/jobs", **schema.route_of("generate"))
async def make_job(request: Request, caller: Admitted, dry_run: bool = False) -> Response:
    """Make a model of one to four pictures. `dry_run` tells price and plan instead, and fetches nothing."""
    return await answers.answer(context_of(request), request, caller, "generate", dry_run)


@router.get("/jobs", responses={200: {"model": JobPage}})
async def list_jobs(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(pattern=_CURSOR)] = None,
    status: Status | None = None,
    tag: Annotated[str | None, Query(pattern=f"^{TAG}$")] = None,
) -> Response:
    """The jobs of this account, newest first, a page at a time."""
    context = context_of(request)

    def query(tx: Connection, caller: Caller) -> tuple[list[Seen], str | None]:
        page = jobs.list_jobs(tx, caller.account_id, limit, after=after, status=status, tag=tag)
        return see(tx, context.queue_places, page.jobs), page.next

    found, following = await admit_with(request, query)
    now = time.time()
    data = [job_object(context.links, seen, now) for seen in found]
    return JSONResponse({"data": data, "has_more": following is not None, "next": following})


@router.get("/jobs/{job_id}", responses={200: {"model": JobObject}, 304: {"description": "As it was"}})
async def read_job(request: Request, job_id: str) -> Response:
    """A job: its state, and its files once it has succeeded."""
    context, now = context_of(request), time.time()
    seen = await admit_with(request, lambda tx, caller: find(tx, context.queue_places, job_id, caller.account_id))
    etag = job_view.etag(context.links, seen, now)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if not seen.job.is_final:
        headers["Retry-After"] = str(RETRY_S)
    if is_known(request, etag):
        return Response(status_code=304, headers=headers)
    return JSONResponse(job_object(context.links, seen, now), headers=headers)


@router.post("/jobs/{job_id}/cancel", status_code=202, responses={202: {"model": JobObject}})
async def cancel_job(request: Request, job_id: str, caller: Admitted) -> Response:
    """Cancel a job. One that waits has ended with the answer and costs nothing; one that runs stops within a step."""
    context = context_of(request)

    def cancel(tx: Connection) -> str:
        job = find(tx, context.queue_places, job_id, caller.account_id).job
        if queue.request_cancel(tx, job.id, time.time()) == "final":
            raise Refused("job_final", f"the job is {job.status}, and a job that has ended stays as it is")
        return job.id

    context.wakeups.job_changed(await context.change(cancel))
    return await answers.show(context, job_id, caller, 202)


@router.delete("/jobs/{job_id}", status_code=204)
async def delete_job(request: Request, job_id: str, caller: Admitted) -> Response:
    """Remove a job that has ended, its events and its files; what was paid for it stays in the ledger."""
    context = context_of(request)

    def delete(tx: Connection) -> None:
        job = find(tx, context.queue_places, job_id, caller.account_id).job
        if not jobs.delete_job(tx, job.id):
            raise Refused("job_not_final", f"the job is {job.status}; cancel it first, and delete it when it has ended")

    await context.change(delete)
    return Response(status_code=204)


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Events as they happen"},
        204: {"description": "The job has ended, and all its events were seen"},
    },
)
async def stream_events(request: Request, job_id: str, last_event_id: str | None = None) -> Response:
    """What happens to a job, as server-sent events; `Last-Event-ID` resumes after the event of that number."""
    context = context_of(request)
    text = request.headers.get("last-event-id") or last_event_id or "0"
    if not _SEQ.fullmatch(text):
        raise Refused("invalid_field", f"Last-Event-ID is {text[:40]!r}; it takes the id of an event, a number")

    job = (
        await admit_signed(request, EVENTS, lambda tx, account_id: find(tx, context.queue_places, job_id, account_id))
    ).job
    if job.is_final and int(text) >= job.last_event:
        return Response(status_code=204)
    address = request.client.host if request.client else None
    return CountedStream(_events(context, job.id, int(text)), request.app.state.streams, job.key_id, address)


async def _events(context: AppContext, job_id: str, seen: int) -> AsyncIterator[str]:
    """The events after number `seen`, until the job has ended; while the database is away there are none."""
    yield f"retry: {RECONNECT_MS}\n\n"
    sent_at = time.monotonic()
    with context.wakeups.subscribe(job_id) as subscription:
        while not context.wakeups.is_closing:
            after = seen
            try:
                found, is_open = await context.look(lambda tx: _look(tx, job_id, after))  # noqa: B023
            except DependencyAwayError:
                found, is_open = [], True
            for event in found:
                seen = event.seq
                yield f"id: {event.seq}\ndata: {json.dumps(_event_object(event))}\n\n"
            if not is_open:
                return
            now = time.monotonic()
            if found:
                sent_at = now
            elif now - sent_at >= context.settings.events_heartbeat_s:
                sent_at = now
                yield ": still here\n\n"
            await subscription.wait()


def _look(tx: Connection, job_id: str, seen: int) -> tuple[list[Event], bool]:
    """The events after number `seen`, and whether there will be more."""
    job = jobs.find_job(tx, job_id)
    if job is None:
        return [], False
    return (events.after(tx, job_id, seen) if job.last_event > seen else []), not job.is_final


def _event_object(event: Event) -> dict[str, Any]:
    return {"type": event.type, **event.data, "at": moment(event.at)}
