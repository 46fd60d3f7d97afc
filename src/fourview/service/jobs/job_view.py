# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A job as the jobs API shows it.

Owns      the job object, its `ETag`, what has to be read for it.
Not here  signed URLs (`links`), the status of the hosted API (`hosted.answers`), the states of a job (`store`).
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, cast

from pydantic import Field
from sqlalchemy import Connection
from typing_extensions import TypedDict

from fourview.kinds import KINDS
from fourview.recipe import Recipe, flat
from fourview.report import Health, Report
from fourview.service.links import JOBS, Links
from fourview.service.problems import Refused
from fourview.service.store import ledger
from fourview.service.store.jobs import NO_ENGINE, Job, Status, find_job
from fourview.service.store.outputs import Output, outputs_of
from fourview.service.store.queue_places import QueuePlaces
from fourview.service.times import maybe_moment, moment

KindName = Annotated[str, Field(json_schema_extra={"enum": [kind.name for kind in KINDS.values() if kind.is_job]})]
_JOB_ID = re.compile(r"job_[0-9a-f]{24}", re.ASCII)
_DEFAULTS = flat(Recipe())  # what was not set is as here; building a recipe for each answer took 0.2 ms


class EngineObject(TypedDict):
    """All but the name are known once the job has run; all are null for a kind of work without an engine."""

    name: str | None
    version: str | None
    device: str | None
    licence: str | None


class OutputObject(TypedDict):
    name: str
    format: str
    bytes: int
    sha256: str
    url: str


class MeshObject(TypedDict):
    """What was measured of the model; `bbox` (lowest and highest corner) and `volume` in box units."""

    faces: int
    faces_target: int
    vertices: int
    watertight: bool
    manifold: bool
    components: int
    euler: int
    bbox: list[list[float]]
    volume: float


class WarningObject(TypedDict):
    code: str
    message: str
    field: str | None


class ErrorObject(TypedDict):
    """Why a job failed: a word that stays the same, a sentence, whether the same request may work another time."""

    code: str
    message: str
    retryable: bool


class JobObject(TypedDict):
    """A job; times are RFC 3339 in UTC, timings whole milliseconds by stage, cost in credits."""

    id: str
    object: Literal["job"]
    kind: KindName
    status: Status
    stage: str | None
    progress: float
    queue_position: int | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    expires_at: str | None
    engine: EngineObject
    recipe: dict[str, Any]
    seed_used: int | None
    timings: dict[str, int]
    outputs: list[OutputObject]
    mesh: MeshObject | None
    warnings: list[WarningObject]
    error: ErrorObject | None
    cost: float
    tags: list[str]
    events_url: str


@dataclass(frozen=True)
class Seen:
    """A job, and what the job object needs besides its row, all of one moment."""

    job: Job
    outputs: list[Output]
    position: int | None  # in the queue, 1 is next
    cost: int  # thousandths of a credit: what it will cost or, in the end, did


def find(tx: Connection, places: QueuePlaces, job_id: str, account_id: str | None) -> Seen:
    """A job (of the account) with what its object needs; raises `Refused` where there is none of that id."""
    job = find_job(tx, job_id, account_id) if _JOB_ID.fullmatch(job_id) else None
    if job is None:
        raise Refused("not_found", f"there is no job '{job_id[:40]}' of this account; GET {JOBS} names those there are")
    return see(tx, places, [job])[0]


def see(tx: Connection, places: QueuePlaces, jobs: Sequence[Job]) -> list[Seen]:
    """These jobs with what their objects need."""
    outputs = outputs_of(tx, [job.id for job in jobs if job.status == "succeeded"])
    stopped = [job.id for job in jobs if job.status == "canceled"]  # before it ran for nothing, later for its price
    charged = ledger.charged(tx, stopped) if stopped else {}

    def cost(job: Job) -> int:
        return charged.get(job.id, 0) if job.status in ("failed", "expired", "canceled") else job.price

    return [Seen(job, outputs.get(job.id, []), places.place(tx, job), cost(job)) for job in jobs]


def job_object(links: Links, seen: Seen, now: float) -> JobObject:
    """The job object of the contract; every URL in it is absolute and newly signed."""
    job = seen.job
    report = report_of(job)
    recipe = _DEFAULTS | {name: value for name, value in job.recipe.items() if name in _DEFAULTS}
    return {
        "id": job.id,
        "object": "job",
        "kind": job.kind,
        "status": cast(Any, job.status),
        "stage": job.stage,
        "progress": job.progress,
        "queue_position": seen.position,
        "created_at": moment(job.created_at),
        "started_at": maybe_moment(job.started_at),
        "finished_at": maybe_moment(job.finished_at),
        "expires_at": maybe_moment(job.expires_at),
        "engine": _engine(job, report),
        "recipe": recipe,
        "seed_used": job.seed_used,
        "timings": {stage: round(seconds * 1000) for stage, seconds in report.timings_s.items()} if report else {},
        "outputs": [_output(links, job, output, now) for output in seen.outputs],
        "mesh": _mesh(report.mesh, recipe["target_face_num"]) if report and report.mesh else None,
        "warnings": warnings_of(job),
        "error": cast(ErrorObject | None, job.error),
        "cost": seen.cost / ledger.CREDIT,
        "tags": job.tags,
        "events_url": links.events(job.id, now),
    }


def etag(links: Links, seen: Seen, now: float) -> str:
    """Changes with the job object, and twice while its URLs are valid: no client keeps an answer with expired ones."""
    signed = int(now / (links.signed_url_s / 2))
    return f'W/"{seen.job.last_event}-{seen.position or 0}-{len(seen.outputs)}-{signed}"'


def report_of(job: Job) -> Report | None:
    """What the runner reported; None until the job has succeeded."""
    return None if job.result is None else Report.from_json(job.result)


def warnings_of(job: Job) -> list[WarningObject]:
    """The warnings of the request, then those of the run."""
    report = report_of(job)
    ran = () if report is None else report.warnings
    return [*cast("list[WarningObject]", job.warnings), *(cast(WarningObject, asdict(notice)) for notice in ran)]


def _engine(job: Job, report: Report | None) -> EngineObject:
    if job.engine == NO_ENGINE:
        return {"name": None, "version": None, "device": None, "licence": None}
    ran = (report and report.engine) or {}
    return {
        "name": job.engine,
        "version": ran.get("version"),
        "device": ran.get("device"),
        "licence": ran.get("licence"),
    }


def _output(links: Links, job: Job, output: Output, now: float) -> OutputObject:
    return {
        "name": output.name,
        "format": output.format,
        "bytes": output.bytes,
        "sha256": output.digest,
        "url": links.file(job.id, output.name, now),
    }


def _mesh(health: Health, faces_target: int) -> MeshObject:
    return {
        "faces": health.faces,
        "faces_target": faces_target,
        "vertices": health.vertices,
        "watertight": health.watertight,
        "manifold": health.manifold,
        "components": health.components,
        "euler": health.euler,
        "bbox": [list(corner) for corner in health.bounds],
        "volume": health.volume,
    }
