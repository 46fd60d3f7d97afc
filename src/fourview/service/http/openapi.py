# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI 3.1 document: what the routes declare, and what is true of all of them.

Owns      the problem and its place in every operation, the ways to show a key, headers of every answer, the head.
Not here  bodies and answers of a route (the route), parameters (`schema`).
"""

import gzip
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from fourview.service.context import AppContext
from fourview.service.http.problem_answers import MEDIA_TYPE, is_hosted_path
from fourview.service.problems import PROBLEMS

PUBLIC = ("/health/live", "/health/ready", "/.well-known/fourview", "/llms.txt", "/errors/{code}", "/api/v1/signin")
SIGNED = (  # open without a key too
    "/api/v1/jobs/{job_id}/events", "/api/v1/jobs/{job_id}/files/{name}", "/v1/requests/{request_id}/model.obj",
)  # fmt: skip
DESCRIPTION = """Four pictures of a thing go in, one clean, textured 3D model comes out.

The jobs API is /api/v1. The hosted API, /v1 and /v2, stands in for the hosted endpoint `hunyuan3d-2mv`: its clients
need a new base URL and nothing else. Every error is a problem (RFC 9457) of one schema; on /v1 and /v2 it also has a
string `error`.
"""
OF_ALL = ("invalid_field", "not_found", "rate_limited", "internal", "not_ready")
OF_KEY = ("key_missing",)
OF_BODY = ("too_large", "media_type")
OF_CHANGE = ("origin_refused",)
OF_NATIVE_CHANGE = ("credits_short", "job_final", "idempotency_mismatch")
OF_COMPATIBLE_CHANGE = ("credits_short",)
SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "a key, `fv_` and 32 characters"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "the same key, for what can send nothing else"},
}
HEADERS = {
    "x-request-id": {"description": "what to name in a report", "schema": {"type": "string"}},
    "x-remaining-credits": {"description": "what the account can spend now", "schema": {"type": "number"}},
}
SENT_ID = {  # openapi-python-client 0.29 needs something optional beside several bodies: it forgets an import without
    "name": "x-request-id",
    "in": "header",
    "description": "an id of the caller's own, which the log keeps beside the request",
    "schema": {"type": "string", "maxLength": 64},
}
PROBLEM = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "errors", "request_id", "retryable", "billed"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "a page that explains the code"},
        "title": {"type": "string", "description": "what the code means"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "what is wrong here, and what would be right"},
        "code": {"type": "string", "enum": sorted(PROBLEMS), "description": "a stable word"},
        "errors": {
            "type": "array",
            "description": "one for each field that is wrong",
            "items": {
                "type": "object",
                "required": ["pointer", "message"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON Pointer of the field"},
                    "message": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string"},
        "retryable": {"type": "boolean", "description": "whether the same request may work later"},
        "billed": {"type": "boolean", "description": "whether anything was charged"},
        "error": {"type": "string", "description": "on /v1 and /v2: what detail says"},
    },
}


@dataclass(frozen=True)
class Written:
    """The document as bytes, plain and compressed."""

    plain: bytes
    packed: bytes
    digest: str


def written(app: FastAPI) -> Written:
    """The document of `app`, made and compressed once."""
    if app.state.openapi is None:
        plain = json.dumps(_document(app), ensure_ascii=False, separators=(",", ":")).encode()
        app.state.openapi = Written(plain, gzip.compress(plain, mtime=0), hashlib.sha256(plain).hexdigest()[:32])
    made: Written = app.state.openapi
    return made


def _document(app: FastAPI) -> dict[str, Any]:
    context: AppContext = app.state.context
    base_url = context.settings.base_url
    made = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, servers=[{"url": base_url}]
    )
    for route in app.routes:  # as they were written: the framework makes its numbers floats, which no seed survives
        if isinstance(route, APIRoute) and route.openapi_extra:
            for method in route.methods or ():
                made["paths"][route.path][method.lower()] |= route.openapi_extra
    parts = made.setdefault("components", {})
    parts["headers"], parts["securitySchemes"], parts["parameters"] = HEADERS, SCHEMES, {"sent_id": SENT_ID}
    parts["responses"] = {code: _response(code, PROBLEMS[code].status, base_url) for code in PROBLEMS}
    parts["responses"] |= {
        f"{code}_here": _response(code, problem.hosted_status, base_url)
        for code, problem in PROBLEMS.items()
        if problem.hosted_status is not None
    }
    schemas = parts.setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    for name in ("HTTPValidationError", "ValidationError"):  # the framework's own, which no answer has
        schemas.pop(name, None)
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation, context.settings.no_auth)
    return made


def _complete(path: str, method: str, operation: dict[str, Any], no_auth: bool) -> None:
    """Add what is true of all operations to one of them."""
    is_hosted, is_change = is_hosted_path(path), method in ("post", "put", "patch", "delete")
    codes = [*OF_ALL]
    if path not in PUBLIC and not no_auth:
        codes += OF_KEY
        operation["security"] = [{"key": []}, {"bearer": []}, *([{}] if path in SIGNED or path == "/metrics" else [])]
    if "requestBody" in operation:
        codes += OF_BODY
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/sent_id"})
    if is_change:
        codes += OF_CHANGE + (OF_COMPATIBLE_CHANGE if is_hosted else OF_NATIVE_CHANGE)
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for code in codes:
        status = PROBLEMS[code].status_on(is_hosted)
        name = f"{code}_here" if status != PROBLEMS[code].status else code
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{name}"})
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses.setdefault("default", {"description": "Any other error", "content": problem})
    for status, response in responses.items():
        if status.startswith("2"):
            names = HEADERS if "security" in operation else ["x-request-id"]
            response.setdefault("headers", {}).update({n: {"$ref": f"#/components/headers/{n}"} for n in names})


def _response(code: str, status: int, base_url: str) -> dict[str, Any]:
    problem = PROBLEMS[code]
    example = {
        "type": f"{base_url}/errors/{code}",
        "title": problem.title,
        "status": status,
        "detail": problem.cure,
        "code": code,
        "errors": [],
        "request_id": "req_0123456789abcdef",
        "retryable": problem.is_retryable,
        "billed": False,
    }
    return {
        "description": problem.title,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS},
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }
