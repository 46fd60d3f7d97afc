# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""URLs that answers hold: absolute, and signed, so that they open without a key for a while.

Owns      which paths are signed for which purpose, how long a URL is valid.
Not here  the signature (`signing`).
"""

import math
from dataclasses import dataclass
from urllib.parse import quote

from fourview.service.signing import sign

JOBS = "/api/v1/jobs"
FILE, EVENTS = "file", "events"  # the purposes of signed URLs
_EXPIRY_STEP_S = 60  # URLs made within one minute are equal, so that answers to equal requests are


@dataclass(frozen=True)
class Links:
    """Makes URLs. `base_url`: of the service. `secrets`: they sign, newest first. `valid_s`: how long a URL opens."""

    base_url: str
    secrets: tuple[bytes, ...]
    valid_s: float

    def signed(self, path: str, purpose: str, now: float) -> str:
        """A URL that opens `path` (from the root, percent-encoded) without a key."""
        until = math.ceil((now + self.valid_s) / _EXPIRY_STEP_S) * _EXPIRY_STEP_S
        return self.base_url + sign(path, purpose=purpose, expires_at=until, secrets=self.secrets)

    def file(self, job_id: str, name: str, now: float) -> str:
        """The URL of a file of a job."""
        return self.signed(f"{JOBS}/{job_id}/files/{quote(name)}", FILE, now)

    def events(self, job_id: str, now: float) -> str:
        """The URL of a job's events."""
        return self.signed(f"{JOBS}/{job_id}/events", EVENTS, now)

    def period(self, now: float) -> int:
        """A number that changes twice while a URL is valid: an `ETag` with it never keeps an expired URL alive."""
        return int(now / (self.valid_s / 2))
