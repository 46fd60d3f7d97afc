# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that is refused or goes wrong, as a client sees it: one table, one schema (RFC 9457).

Owns      the stable words, their status and title; which error of ours is which; the body; the framework's own errors.
Not here  what is written to the log about it (`logs`).

The body is `application/problem+json` at every door. On the routes of the compatible surface it also carries a string
`error`, which is what their clients read. v2's answer of a failed job is no problem but a job (`routes.v2`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fourview import errors
from fourview.errors import ServiceError
from fourview.work import Failure


@dataclass(frozen=True)
class Problem:
    status: int
    title: str
    is_retryable: bool = False


PROBLEMS: dict[str, Problem] = {
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
    "credits_short": Problem(402, "Not enough credits"),  # 406 on the compatible surface
    "origin_refused": Problem(403, "Pages of other origins may not call this"),
    "not_found": Problem(404, "There is no such thing"),
    "method_not_allowed": Problem(405, "The method is not allowed here"),
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


def code_of(error: type[errors.FourviewError]) -> str:
    """The word for an error of ours; `internal` for those that no caller can mend."""
    return next((code for known, code in CODES if issubclass(error, known)), "internal")


def said_of(failure: Failure) -> tuple[str, str]:
    """The word and the sentence that a stranger is told about work that failed."""
    error = getattr(errors, failure.error, None)
    code = code_of(error) if isinstance(error, type) else "internal"
    return code, PRIVATE.get(code, failure.message)
