# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A job as the hosted API answers it: its states, its metrics, its URLs.

Owns      the objects in answers, the four states, which file of a job is the answer.
Not here  the routes (`routes.hosted_v1`, `routes.hosted_v2`), the fields of a request (`hosted.request`), the job
          object of the jobs API (`jobs.job_view`).
"""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads that of the standard library from 3.12 on

from fourview.file_types import FILE_TYPES
from fourview.service.jobs.job_view import Seen
from fourview.service.links import FILE, Links
from fourview.service.store.jobs import Job
from fourview.service.store.ledger import CREDIT
from fourview.service.store.outputs import Output

State = Literal["QUEUED", "PROCESSING", "COMPLETED", "FAILED"]
_STATES = {"queued": "QUEUED", "running": "PROCESSING", "succeeded": "COMPLETED"}
_ENDED = {"canceled": "the job was canceled", "expired": "the job's deadline passed before it was done"}


class Warned(TypedDict):
    code: str
    message: str
    field: str | None


class Metrics(TypedDict):
    """Seconds, and credits; null where nothing costs anything."""

    inference_time: float
    queue_time: float
    total_time: float
    cost: float
    remaining_credits: float | None
    retry_count: int


class Enqueued(TypedDict):
    request_id: str
    status: State
    poll_url: str
    status_url: str
    response_url: str
    cancel_url: str
    events_url: str
    warnings: list[Warned]


class Status(TypedDict):
    """How far a job is; `code` and `error` where it has failed."""

    request_id: str
    status: State
    poll_url: str
    status_url: str
    response_url: str
    progress: float
    stage: str | None
    queue_position: int | None
    metrics: Metrics
    code: NotRequired[str]
    error: NotRequired[str]


class Result(Status):
    """The same, with the URL of the model's file once there is one."""

    output: str | None
    seed: NotRequired[int]
    warnings: list[Warned]


class Credits(TypedDict):
    credits: float | None


class Location(TypedDict):
    url: str
    file_type: Annotated[str, Field(json_schema_extra={"enum": [*FILE_TYPES]})]


class Made(TypedDict):
    """A model whose file is elsewhere."""

    output: Location
    seed: int
    metrics: Metrics
    request_id: str
    warnings: list[Warned]


def urls(links: Links, job_id: str) -> dict[str, str]:
    """The addresses of a job on this API."""
    base_url = links.base_url
    return {
        "poll_url": f"{base_url}/v1/requests/{job_id}",
        "status_url": f"{base_url}/v2/requests/{job_id}/status",
        "response_url": f"{base_url}/v2/requests/{job_id}",
    }


def state(job: Job) -> str:
    """QUEUED, PROCESSING, COMPLETED or FAILED."""
    return _STATES.get(job.status, "FAILED")


def error_of(job: Job) -> tuple[str, str]:
    """Why a job that has ended has no result: a code of `problems.PROBLEMS` and a message."""
    if job.error is not None:
        return job.error["code"], job.error["message"]
    return job.status, _ENDED[job.status]


def file_type(job: Job) -> str:
    """The format that was asked for."""
    wanted: str = job.recipe.get("file_type", "glb")
    return wanted


def output_of(seen: Seen) -> Output:
    """The model in the format that was asked for; an OBJ with a texture is a zip of three files."""
    names = (f"model.{file_type(seen.job)}", "model.zip")
    return next(output for name in names for output in seen.outputs if output.name == name)


def model_url(links: Links, seen: Seen, now: float) -> str:
    """A URL without a key of the bytes that v1 answers with."""
    output, job_id = output_of(seen), seen.job.id
    if output.format == "zip":
        return links.signed(f"/v1/requests/{job_id}/model.obj", FILE, now)
    return links.file(job_id, output.name, now)


def metrics(seen: Seen, balance: int | None, now: float) -> Metrics:
    """Seconds and credits of a job, so far; without a balance null."""
    job = seen.job
    end = job.finished_at or now
    began = job.started_at or end
    return {
        "inference_time": _seconds(end - began),
        "queue_time": _seconds(began - job.created_at),
        "total_time": _seconds(end - job.created_at),
        "cost": seen.cost / CREDIT,
        "remaining_credits": None if balance is None else balance / CREDIT,
        "retry_count": max(0, job.attempts - 1),
    }


def _seconds(span: float) -> float:
    """Never negative: the clocks of two machines may differ."""
    return round(max(0.0, span), 3)
