# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Errors become answers: ours, and those of the framework.

Owns      the exception handlers of the application, the answer to a `Refused`.
Not here  the table of problems and the document (`problems`), bugs (`middleware` answers `internal`).

A handler of a route calls `answer(request, Refused(...))`, or raises.
"""

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from fourview.errors import CreditError, DependencyAwayError, FourviewError
from fourview.service.problems import PROBLEMS, Refused, code_of, document, public_message
from fourview.service.store.ledger import CREDIT

MEDIA_TYPE = "application/problem+json"
RETRY_S = 5  # Retry-After of a 503 that names no time of its own
CLIENT_GONE = 499  # the status in the log of a request whose client closed the connection; no answer is sent

log = structlog.get_logger(__name__)


class BodyRefused(HTTPException):
    """A `Refused` in the one form that the framework lets pass while it reads a body."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(PROBLEMS[code].status, detail)
        self.refused = Refused(code, detail)


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE


def install(app: FastAPI) -> None:
    """Let `app` answer every error that a route raises, and the framework's own, with a problem."""
    app.add_exception_handler(FourviewError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(ClientDisconnect, _answer_disconnected)
    app.add_exception_handler(DependencyAwayError, _answer_away)


def answer(request: Request, refused: Refused) -> Response:
    """The problem that a refused client gets."""
    is_hosted = is_hosted_path(request.scope["path"])
    status = PROBLEMS[refused.code].status_on(is_hosted)
    request_id = getattr(request.state, "request_id", "")
    body = document(refused, status, request.app.state.context.settings.base_url, request_id)
    headers = {"retry-after": str(RETRY_S)} if status == 503 else {}
    headers |= {name.lower(): value for name, value in refused.headers.items()}
    if is_hosted:
        body["error"] = body["detail"]
    return ProblemResponse(body, status, headers=headers)


def internal() -> Refused:
    """The refusal for a bug."""
    return Refused("internal", public_message("internal", ""))


def is_hosted_path(path: str) -> bool:
    """Whether `path` belongs to the hosted API."""
    return path.startswith(("/v1/", "/v2/"))


def _refusal_of(error: FourviewError) -> Refused:
    if isinstance(error, Refused):
        return error
    code = code_of(type(error))
    if isinstance(error, CreditError):
        return Refused(code, str(error), more={"balance": error.balance / CREDIT, "price": error.price / CREDIT})
    if PROBLEMS[code].private is not None:
        log.error("refused", code=code, exc_info=error)
    return Refused(code, public_message(code, str(error)))


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FourviewError)
    return answer(request, _refusal_of(error))


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, BodyRefused):
        return answer(request, error.refused)
    method, path = request.method, request.url.path
    if error.status_code == 404:
        return answer(request, Refused("not_found", f"nothing is at {path}; /openapi.json lists the paths"))
    if error.status_code == 405:
        allowed = ", ".join(_methods_of(request))
        detail = f"{method} is not allowed at {path}; it takes {allowed}"
        return answer(request, Refused("method_not_allowed", detail, headers={"Allow": allowed}))
    code = {413: "too_large", 415: "media_type", 416: "range"}.get(error.status_code)
    if code is None:
        code = "malformed_body" if error.status_code < 500 else "internal"
    return answer(request, Refused(code, public_message(code, str(error.detail)), headers=error.headers))


async def _answer_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return answer(request, Refused("malformed_body", f"the body is no JSON: {found[0]['ctx']['error']}"))
    fields = [("".join(f"/{step}" for step in one["loc"][1:]), one["loc"][0], one["msg"]) for one in found]
    messages = [f"{where} {pointer[1:] or 'as a whole'}: {message}" for pointer, where, message in fields]
    errors = [(pointer, message) for pointer, _, message in fields]
    return answer(request, Refused("invalid_field", "; ".join(messages), errors=errors))


async def _answer_disconnected(request: Request, error: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


async def _answer_away(request: Request, error: Exception) -> Response:
    """The database or the file store is away or full. The answer names the job of this request if it was accepted."""
    assert isinstance(error, DependencyAwayError)
    log.warning("dependency_away", dependency=error.name, error=str(error))
    job_id = getattr(request.state, "job_id", None)
    if job_id is not None:
        detail = f"the job {job_id} was accepted and is not lost, but the {error.name} is away: ask for it later"
        return answer(request, Refused("still_running", detail, more={"job_id": job_id}))
    if error.is_full:
        return answer(request, Refused("disk_full", public_message("disk_full", "")))
    detail = f"the {error.name} is away; if this was to make a job, send it again with its Idempotency-Key"
    return answer(request, Refused("not_ready", detail))


def _methods_of(request: Request) -> list[str]:
    """Every method that is allowed at the path of the request."""
    allowed: set[str] = set()
    for route in request.app.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            allowed |= route.methods
    return sorted(allowed)
