# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The URLs in answers: absolute, and signed where they open without a key.

Owns      paths of jobs and their files, how long a signed URL is valid.
Not here  the signature (`signing`), who may open what (`http.auth`).
"""

import math
from dataclasses import dataclass
from urllib.parse import quote

from fourview.service.signing import sign

JOBS = "/api/v1/jobs"
FILE, EVENTS = "file", "events"  # purposes of signed URLs
_EXPIRY_STEP_S = 60  # expiry is rounded up to this, so URLs signed within one minute are equal, and answers too


@dataclass(frozen=True)
class Links:
    """`secrets` sign URLs, newest first; `signed_url_s`: how long a URL is valid at least, seconds."""

    base_url: str
    secrets: tuple[bytes, ...]
    signed_url_s: float

    def signed(self, path: str, purpose: str, now: float) -> str:
        """An absolute URL that opens `path` (from the root, percent-encoded) without a key for a while."""
        until = math.ceil((now + self.signed_url_s) / _EXPIRY_STEP_S) * _EXPIRY_STEP_S
        return self.base_url + sign(path, purpose=purpose, expires_at=until, secrets=self.secrets)

    def job(self, job_id: str) -> str:
        """The job; needs a key."""
        return f"{self.base_url}{JOBS}/{job_id}"

    def events(self, job_id: str, now: float) -> str:
        """The event stream of a job, without a key."""
        return self.signed(f"{JOBS}/{job_id}/events", EVENTS, now)

    def file(self, job_id: str, name: str, now: float) -> str:
        """A file of a job, without a key."""
        return self.signed(f"{JOBS}/{job_id}/files/{quote(name)}", FILE, now)
