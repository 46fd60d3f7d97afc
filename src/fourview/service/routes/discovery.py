# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What is installed, what the limits are, what a key has used; errors explained; llms.txt; openapi.json.

Owns      what a person, a program or a model needs to know before the first request.
Not here  what the OpenAPI document says (`openapi`).
"""

import time
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from fourview import __version__
from fourview.engines import ENGINES
from fourview.recipe import Recipe, parameters
from fourview.service.caller import Caller
from fourview.service.context import AppContext, context_of
from fourview.service.health.probes import BEATS
from fourview.service.hosted.request import SLUG
from fourview.service.http.auth import Admitted, admit_with
from fourview.service.http.conditional import is_known, takes_gzip
from fourview.service.http.openapi import written
from fourview.service.prices import price_of
from fourview.service.problems import PROBLEMS, Refused
from fourview.service.store import ledger, workers
from fourview.service.store.workers import Worker
from fourview.service.times import maybe_moment, moment
from fourview.sides import SIDES

router = APIRouter()

PAGE_MAX = 200


@router.get("/.well-known/fourview", tags=["discovery"])
async def describe(request: Request) -> dict[str, Any]:
    """Where everything is."""
    settings = context_of(request).settings
    base = settings.base_url
    return {
        "name": "fourview",
        "version": __version__,
        "needs_key": not settings.no_auth,
        "key_header": "x-api-key",
        "openapi": f"{base}/openapi.json",
        "native": f"{base}/api/v1",
        "compatible": {"v1": f"{base}/v1/{SLUG}", "v2": f"{base}/v2/{SLUG}"},
        "models": f"{base}/api/v1/models",
        "limits": f"{base}/api/v1/limits",
        "errors": f"{base}/errors/{{code}}",
    }


@router.head("/openapi.json", include_in_schema=False)
@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """The OpenAPI document; compressed it is another representation, with an `ETag` of its own."""
    made = await to_thread.run_sync(written, request.app)
    is_packed = takes_gzip(request)
    etag = f'"{made.digest}{"-gzip" if is_packed else ""}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if is_known(request, etag):
        return Response(status_code=304, headers=headers)
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    return Response(made.packed if is_packed else made.plain, headers=headers, media_type="application/json")


@router.get("/llms.txt", tags=["discovery"], response_class=PlainTextResponse)
async def llms(request: Request) -> str:
    """The service on one page, for language models."""
    settings = context_of(request).settings
    base = settings.base_url
    table = "\n".join(f"- `{parameter.name}` ({parameter.range}): {parameter.doc}" for parameter in parameters())
    key = "Every request is let in." if settings.no_auth else "Send your key in the header `x-api-key`."
    return f"""# fourview

> Pictures of a thing ({", ".join(SIDES)}) go in, one clean, textured 3D model comes out.

{key} The OpenAPI document is at {base}/openapi.json, each error is explained at {base}/errors/CODE.

## Make a model

    curl {base}/api/v1/jobs -H 'x-api-key: KEY' -H 'Prefer: wait=60' -F front=@front.png -F back=@back.png

The answer is a job. Ask for it at {base}/api/v1/jobs/ID until `status` is succeeded, failed, canceled or expired; then
`outputs` names its files, each with a `url` that opens without a key. `?dry_run=true` tells the price and does nothing
else. With an `Idempotency-Key` the same request may be sent again without making a second job.

POST {base}/v1/{SLUG} waits and answers with the model's bytes. POST {base}/v2/{SLUG} answers with URLs to poll.

## Parameters

{table}
"""


@router.get("/errors/{code}", tags=["discovery"], response_class=PlainTextResponse)
async def explain(code: str) -> str:
    """What an error means, and what to do about it."""
    if (problem := PROBLEMS.get(code)) is None:
        raise Refused("not_found", f"there is no such error; they are {', '.join(PROBLEMS)}")
    retry = "The same request may work later." if problem.is_retryable else "The same request will fail again."
    return f"{code}: {problem.title} (HTTP status {problem.status})\n\n{problem.cure}\n{retry}\n"


@router.get("/api/v1/models", tags=["discovery"])
async def models(request: Request) -> dict[str, Any]:
    """The engines there are: whether one can be used now, its version and licence, and what a default run costs."""
    context = context_of(request)
    since = time.time() - BEATS * context.settings.heartbeat_s
    present = await admit_with(request, lambda tx, caller: workers.present(tx, since))
    return {"data": [_model(context, name, present) for name in ENGINES]}


@router.get("/api/v1/limits", tags=["discovery"])
async def limits(request: Request) -> dict[str, Any]:
    """The limits that are in force for this key."""
    settings = context_of(request).settings
    key = (await admit_with(request, lambda tx, caller: caller)).key
    return {
        "requests_per_min": None if settings.no_auth else key.rate_per_min or settings.rate_per_min,
        "jobs_at_once": key.concurrency or settings.concurrency,
        "jobs_waiting": settings.queue_max_per_key,
        "body_mib": settings.body_max_mib,
        "picture_mib": settings.picture_max_mib,
        "picture_megapixels": settings.picture_max_megapixels,
        "mesh_mib": settings.mesh_max_mib,
        "uploads_mib": settings.uploads_max_mib,
        "wait_s": settings.wait_max_s,
        "job_s": settings.job_max_s,
        "mesh_job_s": settings.mesh_job_max_s,
        "job_keep_h": settings.job_keep_h,
        "upload_keep_h": settings.upload_keep_h,
        "idempotency_keep_h": settings.idempotency_keep_h,
        "signed_url_s": settings.signed_url_s,
    }


@router.get("/api/v1/usage", tags=["keys"])
async def usage(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX, description="rows of a page")] = 50,
    after: Annotated[int | None, Query(ge=1, le=2**53, description="the `next` of the page before")] = None,
) -> dict[str, Any]:
    """The ledger of this key's account, newest first: what was granted, held, charged and released."""

    def look(tx: Connection, caller: Caller) -> tuple[int, list[ledger.LedgerRow]]:
        rows = ledger.list_rows(tx, caller.account_id, limit + 1, after)
        return ledger.balance(tx, caller.account_id), rows

    balance, rows = await admit_with(request, look)
    has_more = len(rows) > limit
    return {
        "balance": balance / ledger.CREDIT,
        "data": [_row(row) for row in rows[:limit]],
        "has_more": has_more,
        "next": str(rows[limit - 1].id) if has_more else None,
    }


@router.get("/api/v1/keys/self", tags=["keys"])
async def own_key(request: Request, caller: Admitted) -> dict[str, Any]:
    """The key of this request, but for its text."""
    key = caller.key
    return {
        "id": key.id,
        "name": key.name,
        "account": key.account_id,
        "created_at": moment(key.created_at),
        "expires_at": maybe_moment(key.expires_at),
        "credits": request.state.balance / ledger.CREDIT if caller.pays else None,
    }


def _model(context: AppContext, name: str, present: list[Worker]) -> dict[str, Any]:
    """An engine, as those tell who run it; of several workers one that can use it, else any that knows why not."""
    known: list[dict[str, Any]] = [about for worker in present if (about := worker.about.get("engines", {}).get(name))]
    best = max(known, key=lambda about: bool(about.get("installed")), default={})
    defaults = context.settings.recipe_defaults
    recipe = Recipe.of(**defaults | {"engine": name})
    return {
        "id": name,
        "object": "model",
        "installed": bool(best.get("installed")),
        "version": best.get("version"),
        "licence": best.get("licence"),
        "lacks": best.get("lacks"),
        "is_default": Recipe.of(**defaults).shape.engine == name,
        "price": 0
        if context.settings.no_auth
        else price_of("generate", recipe, context.settings.prices) / ledger.CREDIT,
        "parameters": [
            parameter.name for parameter in parameters() if not parameter.engines or name in parameter.engines
        ],
    }


def _row(row: ledger.LedgerRow) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "kind": row.kind,
        "credits": row.credits / ledger.CREDIT,
        "change": row.change / ledger.CREDIT,
        "balance": row.balance / ledger.CREDIT,
        "job_id": row.job_id,
        "note": row.note,
        "at": moment(row.at),
    }
