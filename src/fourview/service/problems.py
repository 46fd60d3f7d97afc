# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Every error that a client can see: one table, one document (RFC 9457).

Owns      codes, status, title and cure of each problem, which of our errors gives which, the document.
Not here  the answers of the framework (`http.problem_answers`), errors that are bugs (`http.middleware` answers
          `internal`).

The document is `application/problem+json` on every route. On the hosted API it also has a string `error`, which its
clients read. The hosted v2 status of a failed job is a job and no problem (`routes.hosted_v2`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fourview import errors
from fourview.errors import FourviewError, ServiceError
from fourview.work import Failure

DETAIL_MAX = 1000  # characters of a message; values that a client sent are in it, and may be long


@dataclass(frozen=True)
class Problem:
    """One code of the table.

    `hosted_status`: the status on the hosted API where it differs. `of`: the errors that are answered with this code;
    their subclasses too. `private`: the message that replaces the error's own, which may hold paths of this machine.
    """

    status: int
    title: str
    cure: str
    is_retryable: bool = False
    hosted_status: int | None = None
    private: str | None = None
    of: tuple[type[FourviewError], ...] = ()

    def status_on(self, is_hosted: bool) -> int:
        """The HTTP status on the hosted API, or on all other routes."""
        return self.hosted_status if is_hosted and self.hosted_status is not None else self.status


PROBLEMS: dict[str, Problem] = {
    "malformed_request": Problem(
        400, "The request is not valid HTTP",
        "Send HTTP/1.1 with a method, a URL and headers of 64 KiB at most.",
    ),
    "malformed_body": Problem(
        400, "The body cannot be read",
        "Send the body in the media type that Content-Type names; detail says where the fault is.",
    ),
    "invalid_field": Problem(
        400, "A field is missing, unknown or out of range",
        "Each entry of errors points at a field and says what it takes; correct these.",
        of=(errors.RecipeError,),
    ),
    "invalid_picture": Problem(
        400, "A picture cannot be used",
        "Send a PNG, JPEG or WebP without the fault that detail names; /api/v1/limits has the largest size.",
        of=(errors.PictureError,),
    ),
    "invalid_mesh": Problem(
        400, "A mesh cannot be used",
        "Send a GLB, OBJ, PLY or STL file with at least one triangle.",
        of=(errors.MeshError,),
    ),
    "no_surface": Problem(
        400, "The pictures give no surface",
        "Check the mattes with /api/v1/views/preview: each must show the whole subject.",
        of=(errors.SurfaceError,),
    ),
    "invalid_address": Problem(
        400, "A URL leads to an address that must not be requested",
        "Give a public http or https URL, or send the bytes.",
        of=(errors.AddressError,),
    ),
    "host_refused": Problem(
        400, "The Host header names another host",
        "Call the service by its own name; the operator can add names with the setting allowed_hosts.",
    ),
    "key_missing": Problem(
        401, "No key was sent",
        "Send the key in the header x-api-key.",
        of=(errors.KeyMissingError,),
    ),
    "key_invalid": Problem(
        401, "The key is not valid",
        "The key is unknown, revoked or expired; ask the operator for another.",
        of=(errors.KeyInvalidError,),
    ),
    "signature_invalid": Problem(
        401, "The signed URL is not valid",
        "Get the job again: its answer holds newly signed URLs.",
        of=(errors.SignatureError,),
    ),
    "credits_short": Problem(
        402, "Not enough credits",
        "Ask the operator for credits, or ask for less: dry_run=true shows a price beforehand.",
        hosted_status=406, of=(errors.CreditError,),
    ),
    "origin_refused": Problem(
        403, "Pages of other origins may not call this",
        "The operator can allow the page's origin with the setting allowed_origins.",
    ),
    "not_found": Problem(
        404, "Not found",
        "Check the address. What was kept for its time is deleted, and things of other accounts are not shown.",
    ),
    "method_not_allowed": Problem(
        405, "The method is not allowed here",
        "Use one of the methods in the header Allow.",
    ),
    "too_slow": Problem(
        408, "The body came too slowly",
        "Send the body in one go, or pictures as URLs; over a slow line upload one by one to /api/v1/uploads.",
        is_retryable=True,
    ),
    "job_final": Problem(
        409, "The job has ended",
        "A job that has ended cannot change; make a new one.",
    ),
    "job_not_final": Problem(
        409, "The job has not ended",
        "Cancel the job, or wait for its end.",
    ),
    "canceled": Problem(
        409, "The job was canceled",
        "Nothing is wrong; make a new job.",
        of=(errors.CanceledError,),
    ),
    "expired": Problem(
        409, "The job's deadline passed",
        "Make a new job with a later Cancel-After, or none.",
    ),
    "too_large": Problem(
        413, "The request is too large",
        "Send less at once: pictures as URLs, or one by one to /api/v1/uploads. /api/v1/limits has the size.",
    ),
    "media_type": Problem(
        415, "The media type is not supported",
        "Send application/json, multipart/form-data or application/x-www-form-urlencoded.",
        hosted_status=400,
    ),
    "range": Problem(
        416, "The range lies outside of the file",
        "Ask for a range inside the file; Content-Range gives its length.",
    ),
    "idempotency_mismatch": Problem(
        422, "The Idempotency-Key belongs to another request",
        "Use a new Idempotency-Key for a request that differs.",
    ),
    "rate_limited": Problem(
        429, "Too many requests",
        "Wait as long as Retry-After says.",
        is_retryable=True,
    ),
    "too_many_jobs": Problem(
        429, "Too many jobs of this key are waiting",
        "Wait until some of your jobs have ended.",
        is_retryable=True,
    ),
    "uploads_full": Problem(
        429, "The uploads of this account exceed their limit",
        "Delete uploads that you no longer need, or wait until some expire.",
        is_retryable=True,
    ),
    "internal": Problem(
        500, "Internal error",
        "Nothing was charged. Try again; if it happens again, report request_id to the operator.",
        is_retryable=True,
        private="something went wrong on our side, nothing was charged; try again, and report it if it happens again",
    ),
    "worker_crash": Problem(
        500, "The process that ran the job died twice",
        "Nothing was charged. Ask for less, and report the job's id to the operator.",
    ),
    "time_limit": Problem(
        500, "The work exceeded its time limit",
        "Nothing was charged. Ask for less: a smaller octree_resolution or fewer steps.",
    ),
    "engine_not_ready": Problem(
        503, "The engine is not installed or not set up",
        "Use an engine that /api/v1/models shows as installed.",
        of=(errors.CheckpointError, errors.DownloadError, errors.MissingExtraError,),
        private="this engine is not installed or not set up here; ask the operator",
    ),
    "queue_full": Problem(
        503, "Too many jobs are waiting",
        "Try again as Retry-After says.",
        is_retryable=True,
    ),
    "disk_full": Problem(
        503, "The disk is nearly full",
        "Try again later; the operator must free space.",
        is_retryable=True,
        private="the disk is full; send it again later",
    ),
    "busy": Problem(
        503, "Too many of these requests at once",
        "Try again as Retry-After says.",
        is_retryable=True,
    ),
    "not_ready": Problem(
        503, "The service is starting or stopping",
        "Try again as Retry-After says.",
        is_retryable=True,
    ),
    "still_running": Problem(
        503, "The job takes longer than a request may wait",
        "The job continues: get it at response_url.",
        is_retryable=True,
    ),
}  # fmt: skip


class Refused(ServiceError):
    """A request is refused: a code of `PROBLEMS`, a message, and for each wrong field a JSON pointer and a message."""

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


def code_of(error: type[FourviewError]) -> str:
    """The code of one of our errors; `internal` for those that no caller can correct."""
    for known in error.__mro__:
        for code, problem in PROBLEMS.items():
            if known in problem.of:
                return code
    return "internal"


def public_failure(failure: Failure) -> tuple[str, str]:
    """Code and message of work that failed, as its client may see them."""
    error = getattr(errors, failure.error, None)
    code = code_of(error) if isinstance(error, type) else "internal"
    return code, public_message(code, failure.message)


def public_message(code: str, message: str) -> str:
    """`message`, or what replaces it where it may hold paths of this machine."""
    private = PROBLEMS[code].private
    return message if private is None else private


def document(refused: Refused, status: int, base_url: str, request_id: str) -> dict[str, Any]:
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


def _cut(text: str) -> str:
    """`text` without lone surrogates, which UTF-8 cannot hold, and with `DETAIL_MAX` characters at most."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= DETAIL_MAX else f"{text[:DETAIL_MAX]}.."
