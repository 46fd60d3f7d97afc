# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The hosted API, v1: one blocking call, and the credits of a key."""

import io
import time
import zipfile
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fourview.file_types import FILE_TYPES
from fourview.service.context import AppContext, context_of
from fourview.service.hosted import answers
from fourview.service.hosted import request as fields
from fourview.service.hosted.answers import Credits, Made
from fourview.service.hosted.request import SLUG
from fourview.service.http.auth import Admitted, admit_signed
from fourview.service.jobs import job_view
from fourview.service.jobs.job_view import Seen, find
from fourview.service.jobs.submit import submit
from fourview.service.jobs.wait_for_job import wait_for_end
from fourview.service.links import FILE
from fourview.service.problems import Refused
from fourview.service.routes.files import Pieces
from fourview.service.store import ledger

router = APIRouter(tags=["compatible"])

BINARY = {"schema": {"type": "string", "format": "binary"}}
HEADERS = {
    "x-cost": "credits that the job cost",
    "x-generation-time": "seconds that it took, without waiting",
    "x-seed-value": "the seed that was used",
    "x-job-id": "the job, at /v1/requests/ID and /api/v1/jobs/ID",
    "x-warnings": "codes of what was remarked upon",
}
RETRY_S = 10  # when to ask again for a job that takes longer than a request may wait


@router.post(
    f"/v1/{SLUG}",
    response_class=Response,
    responses={
        200: {
            "model": Made,
            "description": "The model's file; JSON where nothing else is accepted",
            "content": dict.fromkeys(sorted({file_type.media_type for file_type in FILE_TYPES.values()}), BINARY),
            "headers": {name: {"description": says, "schema": {"type": "string"}} for name, says in HEADERS.items()},
        }
    },
    openapi_extra={"requestBody": fields.request_body()},
)
async def generate(request: Request, caller: Admitted) -> Response:
    """Make a model and wait for it: its file, or where nothing but JSON is accepted, the URL of its file."""
    context = context_of(request)
    submitted = await submit(context, caller, await fields.read(request, "v1", context.settings.recipe_defaults))
    job = await wait_for_end(context, request, submitted.job.id, context.settings.wait_max_s)

    def look(tx: Connection) -> tuple[Seen, int | None]:
        return job_view.see(tx, context.queue_places, [job])[0], ledger.balance(
            tx, job.account_id
        ) if caller.pays else None

    seen, balance = await context.look(look)
    headers = {"x-job-id": job.id} | ({"idempotency-replayed": "true"} if submitted.is_replay else {})
    if job.status != "succeeded":
        raise _refusal(context, seen, headers)
    if warnings := job_view.warnings_of(job):
        headers["x-warnings"] = ", ".join(sorted({warning["code"] for warning in warnings}))
    headers |= {
        "x-cost": ledger.in_credits(seen.cost),
        "x-generation-time": f"{(job.finished_at or 0) - (job.started_at or 0):.3f}",
        "x-seed-value": str(job.seed_used),
    }
    if _is_json_alone(request):
        return JSONResponse(_body(context, seen, balance), headers=headers)
    return await _file(context, seen, headers)


@router.get("/v1/get-user-credits")
async def credits(request: Request, caller: Admitted) -> Credits:
    """What this key's account can spend now; null where nothing costs anything."""
    return {"credits": request.state.balance / ledger.CREDIT if caller.pays else None}


@router.head("/v1/requests/{request_id}/model.obj", include_in_schema=False)
@router.get(
    "/v1/requests/{request_id}/model.obj",
    response_class=Response,
    responses={200: {"content": {"model/obj": BINARY}, "description": "The file"}},
)
async def read_obj(request: Request, request_id: str) -> Response:
    """The OBJ of a job without the texture that is beside it in the zip of its files."""
    context = context_of(request)
    seen = await admit_signed(
        request, FILE, lambda tx, account_id: find(tx, context.queue_places, request_id, account_id)
    )
    if seen.job.status != "succeeded" or answers.file_type(seen.job) != "obj":
        raise Refused("not_found", f"the request {request_id} has no OBJ; it has another file, or has not ended")
    return await _file(context, seen, {}, request.method == "HEAD")


def _refusal(context: AppContext, seen: Seen, headers: dict[str, str]) -> Refused:
    job, more = seen.job, {"job_id": seen.job.id, **answers.urls(context.links, seen.job.id)}
    if job.is_final:
        code, message = answers.error_of(job)
        return Refused(code, message, headers=headers, more=more | {"billed": seen.cost > 0})
    sentence = f"the job {job.id} goes on and may be asked for at response_url; it takes longer than a request may wait"
    return Refused("still_running", sentence, headers=headers | {"retry-after": str(RETRY_S)}, more=more)


def _body(context: AppContext, seen: Seen, balance: int | None) -> dict[str, Any]:
    job, now = seen.job, time.time()
    return {
        "output": {"url": answers.model_url(context.links, seen, now), "file_type": answers.file_type(job)},
        "seed": job.seed_used,
        "metrics": answers.metrics(seen, balance, now),
        "request_id": job.id,
        "warnings": job_view.warnings_of(job),
    }


async def _file(context: AppContext, seen: Seen, headers: dict[str, str], is_head: bool = False) -> Response:
    output, file_type = answers.output_of(seen), answers.file_type(seen.job)
    headers |= {
        "content-disposition": f'attachment; filename="model.{file_type}"',
        "content-type": FILE_TYPES[file_type].media_type,
    }
    if output.format == "zip":
        return Response(await context.with_files(lambda files: _obj_alone(files.read(output.digest))), headers=headers)
    headers["content-length"] = str(output.bytes)
    if is_head:
        return Response(headers=headers)
    return Pieces(context.files.stream(output.digest, 0, output.bytes), 200, headers)


def _obj_alone(data: bytes) -> bytes:
    """The OBJ of a zip without the two lines that speak of the files beside it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        text = archive.read("model.obj")
    for line in (b"mtllib model.mtl\n", b"usemtl surface\n"):
        text = text.replace(line, b"", 1)
    return text


def _is_json_alone(request: Request) -> bool:
    """Whether nothing but JSON is accepted: axios accepts it first by itself, and means the file."""
    kinds = [kind.partition(";")[0].strip().lower() for kind in request.headers.get("accept", "").split(",")]
    return set(kinds) == {"application/json"}
