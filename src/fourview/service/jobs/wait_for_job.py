# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A request waits for the end of its job.

Owns      how long, what a request prefers (RFC 7240), and what happens where the client disconnects: nothing, unless it
          sent `Prefer: cancel-on-disconnect`.
Not here  what wakes a waiting request (`wakeups`), the answer (`routes`).
"""

import time

from sqlalchemy import Connection
from starlette.requests import ClientDisconnect, Request

from fourview.errors import DependencyAwayError
from fourview.service.context import AppContext
from fourview.service.problems import Refused
from fourview.service.store.jobs import Job, find_job
from fourview.service.store.queue import request_cancel


async def wait_for_end(context: AppContext, request: Request, job_id: str, limit_s: float) -> Job:
    """The job when it has ended, or as it is where the time is over or the service ends.

    A database that is away is waited for as well. Raises `ClientDisconnect` where the client is gone, `Refused` where
    the job was deleted meanwhile.
    """
    until = time.monotonic() + limit_s
    request.state.job_id = job_id
    request.state.body.release()  # the job has its inputs

    def find(tx: Connection) -> Job:
        job = find_job(tx, job_id)
        if job is None:
            raise Refused("not_found", f"the job {job_id} was deleted before it was waited for")
        return job

    with context.wakeups.subscribe(job_id) as subscription:
        while True:
            left_s = until - time.monotonic()
            is_over = context.wakeups.is_closing or left_s <= 0
            try:
                job = await context.look(find)
            except DependencyAwayError:
                if is_over:
                    raise
            else:
                if job.is_final or is_over:
                    return job
            await subscription.wait(left_s)
            if await request.is_disconnected():
                if "cancel-on-disconnect" in preferences(request):
                    await context.change(lambda tx: request_cancel(tx, job_id, time.time()))
                    context.wakeups.job_changed(job_id)
                raise ClientDisconnect


def preferences(request: Request) -> dict[str, str]:
    """What the request prefers: `wait=10, cancel-on-disconnect` is {"wait": "10", "cancel-on-disconnect": ""}."""
    wishes = ",".join(request.headers.getlist("prefer")).split(",")
    pairs = (wish.partition(";")[0].partition("=") for wish in wishes)
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs if name.strip()}
