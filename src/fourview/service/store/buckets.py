# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Token buckets limit the rate of a key: one holds `per_min` tokens and fills in a minute; a request takes one."""

from dataclasses import dataclass

from sqlalchemy import Connection, case, select

from fourview.service.store.tables import buckets, insert_or


@dataclass(frozen=True)
class Take:
    allowed: bool
    left: int  # whole tokens
    wait_s: float  # until the next token, 0 where one is left


def take(tx: Connection, key_id: str, per_min: int, now: float) -> Take:
    """Take a token from the key's bucket in one statement; an empty bucket does not change."""
    # A clock that is behind the last writer's adds no tokens.
    elapsed_s = case((buckets.c.at < now, now - buckets.c.at), else_=0.0)
    filled = buckets.c.tokens + elapsed_s * (per_min / 60)
    full = case((filled > per_min, float(per_min)), else_=filled)
    latest = case((buckets.c.at < now, now), else_=buckets.c.at)
    first = insert_or(tx, buckets).values(key_id=key_id, tokens=per_min - 1.0, at=now)
    taken = first.on_conflict_do_update(
        index_elements=["key_id"], set_={"tokens": full - 1, "at": latest}, where=full >= 1
    ).returning(buckets.c.tokens)
    tokens = tx.execute(taken).scalar_one_or_none()
    allowed = tokens is not None
    if tokens is None:
        tokens = tx.execute(select(full).where(buckets.c.key_id == key_id)).scalar_one()
    return Take(allowed, int(tokens), max(0.0, (1 - tokens) * 60 / per_min))
