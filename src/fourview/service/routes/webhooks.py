# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What was told to whom about a job, telling it again, and the secret that signs it."""

import time
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request

from fourview.service.auth import Admitted, Caller
from fourview.service.deliver import account_secret
from fourview.service.desk import desk_of
from fourview.service.present import moment
from fourview.service.problems import Refused
from fourview.service.store import webhooks
from fourview.service.store.instance import secret
from fourview.service.store.jobs import find_job
from fourview.service.store.webhooks import Delivery

router = APIRouter(prefix="/api/v1", tags=["webhooks"])


@router.get("/jobs/{job_id}/deliveries")
async def list_deliveries(job_id: str, caller: Admitted, request: Request) -> dict[str, Any]:
    """What was and will be told of a job, each with its attempts."""
    found = await desk_of(request).look(lambda tx: _deliveries(tx, job_id, caller))
    return {"data": [_shown(delivery) for delivery in found]}


@router.post("/jobs/{job_id}/deliveries/{delivery_id}/redeliver", status_code=202)
async def redeliver(job_id: str, delivery_id: str, caller: Admitted, request: Request) -> dict[str, Any]:
    """Tell it once more, from the first attempt, under the same `webhook-id`."""

    def again(tx: Connection) -> Delivery | None:
        known = any(delivery.id == delivery_id for delivery in _deliveries(tx, job_id, caller))
        return webhooks.redeliver(tx, delivery_id, time.time()) if known else None

    delivery = await desk_of(request).change(again)
    if delivery is None:
        raise Refused("not_found", f"there is no delivery '{delivery_id}' of this job; ask for the job's deliveries")
    return _shown(delivery)


@router.get("/webhooks/secret")
async def read_secret(caller: Admitted, request: Request) -> dict[str, str]:
    """What signs the webhooks of this account (Standard Webhooks, HMAC-SHA256)."""
    root = await desk_of(request).change(lambda tx: secret(tx, "webhooks"))
    return {"secret": account_secret(root, caller.account_id)}


def _deliveries(tx: Connection, job_id: str, caller: Caller) -> list[Delivery]:
    if find_job(tx, job_id, caller.account_id) is None:
        raise Refused("not_found", f"there is no job '{job_id}' of this account")
    return webhooks.list_deliveries(tx, job_id)


def _shown(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "type": delivery.type,
        "url": delivery.url,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "created_at": moment(delivery.created_at),
        "next_at": moment(delivery.next_at) if delivery.status == "pending" else None,
        "log": delivery.log,
    }
