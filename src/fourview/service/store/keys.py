# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Keys of the service's clients.

Owns      making, checking, listing and revoking keys. The key itself is shown once and not stored.
Not here  the rate limit of a key (`buckets`), how many of its jobs run at once (`queue`).

A key is `fv_` and 32 characters. Its first 11 are its id: they find the row and may be shown. A key is 192 random bits,
so a plain salted SHA-256 keeps it safe where a password would need a slow one.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from fourview.errors import KeyInvalidError, KeyMissingError
from fourview.service.store.tables import keys

PREFIX = "fv_"
ID_LENGTH = len(PREFIX) + 8


@dataclass(frozen=True)
class Key:
    id: str
    account_id: str
    name: str
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    concurrency: int | None
    rate_per_min: int | None

    def state(self, now: float) -> str:
        """valid, revoked or expired."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


PUBLIC = [keys.c[name] for name in Key.__dataclass_fields__]
_TO_CHECK = select(*PUBLIC, keys.c.salt, keys.c.hash).where(keys.c.id == bindparam("key_id"))  # made once, used by all


def add_key(
    tx: Connection, account_id: str, name: str, now: float, *,
    expires_at: float | None = None, concurrency: int | None = None, rate_per_min: int | None = None,
) -> tuple[Key, str]:  # fmt: skip
    """A new key of an account, and its text: the only time that it can be read."""
    text = PREFIX + secrets.token_urlsafe(24)
    salt = secrets.token_bytes(16)
    key = Key(text[:ID_LENGTH], account_id, name, now, expires_at, None, concurrency, rate_per_min)
    tx.execute(insert(keys).values(**vars(key), salt=salt, hash=_hash(salt, text), turn=0))
    return key, text


def check_text(text: str | None) -> str:
    """`text` where it has the form of a key; raises as `check_key` does, without a query."""
    if not text:
        raise KeyMissingError("the key is missing; send it in the header x-api-key")
    if not text.startswith(PREFIX):
        raise KeyInvalidError("unknown")
    return text


def check_key(tx: Connection, text: str | None, now: float) -> Key:
    """The key with this text; raises `KeyMissingError` or `KeyInvalidError`, whose `why` is for the log alone."""
    text = check_text(text)
    row = tx.execute(_TO_CHECK, {"key_id": text[:ID_LENGTH]}).one_or_none()
    if row is None or not hmac.compare_digest(row.hash, _hash(row.salt, text)):
        raise KeyInvalidError("unknown")
    key = _key(row)
    if key.state(now) != "valid":
        raise KeyInvalidError(key.state(now))
    return key


def find_key(tx: Connection, key_id: str) -> Key | None:
    """The key with this id, in any state."""
    row = tx.execute(select(*PUBLIC).where(keys.c.id == key_id)).one_or_none()
    return _key(row) if row else None


def list_keys(tx: Connection, account_id: str | None = None) -> list[Key]:
    """The keys of an account, or of all, oldest first."""
    query = select(*PUBLIC).order_by(keys.c.created_at, keys.c.id)
    if account_id is not None:
        query = query.where(keys.c.account_id == account_id)
    return [_key(row) for row in tx.execute(query)]


def revoke_key(tx: Connection, key_id: str, now: float) -> bool:
    """Revoke a key; False where there is none or it was revoked before."""
    change = update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None)).values(revoked_at=now)
    return tx.execute(change).rowcount == 1


def _key(row: Row[*tuple[Any, ...]]) -> Key:
    return Key(**{name: row._mapping[name] for name in Key.__dataclass_fields__})


def _hash(salt: bytes, text: str) -> bytes:
    return hashlib.sha256(salt + text.encode()).digest()
