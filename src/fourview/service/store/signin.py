# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""One-time links that sign a browser in with the key they were made for. Only a hash of a link is stored."""

import hashlib
import secrets

from sqlalchemy import Connection, delete, insert, update

from fourview.service.store.tables import signin


def add_link(tx: Connection, key_id: str, now: float, valid_s: float) -> str:
    """The token of a new link for a key; expired links are deleted."""
    tx.execute(delete(signin).where(signin.c.expires_at <= now))
    word = secrets.token_urlsafe(24)
    tx.execute(insert(signin).values(hash=_hash(word), key_id=key_id, expires_at=now + valid_s))
    return word


def use_link(tx: Connection, word: str, now: float) -> str | None:
    """The id of the link's key, at the first use only and before the link expires."""
    fresh = signin.c.hash == _hash(word), signin.c.used_at.is_(None), signin.c.expires_at > now
    row = tx.execute(update(signin).where(*fresh).values(used_at=now).returning(signin.c.key_id)).one_or_none()
    return str(row.key_id) if row else None


def _hash(word: str) -> bytes:
    return hashlib.sha256(word.encode()).digest()
