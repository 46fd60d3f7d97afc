# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that is refused or goes wrong, as a client sees it: one table, one schema (RFC 9457).

Owns      the stable words, their status, title and cure; which error of ours is which; the body; the framework's own
          errors.
Not here  errors that nobody foresaw (`middleware` catches them and answers `internal`).

The body is `application/problem+json` at every door. On the routes of the compatible surface it also carries a string
`error`, which is what their clients read. v2's answer of a failed job is no problem but a job (`routes.v2`).
A handler calls `answer(request, Refused(..))`, or simply raises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from fourview import errors
from fourview.errors import CreditError, DependencyAwayError, FourviewError, ServiceError
from fourview.service.store.ledger import CREDIT
from fourview.work import Failure

MEDIA_TYPE = "application/problem+json"
DETAIL_MAX = 1000  # characters of a sentence: a value that a client sent comes back cut

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Problem:
    status: int
    title: str
    is_retryable: bool = False


RETRY_S = 5  # when to ask again where nobody knows better

PROBLEMS: dict[str, Problem] = {
    "malformed_request": Problem(400, "This is no HTTP request"),
    "malformed_body": Problem(400, "The body cannot be read"),
    "invalid_field": Problem(400, "A field is missing, unknown or out of range"),
    "invalid_picture": Problem(400, "A picture cannot be used"),
    "invalid_mesh": Problem(400, "A mesh cannot be used"),
    "no_surface": Problem(400, "The pictures give no surface"),
    "invalid_address": Problem(400, "A URL leads where the service does not go"),
    "host_refused": Problem(400, "The Host header names another host"),
    "key_missing": Problem(401, "No key was sent"),
    "key_invalid": Problem(401, "The key is not valid"),
    "signature_invalid": Problem(401, "The signed URL is not valid"),
    "credits_short": Problem(402, "Not enough credits"),
    "origin_refused": Problem(403, "Pages of other origins may not call this"),
    "not_found": Problem(404, "There is no such thing"),
    "method_not_allowed": Problem(405, "The method is not allowed here"),
    "too_slow": Problem(408, "The body came too slowly", is_retryable=True),
    "job_final": Problem(409, "The job has ended"),
    "job_not_final": Problem(409, "The job has not ended"),
    "canceled": Problem(409, "The job was canceled"),
    "expired": Problem(409, "The job's deadline passed"),
    "too_large": Problem(413, "The request is too large"),
    "media_type": Problem(415, "The media type is not read here"),
    "range": Problem(416, "The range lies outside of the file"),
    "idempotency_mismatch": Problem(422, "The Idempotency-Key belongs to another request"),
    "rate_limited": Problem(429, "Too many requests", is_retryable=True),
    "too_many_jobs": Problem(429, "Too many jobs of this key wait", is_retryable=True),
    "uploads_full": Problem(429, "The uploads of this account hold too much", is_retryable=True),
    "internal": Problem(500, "Something went wrong on our side", is_retryable=True),
    "worker_crash": Problem(500, "The process that ran the job died twice"),
    "time_limit": Problem(500, "The work took longer than it may here"),
    "engine_not_ready": Problem(503, "The engine is not installed or not set up"),
    "queue_full": Problem(503, "Too many jobs wait", is_retryable=True),
    "disk_full": Problem(503, "The disk is nearly full", is_retryable=True),
    "busy": Problem(503, "Too many of these at once", is_retryable=True),
    "not_ready": Problem(503, "The service is starting or stopping", is_retryable=True),
    "still_running": Problem(503, "The job takes longer than a request may wait", is_retryable=True),
}
CURES: dict[str, str] = {  # what to do about it
    "malformed_request": "Send HTTP/1.1 with a method, a URL and headers of 64 KiB at most.",
    "malformed_body": "Send the body in the media type that Content-Type names; detail says where it went wrong.",
    "invalid_field": "Each entry of errors points at a field and says what it takes; correct these.",
    "invalid_picture": "Send a PNG, JPEG or WebP that detail does not object to; /api/v1/limits has the largest size.",
    "invalid_mesh": "Send a GLB, OBJ, PLY or STL file with at least one triangle.",
    "no_surface": "Look at the mattes with /api/v1/views/preview: each must show the whole subject.",
    "invalid_address": "Give a public http or https URL, or send the bytes.",
    "host_refused": "Call the service by its own name; whoever runs it can add names with the setting allowed_hosts.",
    "key_missing": "Send the key in the header x-api-key.",
    "key_invalid": "The key is unknown, revoked or expired; ask whoever runs the service for another.",
    "signature_invalid": "Ask for the job again: every answer holds its URLs signed anew.",
    "credits_short": "Ask whoever runs the service for credits, or for less: dry_run=true tells a price beforehand.",
    "origin_refused": "Whoever runs the service can name the page's origin in the setting allowed_origins.",
    "not_found": "Look at the address; what was kept for its time is gone, and others' things are not shown.",
    "method_not_allowed": "Use one of the methods in the header Allow.",
    "too_slow": "Send the body in one go, or pictures as URLs; over a slow line one by one to /api/v1/uploads.",
    "job_final": "A job that has ended stays as it is; make a new one.",
    "job_not_final": "Cancel the job, or wait for its end.",
    "canceled": "Nothing is wrong; make a new job.",
    "expired": "Make a new job with a later Cancel-After, or none.",
    "too_large": "Send less at once: pictures as URLs, or one by one to /api/v1/uploads. /api/v1/limits has the size.",
    "media_type": "Send application/json, multipart/form-data or application/x-www-form-urlencoded.",
    "range": "Ask for a range inside of the file; Content-Range says how long it is.",
    "idempotency_mismatch": "Use a new Idempotency-Key for a request that differs.",
    "rate_limited": "Wait as long as Retry-After says.",
    "too_many_jobs": "Wait until some of your jobs have ended.",
    "uploads_full": "Delete uploads that are not needed any more, or wait until some expire.",
    "internal": "Nothing was charged. Try again; if it happens again, report request_id to whoever runs the service.",
    "worker_crash": "Nothing was charged. Ask for less, and report the job's id to whoever runs the service.",
    "time_limit": "Nothing was charged. Ask for less: a smaller octree_resolution or fewer steps.",
    "engine_not_ready": "Use an engine that /api/v1/models shows as installed.",
    "queue_full": "Try again as Retry-After says.",
    "disk_full": "Try again later; whoever runs the service has to make room.",
    "busy": "Try again as Retry-After says.",
    "not_ready": "Try again as Retry-After says.",
    "still_running": "The job goes on: ask for it at response_url.",
}

COMPATIBLE = {"credits_short": 406, "media_type": 400}  # what the compatible surface says instead of 402 and 415

# Errors of ours -> word, the most derived class first. Messages of those in `PRIVATE` may hold paths of the machine.
CODES: tuple[tuple[type[errors.FourviewError], str], ...] = (
    (errors.PictureError, "invalid_picture"),
    (errors.RecipeError, "invalid_field"),
    (errors.SurfaceError, "no_surface"),
    (errors.MeshError, "invalid_mesh"),
    (errors.AddressError, "invalid_address"),
    (errors.KeyMissingError, "key_missing"),
    (errors.KeyInvalidError, "key_invalid"),
    (errors.CreditError, "credits_short"),
    (errors.SignatureError, "signature_invalid"),
    (errors.CanceledError, "canceled"),
    (errors.CheckpointError, "engine_not_ready"),
    (errors.DownloadError, "engine_not_ready"),
    (errors.MissingExtraError, "engine_not_ready"),
)
PRIVATE: dict[str, str] = {  # and what is said instead
    "engine_not_ready": "this engine is not installed or not set up here; ask whoever runs the service",
    "disk_full": "the disk is full; send it again later",
    "internal": "something went wrong on our side, nothing was charged; try again, and report it if it happens again",
}


class Refused(ServiceError):
    """A door says no: a word of `PROBLEMS`, a sentence, and for fields a JSON pointer and a sentence each."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.errors = code, detail, tuple(errors)
        self.headers, self.more = dict(headers or {}), dict(more or {})


class BodyRefused(HTTPException):
    """A `Refused` in the one form that the framework lets pass while it reads a body."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(PROBLEMS[code].status, detail)
        self.refused = Refused(code, detail)


def code_of(error: type[errors.FourviewError]) -> str:
    """The word for an error of ours; `internal` for those that no caller can mend."""
    return next((code for known, code in CODES if issubclass(error, known)), "internal")


def said_of(failure: Failure) -> tuple[str, str]:
    """The word and the sentence that a stranger is told about work that failed."""
    error = getattr(errors, failure.error, None)
    code = code_of(error) if isinstance(error, type) else "internal"
    return code, PRIVATE.get(code, failure.message)


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE


def install(app: FastAPI) -> None:
    """Let `app` answer every error that a route raises, and the framework's own, with a problem."""
    app.add_exception_handler(FourviewError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    app.add_exception_handler(DependencyAwayError, _answer_away)


def answer(request: Request, refused: Refused) -> Response:
    """What a client gets that is refused."""
    problem, is_compatible = PROBLEMS[refused.code], is_compatible_path(request.scope["path"])
    status = (is_compatible and COMPATIBLE.get(refused.code)) or problem.status
    request_id = getattr(request.state, "request_id", "")
    body = body_of(refused, status, request.app.state.context.settings.base_url, request_id)
    headers = {"retry-after": str(RETRY_S)} if status == 503 else {}
    headers |= {name.lower(): value for name, value in refused.headers.items()}
    if is_compatible:
        body["error"] = body["detail"]
    return ProblemResponse(body, status, headers=headers)


def body_of(refused: Refused, status: int, base_url: str, request_id: str) -> dict[str, Any]:
    """The problem document."""
    problem = PROBLEMS[refused.code]
    return {
        "type": f"{base_url}/errors/{refused.code}",
        "title": problem.title,
        "status": status,
        "detail": _cut(refused.detail),
        "code": refused.code,
        "errors": [{"pointer": pointer, "message": _cut(message)} for pointer, message in refused.errors],
        "request_id": request_id,
        "retryable": problem.is_retryable,
        "billed": False,
        **refused.more,
    }


def is_compatible_path(path: str) -> bool:
    """Whether `path` belongs to the surface that stands in for the hosted one."""
    return path.startswith(("/v1/", "/v2/"))


def refusal_of(error: FourviewError) -> Refused:
    """How a door says what one of our errors says."""
    if isinstance(error, Refused):
        return error
    code = code_of(type(error))
    if isinstance(error, CreditError):
        return Refused(code, str(error), more={"balance": error.balance / CREDIT, "price": error.price / CREDIT})
    if code in PRIVATE:
        log.error("refused", code=code, exc_info=error)
    return Refused(code, PRIVATE.get(code, str(error)))


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FourviewError)
    return answer(request, refusal_of(error))


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, BodyRefused):
        return answer(request, error.refused)
    method, path = request.method, request.url.path
    if error.status_code == 404:
        return answer(request, Refused("not_found", f"nothing is at {path}; /openapi.json names what there is"))
    if error.status_code == 405:
        allowed = ", ".join(_methods_of(request))
        detail = f"{method} is not allowed at {path}; it takes {allowed}"
        return answer(request, Refused("method_not_allowed", detail, headers={"Allow": allowed}))
    code = {413: "too_large", 415: "media_type", 416: "range"}.get(error.status_code)
    if code is None:
        code = "malformed_body" if error.status_code < 500 else "internal"
    return answer(request, Refused(code, PRIVATE.get(code, str(error.detail)), headers=error.headers))


async def _answer_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return answer(request, Refused("malformed_body", f"the body is no JSON: {found[0]['ctx']['error']}"))
    fields = [("".join(f"/{step}" for step in one["loc"][1:]), one["loc"][0], one["msg"]) for one in found]
    sentences = [f"{where} {pointer[1:] or 'as a whole'}: {message}" for pointer, where, message in fields]
    told = [(pointer, message) for pointer, _, message in fields]
    return answer(request, Refused("invalid_field", "; ".join(sentences), errors=told))


async def _answer_nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # the client went away before it had sent everything: nobody reads this


async def _answer_away(request: Request, error: Exception) -> Response:
    """The database or the file store is away or full. The job of this request is named if it was accepted for sure."""
    assert isinstance(error, DependencyAwayError)
    log.warning("dependency_away", dependency=error.name, error=str(error))
    job_id = getattr(request.state, "job_id", None)
    if job_id is not None:
        sentence = f"the job {job_id} was taken and is not lost, but the {error.name} is away: ask for it later"
        return answer(request, Refused("still_running", sentence, more={"job_id": job_id}))
    if error.is_full:
        return answer(request, Refused("disk_full", PRIVATE["disk_full"]))
    sentence = f"the {error.name} is away; if this was to make a job, send it again with its Idempotency-Key"
    return answer(request, Refused("not_ready", sentence))


def _methods_of(request: Request) -> list[str]:
    """Every method that is allowed at the path of the request."""
    allowed: set[str] = set()
    for route in request.app.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            allowed |= route.methods
    return sorted(allowed)


def _cut(text: str) -> str:
    """`text` without what no UTF-8 holds, and not longer than a sentence."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= DETAIL_MAX else f"{text[:DETAIL_MAX]}.."
