# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Sends webhooks, signed after Standard Webhooks, until they arrive or the attempts are used up.

Owns      the body, its signature, sending, the meaning of the receiver's answer, the delay between attempts, how many
          attempts of one account or host run at once.
Not here  which events there are (`store.webhooks.TYPES`), which hosts are allowed (`outbound.fetch.PinnedTransport`).

Several processes may deliver for one database: a delivery that one of them takes is hidden from the others for as long
as an attempt can last. If the sender dies, the delivery becomes due again with the same `webhook-id`: a receiver that
must act once remembers these ids. Order is not guaranteed. `data` is the job at the moment of sending.

A receiver may hang until it times out, so the places are shared. An account, and likewise a host, begins an attempt
while it has fewer under way than a share of the free places (the dynamic threshold of Choudhury and Hahne, 1998). One
account alone holds at most a third of all places, and each further account a share of the rest: another account finds
a place until as many accounts hang as there are places. Each host of an account has a share of the account's rest.

An account's secret is derived from one of the installation, so that it is the same in every process and needs no row.
"""

import asyncio
import base64
import contextlib
import hmac
import json
import random
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

import httpx
import structlog
from sqlalchemy import Connection
from standardwebhooks import Webhook
from typing_extensions import TypedDict

from fourview import __version__
from fourview.errors import AddressError, DependencyAwayError
from fourview.service.context import AppContext
from fourview.service.jobs.job_view import job_object, see
from fourview.service.settings import Settings
from fourview.service.store import webhooks
from fourview.service.store.instance import secret
from fourview.service.store.jobs import find_job
from fourview.service.store.webhooks import Delivery, Due
from fourview.service.times import moment

AWAY_S = 2.0  # seconds until the next query after the database was away
LOOK_S = 0.5  # seconds between queries for due deliveries
AT_ONCE = 128  # attempts under way
SHARE = 0.5  # of the free places that one account, or one host, may have under way
FACTOR = 4.0  # how many times longer each delay is than the one before
JITTER = 0.25  # of a delay, up or down, so that retries do not come at the same moment
GONE = 410  # the status by which a receiver ends all deliveries of a job
WRITE_S = 15.0  # seconds for storing an attempt's result, after which another process repeats it

log = structlog.get_logger(__name__)


class Entry(TypedDict):
    """An attempt, as the log of a delivery has it."""

    attempt: int
    at: str | None
    ms: int
    status: int | None  # of the answer
    error: str | None  # why there was none


def account_secret(root: bytes, account_id: str) -> str:
    """What signs an account's webhooks, `whsec_...`; `root` is the installation's."""
    return "whsec_" + base64.b64encode(hmac.digest(root, account_id.encode(), "sha256")).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`; `timestamp` in unix seconds."""
    return Webhook(secret).sign(message_id, datetime.fromtimestamp(timestamp, UTC), body.decode())


class Places:
    """The attempts under way: of each lane (see `store.webhooks`), of its account, of its host."""

    def __init__(self) -> None:
        self._free = AT_ONCE
        self._under_way: Counter[str] = Counter()

    def in_turn(self, due: Iterable[Due]) -> list[str]:
        """The lanes that are due: first those whose account has the least under way, then those that wait longest."""
        return [found.lane for found in sorted(due, key=lambda d: (self._under_way[_owners(d.lane)[0]], d.since))]

    def enter(self, lane: str) -> bool:
        """Begin one more of this lane; False where it has to wait."""
        account, host = _owners(lane)
        share = max(1.0, self._free * SHARE)
        rest = max(1.0, (share - self._under_way[account]) * SHARE)
        has_room = self._under_way[account] < share and self._under_way[host] < share and self._under_way[lane] < rest
        if self._free == 0 or not has_room:
            return False
        self._free -= 1
        self._under_way.update((lane, account, host))
        return True

    def leave(self, lane: str) -> None:
        self._free += 1
        self._under_way.subtract((lane, *_owners(lane)))
        self._under_way = +self._under_way  # without those that have none


def _owners(lane: str) -> tuple[str, str]:
    """The account of a lane, and the host, as they are counted."""
    account, _, host = lane.partition(" ")
    return account, f"* {host}"


class Deliverer:
    """One a process, in its event loop."""

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._root = b""
        self._is_stopping = False
        self._places = Places()
        self._has_left = asyncio.Event()  # an attempt, and its place is free

    def stop(self) -> None:
        """Take nothing more; `run` ends with the attempts that are under way."""
        self._is_stopping = True

    async def run(self) -> None:
        """Deliver what is due."""
        async with asyncio.TaskGroup() as attempts:
            while not self._is_stopping:
                self._has_left.clear()
                taken = await self._next()
                for delivery in taken:
                    attempts.create_task(self._attempt(delivery))
                if not taken:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._has_left.wait(), LOOK_S)

    async def _next(self) -> list[Delivery]:
        """What is due and has a place, taken: at most one of each lane."""
        try:
            due = await self._context.look(lambda tx: webhooks.due_lanes(tx, time.time()))
            return await self._take([lane for lane in self._places.in_turn(due) if self._places.enter(lane)])
        except DependencyAwayError as error:
            log.warning("dependency_away", dependency=error.name, error=str(error))
            await asyncio.sleep(AWAY_S)
        except Exception:
            log.exception("webhooks_not_read")
        return []

    async def _take(self, lanes: list[str]) -> list[Delivery]:
        """One delivery of each of these lanes, which have places; others may have taken some meanwhile."""
        if not lanes:
            return []
        lease_s, taken = self._context.settings.webhook_timeout_s + WRITE_S, []
        try:
            self._root = self._root or await self._context.change(lambda tx: secret(tx, "webhooks"))
            found = await self._context.change(
                lambda tx: [webhooks.take_delivery(tx, lane, time.time(), lease_s) for lane in lanes]
            )
            taken = [delivery for delivery in found if delivery is not None]
        finally:
            for lane in set(lanes) - {delivery.lane for delivery in taken}:
                self._places.leave(lane)
        return taken

    async def _attempt(self, delivery: Delivery) -> None:
        bound = log.bind(job_id=delivery.job_id, delivery_id=delivery.id, attempt=delivery.attempts)
        try:
            began = time.time()
            message = await self._context.look(lambda tx: self._message(tx, delivery, began))
            if message is None:
                return  # the job was deleted meanwhile, and its deliveries with it
            status, error = await self._send(message)
            ms = round((time.time() - began) * 1000)
            entry = Entry(attempt=delivery.attempts, at=moment(began), ms=ms, status=status, error=error)
            await self._context.change(lambda tx: self._write_down(tx, delivery, entry))
            bound.info("webhook_sent", status=status, error=error)
        except DependencyAwayError as error:  # it comes up again by itself, as below
            bound.warning("dependency_away", dependency=error.name, error=str(error))
        except Exception:
            bound.exception("webhook_not_sent")
        finally:
            self._places.leave(delivery.lane)
            self._has_left.set()

    def _message(self, tx: Connection, delivery: Delivery, now: float) -> httpx.Request | None:
        job = find_job(tx, delivery.job_id)
        if job is None:
            return None
        data = job_object(self._context.links, see(tx, self._context.queue_places, [job])[0], now)
        body = json.dumps({"type": delivery.type, "timestamp": moment(delivery.created_at), "data": data}).encode()
        timestamp = int(now)
        settings = self._context.settings
        timeout = httpx.Timeout(settings.webhook_timeout_s, connect=settings.outbound_connect_s).as_dict()
        return httpx.Request(
            "POST",
            delivery.url,
            headers={
                "content-type": "application/json",
                "user-agent": f"fourview/{__version__}",
                "webhook-id": delivery.id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": sign(account_secret(self._root, job.account_id), delivery.id, timestamp, body),
            },
            content=body,
            extensions={"timeout": timeout},
        )

    async def _send(self, message: httpx.Request) -> tuple[int | None, str | None]:
        """The status of the answer, whose body is not read, or why there is none."""
        timeout_s = self._context.settings.webhook_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._context.transport.handle_async_request(message)
                await response.aclose()
                return response.status_code, None
        except AddressError as error:
            return None, str(error)
        except (TimeoutError, httpx.TimeoutException):
            return None, f"no answer within {timeout_s:g} s"
        except (httpx.HTTPError, httpx.InvalidURL):
            return None, "the host does not answer, or broke off"

    def _write_down(self, tx: Connection, delivery: Delivery, entry: Entry) -> None:
        settings, status, row = self._context.settings, entry["status"], dict(entry)
        if status is not None and 200 <= status < 300:
            webhooks.delivered(tx, delivery.id, row)
        elif status == GONE:
            webhooks.stop(tx, delivery.job_id)
            webhooks.not_delivered(tx, delivery.id, row, None)
        elif delivery.attempts >= settings.webhook_attempts:
            webhooks.not_delivered(tx, delivery.id, row, None)
        else:
            webhooks.not_delivered(tx, delivery.id, row, time.time() + delay_s(settings, delivery.attempts))


def delay_s(settings: Settings, attempts: int) -> float:
    """How long to wait after that many attempts."""
    plain = min(settings.webhook_first_delay_s * FACTOR ** (attempts - 1), settings.webhook_max_delay_s)
    return plain * random.uniform(1 - JITTER, 1 + JITTER)
