# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Outputs: the files of a job by name. Their bytes are in the file store, under their digest."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from fourview.service.store.tables import jobs, outputs, uploads


@dataclass(frozen=True)
class Output:
    name: str
    format: str
    bytes: int
    digest: str


def add_outputs(tx: Connection, job_id: str, made: Iterable[Output]) -> None:
    """Store the rows of a job's files; a name is stored once."""
    for output in made:
        tx.execute(insert(outputs).values(job_id=job_id, **vars(output)))


def list_outputs(tx: Connection, job_id: str) -> list[Output]:
    """The files of a job by name."""
    columns = [outputs.c[name] for name in Output.__dataclass_fields__]
    rows = tx.execute(select(*columns).where(outputs.c.job_id == job_id).order_by(outputs.c.name))
    return [Output(**row._mapping) for row in rows]


def outputs_of(tx: Connection, job_ids: Collection[str]) -> dict[str, list[Output]]:
    """The files of each of these jobs by name."""
    if not job_ids:
        return {}
    columns = [outputs.c[name] for name in Output.__dataclass_fields__]
    query = select(outputs.c.job_id, *columns).where(outputs.c.job_id.in_(job_ids))
    found: dict[str, list[Output]] = {job_id: [] for job_id in job_ids}
    for job_id, *row in tx.execute(query.order_by(outputs.c.name)):
        found[job_id].append(Output(*row))
    return found


def digests_in_use(tx: Connection) -> set[str]:
    """The digests that a job or an upload still uses; all others can be deleted."""
    used = set(tx.scalars(select(outputs.c.digest)).all()) | set(tx.scalars(select(uploads.c.digest)).all())
    for inputs in tx.scalars(select(jobs.c.inputs)):
        used.update(inputs.values())
    return used
