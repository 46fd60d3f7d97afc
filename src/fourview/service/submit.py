# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A request becomes a job, once: the same steps at every door.

Owns      the order: price, replay, limits, pictures, then job, hold and key of idempotency in one transaction.
Not here  reading the request (`body`, `routes`), what an answer looks like (`present`, `routes`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fourview.notice import Notice
from fourview.recipe import Recipe
from fourview.service.auth import Caller
from fourview.service.desk import Desk
from fourview.service.pictures import Source
from fourview.service.store.jobs import Job


@dataclass(frozen=True)
class Asked:
    """A request that was read and checked as far as can be without fetching or decoding anything."""

    surface: Literal["v1", "v2", "native"]
    kind: Literal["generate", "retexture", "simplify", "convert"]
    recipe: Recipe
    sources: Mapping[str, Source]  # side, or `mesh` -> what the field holds
    fields: Mapping[str, str]  # side, or `mesh` -> the field's own name at this door
    warnings: tuple[Notice, ...] = ()
    tags: tuple[str, ...] = ()
    webhook_url: str | None = None
    cancel_after_s: float | None = None
    keep_s: float | None = None
    word: str | None = None  # the Idempotency-Key
    fingerprint: str = ""  # of the canonical body
    more: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Submitted:
    job: Job
    is_replay: bool


async def submit(desk: Desk, caller: Caller, asked: Asked) -> Submitted:
    """The job of this request: a new one, or that of the same request sent before."""
    raise NotImplementedError


def price_of_request(desk: Desk, caller: Caller, asked: Asked) -> int:
    """Thousandths of a credit that the job will cost; 0 without credits."""
    raise NotImplementedError
