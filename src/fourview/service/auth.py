# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Who is calling, how often they may, and what they have left.

Owns      finding the key of a request, the rate limit, the caller that routes are given.
Not here  making keys (`store.keys`), what a refusal looks like (`problems`).
"""

import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from fourview.service.desk import desk_of
from fourview.service.store import keys
from fourview.service.store.keys import Key


@dataclass(frozen=True)
class Caller:
    """Whose request this is."""

    key: Key
    pays: bool  # false where the service runs without keys and credits

    @property
    def account_id(self) -> str:
        return self.key.account_id


async def admit(request: Request) -> Caller:
    """The caller of a request; raises `KeyMissingError`, `KeyInvalidError`, or `Refused("rate_limited")`."""
    desk, text = desk_of(request), request.headers.get("x-api-key")
    key = await desk.look(lambda tx: keys.check_key(tx, text, time.time()))
    request.state.caller = caller = Caller(key, pays=True)
    return caller


Admitted = Annotated[Caller, Depends(admit)]
