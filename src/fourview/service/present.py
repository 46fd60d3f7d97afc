# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A job as the native surface shows it.

Owns      the job object, its signed URLs, its `ETag`. Not here: v2's status (`routes.v2`), reading a job (`store`).
"""

from typing import Any

from fourview.service.desk import Desk
from fourview.service.store.jobs import Job
from fourview.service.store.outputs import Output


def job_object(desk: Desk, job: Job, outputs: list[Output], position: int | None, now: float) -> dict[str, Any]:
    """The job object of the contract; every URL in it is absolute and signed anew."""
    raise NotImplementedError


def signed_url(desk: Desk, path: str, purpose: str, now: float) -> str:
    """An absolute URL that opens `path` (from the root, percent-encoded) without a key for a while."""
    raise NotImplementedError
