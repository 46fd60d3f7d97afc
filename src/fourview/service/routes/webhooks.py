# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The deliveries of a job's webhooks, delivering again, and the secret that signs them."""

import time
from typing import cast

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from typing_extensions import TypedDict

from fourview.service.background.deliveries import Entry, account_secret
from fourview.service.caller import Caller
from fourview.service.context import AppContext, context_of
from fourview.service.http.auth import Admitted, admit_with
from fourview.service.jobs.job_view import find
from fourview.service.problems import Refused
from fourview.service.store import webhooks
from fourview.service.store.instance import secret
from fourview.service.store.webhooks import Delivery, State
from fourview.service.times import moment

router = APIRouter(prefix="/api/v1", tags=["webhooks"])


class DeliveryObject(TypedDict):
    """One delivery of a webhook, pending or ended."""

    id: str  # the webhook-id
    type: str
    url: str
    status: State
    attempts: int
    created_at: str | None
    next_at: str | None
    log: list[Entry]


class Deliveries(TypedDict):
    """All deliveries of a job, in order."""

    data: list[DeliveryObject]


class Secret(TypedDict):
    """What signs the webhooks of an account, `whsec_...`."""

    secret: str


@router.get("/jobs/{job_id}/deliveries")
async def list_deliveries(request: Request, job_id: str) -> Deliveries:
    """The webhooks of a job, each with its attempts."""
    context = context_of(request)
    found = await admit_with(request, lambda tx, caller: _deliveries(tx, context, job_id, caller))
    return {"data": [_shown(delivery) for delivery in found]}


@router.post("/jobs/{job_id}/deliveries/{delivery_id}/redeliver", status_code=202)
async def redeliver(request: Request, job_id: str, delivery_id: str, caller: Admitted) -> DeliveryObject:
    """Deliver it again, from the first attempt, with the same `webhook-id`."""
    context = context_of(request)

    def again(tx: Connection) -> Delivery | None:
        known = any(delivery.id == delivery_id for delivery in _deliveries(tx, context, job_id, caller))
        return webhooks.redeliver(tx, delivery_id, time.time()) if known else None

    delivery = await context.change(again)
    if delivery is None:
        raise Refused("not_found", f"this job has no delivery '{delivery_id[:40]}'; GET its deliveries names them")
    return _shown(delivery)


@router.get("/webhooks/secret")
async def read_secret(request: Request, caller: Admitted) -> Secret:
    """What signs the webhooks of this account, after Standard Webhooks: HMAC-SHA256, version v1."""
    root = await context_of(request).change(lambda tx: secret(tx, "webhooks"))
    return {"secret": account_secret(root, caller.account_id)}


def _deliveries(tx: Connection, context: AppContext, job_id: str, caller: Caller) -> list[Delivery]:
    return webhooks.list_deliveries(tx, find(tx, context.queue_places, job_id, caller.account_id).job.id)


def _shown(delivery: Delivery) -> DeliveryObject:
    return {
        "id": delivery.id,
        "type": delivery.type,
        "url": delivery.url,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "created_at": moment(delivery.created_at),
        "next_at": moment(delivery.next_at) if delivery.status == "pending" else None,
        "log": cast("list[Entry]", delivery.log),
    }
