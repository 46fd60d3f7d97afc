# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The caller of a request: key, rate limit, balance.

Owns      finding the key of a request, the rate limit, the caller for routes, the headers with rate and balance.
Not here  making keys (`store.keys`), what a refusal looks like (`problems`).

A key has two buckets of `rate_per_min` requests each: one for requests that change something, which the database counts
for all processes together, and one for those that read, which each process counts for itself.
Key and balance are read in one transaction. A route that reads more passes its query, which runs in the same one:

    job = await admit_with(request, lambda tx, caller: find_job(tx, job_id, caller.account_id))

Requests that change something take the caller as a parameter of type `Admitted`. Routes that a signed URL opens use
`admit_signed`.

Without keys (`no_auth`) every caller is the account `default`, and neither credits nor rates are counted.
"""

import math
import threading
import time
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Depends
from sqlalchemy import Connection
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from fourview.errors import KeyInvalidError
from fourview.service.caller import Caller
from fourview.service.context import context_of
from fourview.service.problems import Refused
from fourview.service.signing import check
from fourview.service.store import accounts, buckets, keys, ledger
from fourview.service.store.buckets import Take
from fourview.service.store.database import Store
from fourview.service.store.keys import Key
from fourview.service.times import moment

OPEN_ACCOUNT = "default"  # the account of every caller where there are no keys
READS = ("GET", "HEAD")

T = TypeVar("T")


class ReadBuckets:
    """The read rates of keys in this process: `store.buckets` in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[float, float]] = {}  # key id -> tokens, at

    def take(self, key_id: str, per_min: int, now: float) -> Take:
        with self._lock:
            tokens, at = self._tokens.get(key_id, (per_min, now))
            tokens = min(per_min, tokens + max(0.0, now - at) * per_min / 60)
            if is_allowed := tokens >= 1:
                tokens -= 1
            self._tokens[key_id] = tokens, max(at, now)
        return Take(is_allowed, int(tokens), max(0.0, (1 - tokens) * 60 / per_min))


def ensure_open_account(store: Store, now: float) -> None:
    """Make the account and the key of every caller where there are no keys; the key's text is thrown away."""
    with store.begin() as tx:
        account = accounts.find_account(tx, OPEN_ACCOUNT) or accounts.add_account(tx, OPEN_ACCOUNT, now)
        if _house_key(tx) is None:
            keys.add_key(tx, account.id, OPEN_ACCOUNT, now)


async def admit(request: Request) -> Caller:
    """The caller of a request; raises `KeyMissingError`, `KeyInvalidError`, or `Refused("rate_limited")`."""
    return await admit_with(request, lambda tx, caller: caller)


async def admit_with(request: Request, query: Callable[[Connection, Caller], T]) -> T:
    """Run `query` for the caller of a reading request, in the transaction that reads key and balance."""
    context, state, now = context_of(request), request.state, time.time()
    is_read, text = request.method in READS, key_text(request.headers)
    if not context.settings.no_auth:
        keys.check_text(text)  # a request without a key costs no transaction

    def run(tx: Connection) -> T:
        if context.settings.no_auth:
            key = _house_key(tx)
            if key is None:
                raise Refused("not_ready", "the service is starting; try again soon")
            state.caller = Caller(key, pays=False)
            return query(tx, state.caller)
        key = keys.check_key(tx, text, now)
        state.caller, state.balance = Caller(key, pays=True), ledger.balance(tx, key.account_id)
        per_min = key.rate_per_min or context.settings.rate_per_min
        if is_read:
            take = request.app.state.read_buckets.take(key.id, per_min, now)
        else:
            take = buckets.take(tx, key.id, per_min, now)
        state.rate_headers = _rate_headers("reads" if is_read else "changes", take, per_min, now)
        if not take.allowed:
            detail = f"this key may make {per_min} requests a minute; wait {take.wait_s:.1f} s"
            raise Refused("rate_limited", detail, headers={"Retry-After": str(math.ceil(take.wait_s))})
        return query(tx, state.caller)

    return await (context.look if is_read else context.change)(run)


async def admit_signed(request: Request, purpose: str, query: Callable[[Connection, str | None], T]) -> T:
    """Run `query` for the caller's account, or for None where the URL is signed."""
    if "signature" not in request.query_params:
        return await admit_with(request, lambda tx, caller: query(tx, caller.account_id))
    context = context_of(request)
    check(request.url.path, request.query_params, purpose=purpose, now=time.time(), secrets=context.secrets)
    return await context.look(lambda tx: query(tx, None))


async def account_headers(scope: Scope) -> list[tuple[str, str]]:
    """The headers with rate and balance of every answer to a valid key, also where the route read no key."""
    request = Request(scope)
    context, state = context_of(request), request.state
    caller: Caller | None = getattr(state, "caller", None)
    if context.settings.no_auth:
        return []
    if caller is None:
        text = key_text(request.headers)
        balance = await context.look(lambda tx: _balance_of(tx, text, time.time())) if text else None
    elif request.method in READS:
        balance = state.balance
    else:  # the request may have changed it
        balance = await context.look(lambda tx: ledger.balance(tx, caller.account_id))
    if balance is None:
        return []
    return [("x-remaining-credits", ledger.in_credits(balance)), *getattr(state, "rate_headers", ())]


def key_text(headers: Headers) -> str | None:
    """The key in a request's headers; a browser sends neither header by itself."""
    scheme, _, bearer = headers.get("authorization", "").strip().partition(" ")
    return headers.get("x-api-key", "").strip() or (bearer.strip() if scheme.lower() == "bearer" else None)


def _balance_of(tx: Connection, text: str, now: float) -> int | None:
    try:
        return ledger.balance(tx, keys.check_key(tx, text, now).account_id)
    except KeyInvalidError:
        return None


def _house_key(tx: Connection) -> Key | None:
    account = accounts.find_account(tx, OPEN_ACCOUNT)
    return next((key for key in keys.list_keys(tx, account.id) if key.name == OPEN_ACCOUNT), None) if account else None


def _rate_headers(policy: str, take: Take, per_min: int, now: float) -> list[tuple[str, str]]:
    """As in draft-ietf-httpapi-ratelimit-headers; a bucket is reset when it is full again."""
    full_s = math.ceil((per_min - take.left) * 60 / per_min)
    return [
        ("RateLimit-Policy", f'"{policy}";q={per_min};w=60'),
        ("RateLimit", f'"{policy}";r={take.left};t={full_s}'),
        ("x-rate-limit-reset-at-utc", moment(now + full_s)),
    ]


Admitted = Annotated[Caller, Depends(admit)]
