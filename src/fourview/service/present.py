# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A job as the native surface shows it.

Owns      the job object, its signed URLs, its `ETag`; what has to be read for it.
Not here  v2's status (`routes.v2`), the states of a job (`store`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection

from fourview.recipe import Recipe, flat
from fourview.service.desk import Desk
from fourview.service.signing import sign
from fourview.service.store import ledger
from fourview.service.store.jobs import Job
from fourview.service.store.outputs import Output, outputs_of

JOBS = "/api/v1/jobs"
FILE, EVENTS = "file", "events"  # the purposes of signed URLs
_EXPIRY_STEP_S = 60  # URLs of one minute are equal, so that answers to equal requests are


@dataclass(frozen=True)
class Seen:
    """A job and what is told of it besides its row, all of one moment."""

    job: Job
    outputs: list[Output]
    position: int | None  # in the queue, 1 is next
    cost: int  # thousandths of a credit: what it will cost or, in the end, did


def see(tx: Connection, desk: Desk, jobs: Sequence[Job]) -> list[Seen]:
    """What is told of these jobs besides their rows."""
    outputs = outputs_of(tx, [job.id for job in jobs if job.status == "succeeded"])
    stopped = [job.id for job in jobs if job.status == "canceled"]  # before it ran for nothing, later for its price
    charged = ledger.charged(tx, stopped) if stopped else {}

    def cost(job: Job) -> int:
        return charged.get(job.id, 0) if job.status in ("failed", "expired", "canceled") else job.price

    return [Seen(job, outputs.get(job.id, []), desk.line.place(tx, job), cost(job)) for job in jobs]


def job_object(desk: Desk, seen: Seen, now: float) -> dict[str, Any]:
    """The job object of the contract; every URL in it is absolute and signed anew."""
    job = seen.job
    result: dict[str, Any] = job.result or {}
    recipe = flat(Recipe.of(**{name: value for name, value in job.recipe.items() if name != "mesh_type"}))
    return {
        "id": job.id,
        "object": "job",
        "kind": job.kind,
        "status": job.status,
        "stage": job.stage,
        "progress": job.progress,
        "queue_position": seen.position,
        "created_at": moment(job.created_at),
        "started_at": moment(job.started_at),
        "finished_at": moment(job.finished_at),
        "expires_at": moment(job.expires_at),
        "engine": _engine(job, result),
        "recipe": recipe,
        "seed_used": job.seed_used,
        "timings": {stage: round(seconds * 1000) for stage, seconds in result.get("timings_s", {}).items()},
        "outputs": [_output(desk, job, output, now) for output in seen.outputs],
        "mesh": _mesh(result.get("mesh"), recipe["target_face_num"]),
        "warnings": [*job.warnings, *result.get("warnings", ())],
        "error": job.error,
        "cost": seen.cost / ledger.CREDIT,
        "tags": job.tags,
        "events_url": signed_url(desk, f"{JOBS}/{job.id}/events", EVENTS, now),
    }


def etag(desk: Desk, seen: Seen, now: float) -> str:
    """Changes with whatever is told of the job, and twice while its URLs are good: so nobody is left with dead ones."""
    signed = int(now / (desk.settings.signed_url_s / 2))
    return f'W/"{seen.job.last_event}-{seen.position or 0}-{len(seen.outputs)}-{signed}"'


def signed_url(desk: Desk, path: str, purpose: str, now: float) -> str:
    """An absolute URL that opens `path` (from the root, percent-encoded) without a key for a while."""
    until = math.ceil((now + desk.settings.signed_url_s) / _EXPIRY_STEP_S) * _EXPIRY_STEP_S
    return desk.settings.base_url + sign(path, purpose=purpose, expires_at=until, secrets=desk.secrets)


def file_url(desk: Desk, job_id: str, name: str, now: float) -> str:
    """Where a file of a job can be had without a key."""
    return signed_url(desk, f"{JOBS}/{job_id}/files/{quote(name)}", FILE, now)


def moment(seconds: float | None) -> str | None:
    """Unix seconds as RFC 3339 in UTC with milliseconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _engine(job: Job, result: dict[str, Any]) -> dict[str, Any]:
    """Name, version, device and licence; all but the name are known once the job has run."""
    ran: dict[str, Any] = result.get("engine", {})
    return {"name": job.engine, **{name: ran.get(name) for name in ("version", "device", "licence")}}


def _output(desk: Desk, job: Job, output: Output, now: float) -> dict[str, Any]:
    return {
        "name": output.name,
        "format": output.format,
        "bytes": output.bytes,
        "sha256": output.digest,
        "url": file_url(desk, job.id, output.name, now),
    }


def _mesh(health: dict[str, Any] | None, faces_target: int) -> dict[str, Any] | None:
    """What was measured of the mesh, and how many faces were asked for; `bbox` in box units, as `volume`."""
    if health is None:
        return None
    told = ("faces", "vertices", "watertight", "manifold", "components", "euler", "volume")
    return {
        "faces_target": faces_target,
        **{name: health[name] for name in told},
        "bbox": health["bounds"],
    }
