# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Uploads: files sent ahead, usable by id until they expire. Their bytes are in the file store, under their digest."""

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from fourview.service.store.tables import uploads


@dataclass(frozen=True)
class Upload:
    id: str
    account_id: str
    digest: str
    media_type: str
    bytes: int
    created_at: float
    expires_at: float
    width_px: int | None = None  # of a picture
    height_px: int | None = None


def add_upload(
    tx: Connection, account_id: str, digest: str, media_type: str, size: int, now: float, keep_s: float,
    sides_px: tuple[int | None, int | None] = (None, None),
) -> Upload:  # fmt: skip
    """Store an upload of an account for `keep_s`; `sides_px` are a picture's width and height."""
    upload = Upload("upl_" + secrets.token_hex(12), account_id, digest, media_type, size, now, now + keep_s, *sides_px)
    tx.execute(insert(uploads).values(**vars(upload)))
    return upload


def find_upload(tx: Connection, account_id: str, upload_id: str, now: float) -> Upload | None:
    """The account's upload with this id, unless it expired."""
    mine = uploads.c.id == upload_id, uploads.c.account_id == account_id, uploads.c.expires_at > now
    row = tx.execute(select(uploads).where(*mine)).one_or_none()
    return Upload(**row._mapping) if row else None


def kept_bytes(tx: Connection, account_id: str, now: float) -> int:
    """The bytes of the account's uploads that have not expired."""
    mine = uploads.c.account_id == account_id, uploads.c.expires_at > now
    return int(tx.execute(select(func.coalesce(func.sum(uploads.c.bytes), 0)).where(*mine)).scalar_one())


def drop_upload(tx: Connection, account_id: str, upload_id: str) -> bool:
    """Delete the account's upload with this id; False where it has none."""
    mine = uploads.c.id == upload_id, uploads.c.account_id == account_id
    return tx.execute(delete(uploads).where(*mine)).rowcount == 1


def drop_expired_uploads(tx: Connection, now: float) -> int:
    """Delete expired uploads; returns how many."""
    return tx.execute(delete(uploads).where(uploads.c.expires_at <= now)).rowcount
