# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A request becomes a job, once: the same steps for every API.

Owns      the order: price, replay, limits, inputs, then job, hold and idempotency key in one transaction.
Not here  reading the request (`hosted.request`, `jobs_api.request`), the answer (`hosted.answers`, `jobs_api.answers`).

Limits are checked before anything is fetched or decoded, and again in the transaction that makes the job. The limit of
a key is exact. On PostgreSQL, simultaneous requests can exceed the global limit.

A job is accepted where a worker that can do it was seen within `PRESENT_S`, so a worker that restarts keeps its queue.
If no worker was seen at all, the service is starting (503 `not_ready`, try again). If only others were seen, no worker
here can do it (503 `engine_not_ready`).
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import structlog
from sqlalchemy import Connection

from fourview.errors import AddressError, CreditError
from fourview.kinds import KINDS, MESH
from fourview.notice import Notice
from fourview.recipe import Recipe, flat
from fourview.service.caller import Caller
from fourview.service.context import AppContext
from fourview.service.health.probes import free_mib
from fourview.service.inputs import load
from fourview.service.inputs.sources import Source
from fourview.service.outbound import addresses
from fourview.service.prices import price_of
from fourview.service.problems import Refused
from fourview.service.settings import Settings
from fourview.service.store import accounts, idempotency, jobs, ledger, workers
from fourview.service.store.jobs import NO_ENGINE, Api, Job, NewJob

PRESENT_S = 300  # how long after it was last seen a worker is expected to come back
RETRY_S = 10  # when to ask again where too many jobs wait


@dataclass(frozen=True)
class JobRequest:
    """A request that was read and checked as far as can be without fetching or decoding anything."""

    api: Api
    kind: str  # a key of `kinds.KINDS`
    recipe: Recipe
    sources: Mapping[str, Source]  # side, or `mesh` -> what the field holds
    fields: Mapping[str, str]  # side, or `mesh` -> the field's name in this API
    warnings: tuple[Notice, ...] = ()
    tags: tuple[str, ...] = ()
    webhook_url: str | None = None
    cancel_after_s: float | None = None
    keep_s: float | None = None
    word: str | None = None  # the Idempotency-Key
    fingerprint: str = ""  # of the canonical body

    @property
    def engine(self) -> str:
        """The engine that a worker must have, or `NO_ENGINE`."""
        return self.recipe.shape.engine if KINDS[self.kind].has_engine else NO_ENGINE


@dataclass(frozen=True)
class Submitted:
    job: Job
    is_replay: bool


async def submit(context: AppContext, caller: Caller, wanted: JobRequest) -> Submitted:
    """The job of this request: a new one, or that of the same request sent before."""
    price = price_of_request(context, caller, wanted)
    job = await context.look(lambda tx: _look_ahead(tx, context.settings, caller, wanted, price))
    if job is not None:
        return Submitted(job, is_replay=True)
    await check_disk(context)
    await _check_webhook(context.settings, wanted.webhook_url)
    found = await load.gather(context, caller.account_id, wanted.sources, wanted.fields)
    recipe = set_parameters(wanted.recipe)
    if MESH in found:
        recipe["mesh_type"] = found[MESH].kind
    kept = await load.keep(context, found)

    new = NewJob(
        caller.account_id, caller.key.id, wanted.engine, price, recipe, kept,
        kind=wanted.kind,
        api=wanted.api,
        tags=list(wanted.tags),
        warnings=[asdict(notice) for notice in wanted.warnings],
        keep_s=wanted.keep_s or context.settings.job_keep_h * 3600,
        webhook_url=wanted.webhook_url,
    )  # fmt: skip
    submitted = await context.change(lambda tx: _accept(tx, context.settings, wanted, new))
    if not submitted.is_replay:
        context.wakeups.job_changed(submitted.job.id)
        context.wakeups.job_queued()
    structlog.contextvars.bind_contextvars(job_id=submitted.job.id)  # for the line of this request in the log
    return submitted


def set_parameters(recipe: Recipe) -> dict[str, Any]:
    """The parameters that were set, by flat name: all that has to be kept to have the recipe again."""
    return {name: value for name, value in flat(recipe).items() if name in recipe.given}


def check_addresses(context: AppContext, wanted: JobRequest) -> None:
    """Raises `Refused` for files and webhooks whose address is refused without a name server."""
    load.check_addresses(context, wanted.sources, wanted.fields)
    if wanted.webhook_url is not None:
        try:
            addresses.check_spelling(wanted.webhook_url, context.settings.outbound_rules)
        except AddressError as error:
            raise _webhook_refused(str(error)) from None


def price_of_request(context: AppContext, caller: Caller, wanted: JobRequest) -> int:
    """Thousandths of a credit that the job will cost; 0 without credits."""
    if not caller.pays:
        return 0
    return price_of(wanted.kind, wanted.recipe, context.settings.prices)


def _look_ahead(tx: Connection, settings: Settings, caller: Caller, wanted: JobRequest, price: int) -> Job | None:
    """The job that this request made before; raises what would be raised later, before anything is done for it."""
    if wanted.word is not None:
        seen = idempotency.peek(
            tx, caller.account_id, wanted.word, wanted.fingerprint, time.time(), settings.idempotency_keep_h * 3600
        )
        if seen.state != "new":
            return _replayed(tx, caller.account_id, wanted.word, seen)
    before = ledger.balance(tx, caller.account_id)
    if before < price:
        needed, there = ledger.in_credits(price), ledger.in_credits(before)
        raise CreditError(f"the balance is {there} credits and {needed} are needed; grant more", before, price)
    _check_queue(tx, settings, caller.key.id)
    _check_workers(tx, wanted.engine)
    return None


def _accept(tx: Connection, settings: Settings, wanted: JobRequest, new: NewJob) -> Submitted:
    now = time.time()
    accounts.lock_account(tx, new.account_id)
    if wanted.word is not None:
        seen = idempotency.look_up(
            tx, new.account_id, wanted.word, wanted.fingerprint, now, settings.idempotency_keep_h * 3600
        )
        if seen.state != "new":
            return Submitted(_replayed(tx, new.account_id, wanted.word, seen), is_replay=True)
    _check_queue(tx, settings, new.key_id)
    deadline = None if wanted.cancel_after_s is None else now + wanted.cancel_after_s
    job = jobs.add_job(tx, replace(new, deadline=deadline), now)
    if wanted.word is not None:
        idempotency.remember(tx, new.account_id, wanted.word, wanted.fingerprint, job.id, now)
    return Submitted(job, is_replay=False)


def _replayed(tx: Connection, account_id: str, word: str, seen: idempotency.Seen) -> Job:
    if seen.state == "mismatch":
        raise Refused(
            "idempotency_mismatch", f"the Idempotency-Key '{word}' came with another request before; send a new one"
        )
    job = jobs.find_job(tx, seen.job_id or "", account_id)
    if job is None:
        raise Refused(
            "not_found",
            f"the Idempotency-Key '{word}' made the job {seen.job_id}, which was deleted since; send a new one",
        )
    return job


def _check_queue(tx: Connection, settings: Settings, key_id: str) -> None:
    waiting, of_key = jobs.count_waiting(tx, key_id)
    headers = {"retry-after": str(RETRY_S)}
    if of_key >= settings.queue_max_per_key:
        raise Refused(
            "too_many_jobs",
            f"{of_key} jobs of this key wait, as many as may; send more when some have run",
            headers=headers,
        )
    if waiting >= settings.queue_max:
        raise Refused("queue_full", f"{waiting} jobs wait, as many as may; send it again later", headers=headers)


def _check_workers(tx: Connection, engine: str) -> None:
    there = workers.present(tx, time.time() - PRESENT_S)
    if not there:
        raise Refused("not_ready", "no worker is ready yet; send it again soon", headers={"retry-after": str(RETRY_S)})
    if engine != NO_ENGINE and not any(engine in worker.engines for worker in there):
        able = ", ".join(sorted({able for worker in there for able in worker.engines})) or "nothing"
        raise Refused("engine_not_ready", f"no worker here can do '{engine}'; there is {able}")


async def check_disk(context: AppContext) -> None:
    """Raises `Refused` where nothing more is to be put on the disk."""
    free, least = (
        await context.with_files(lambda files: free_mib(context.settings, files)),
        context.settings.disk_free_min_mib,
    )
    if free < least:
        raise Refused(
            "disk_full",
            f"{free:.0f} MiB of disk are free and no job is taken below {least}; send it again later",
            headers={"retry-after": str(RETRY_S)},
        )


async def _check_webhook(settings: Settings, url: str | None) -> None:
    """Raises `Refused` where the service would not call this address."""
    if url is None:
        return
    try:
        async with asyncio.timeout(settings.outbound_connect_s):
            await addresses.check(url, settings.outbound_rules)
    except TimeoutError:
        reason = "the name server does not know its host soon enough: check the address"
    except AddressError as error:
        reason = str(error)
    else:
        return
    raise _webhook_refused(reason)


def _webhook_refused(reason: str) -> Refused:
    sentence = f"webhook_url cannot be called: {reason}"
    return Refused("invalid_address", sentence, errors=[("/webhook_url", sentence)])
