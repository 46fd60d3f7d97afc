# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A one-time link becomes a key for a browser: a new one of the same account, which can be revoked by itself."""

import time

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.requests import Request

from fourview.service.context import context_of
from fourview.service.problems import Refused
from fourview.service.store import keys, signin

router = APIRouter(prefix="/api/v1", tags=["keys"])

NAME = "browser"


class Word(BaseModel):
    """The word of a one-time link."""

    model_config = ConfigDict(extra="forbid")

    word: str = Field(pattern=r"^[A-Za-z0-9_-]{32}$", description="what follows #signin= in the link")


class NewKey(BaseModel):
    """A key, shown only now."""

    key: str
    name: str


@router.post("/signin", status_code=201)
async def sign_in(request: Request, link: Word) -> NewKey:
    """A new key for the word of a sign-in link, the first time that it is used."""

    def use(tx: Connection) -> str:
        now = time.time()
        key_id = signin.use_link(tx, link.word, now)
        key = keys.find_key(tx, key_id) if key_id else None
        if key is None or key.state(now) != "valid":
            raise Refused("key_invalid", "this link was used before or its time is over; `fourview keys create` helps")
        _, text = keys.add_key(
            tx, key.account_id, NAME, now,
            expires_at=key.expires_at, concurrency=key.concurrency, rate_per_min=key.rate_per_min,
        )  # fmt: skip
        return text

    return NewKey(key=await context_of(request).change(use), name=NAME)
