# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What a request wishes in its headers, and the waiting that it may wish for.

Owns      `Prefer` (RFC 7240): wait=SECONDS and cancel-on-disconnect; `Cancel-After`; waiting until a job has ended.
Not here  the Idempotency-Key (`body`).

Waiting is only waiting: a client that goes away cancels nothing unless it wished for that before.
"""

import asyncio
import re
import time
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request

from fourview.service.desk import Desk
from fourview.service.problems import Refused
from fourview.service.store.jobs import Job, find_job
from fourview.service.store.queue import request_cancel

CANCEL_AFTER_MAX_S = 7 * 24 * 3600
_SPAN = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s?)?", re.ASCII)
_PREFERENCE = re.compile(r'\s*([\w-]+)\s*(?:=\s*"?([^";]*)"?\s*)?(?:;.*)?', re.ASCII)
_WAIT = re.compile(r"[0-9]{1,6}", re.ASCII)


@dataclass(frozen=True)
class Wishes:
    wait_s: int | None = None
    cancels_on_disconnect: bool = False
    cancel_after_s: float | None = None

    @property
    def applied(self) -> str:
        """What `Preference-Applied` says; "" where nothing was wished for."""
        named = [f"wait={self.wait_s}"] * (self.wait_s is not None)
        return ", ".join(named + ["cancel-on-disconnect"] * self.cancels_on_disconnect)


def read(request: Request, wait_max_s: float) -> Wishes:
    """The wishes of a request. A preference that is unknown or cannot be read is passed over, as RFC 7240 asks for."""
    wait_s, cancels = None, False
    for preference in ",".join(request.headers.getlist("prefer")).split(","):
        found = _PREFERENCE.fullmatch(preference)
        name, value = (found[1].lower(), (found[2] or "").strip()) if found else ("", "")
        if name == "wait" and wait_s is None and _WAIT.fullmatch(value):
            wait_s = min(int(value), int(wait_max_s))
        cancels = cancels or name == "cancel-on-disconnect"
    return Wishes(wait_s, cancels, _cancel_after_s(request.headers.get("cancel-after")))


async def wait_for_end(desk: Desk, request: Request, job: Job, wait_s: float, cancels_on_disconnect: bool) -> Job:
    """The job once it has ended, or as it is after `wait_s`, when the client went away, or when the service ends."""
    clock, job_id = asyncio.get_running_loop().time, job.id
    until = clock() + wait_s

    def look(tx: Connection) -> Job | None:
        return find_job(tx, job_id)

    with desk.news.listen(job_id) as bell:
        while True:
            found = await desk.look(look)
            if found is None:  # ended and deleted since
                return job
            job = found
            if job.is_final or clock() >= until or desk.news.is_closing:
                return job
            if await request.is_disconnected():
                if cancels_on_disconnect:
                    await cancel(desk, job_id)
                return job
            await bell.wait(until - clock())


async def cancel(desk: Desk, job_id: str) -> bool:
    """Cancel a job, or ask its worker to stop; false where it had ended."""
    answer = await desk.change(lambda tx: request_cancel(tx, job_id, time.time()))
    desk.news.told(job_id)
    return answer != "final"


def _cancel_after_s(text: str | None) -> float | None:
    if text is None:
        return None
    found = _SPAN.fullmatch(text.strip().lower())
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    total_s = hours * 3600 + minutes * 60 + seconds
    if not 1 <= total_s <= CANCEL_AFTER_MAX_S:
        raise Refused("invalid_field", f"Cancel-After is {text[:40]!r}; it takes 1s .. 7 days, as in 90s, 5m, 1h30m")
    return total_s
