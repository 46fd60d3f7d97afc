# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Secrets of this installation: random bytes by name, made at the first use, the same for all processes."""

import secrets

from sqlalchemy import Connection, select

from fourview.service.store.tables import insert_or, instance


def secret(tx: Connection, name: str) -> bytes:
    """The 32 bytes with this name."""
    new = insert_or(tx, instance).values(name=name, secret=secrets.token_bytes(32))
    tx.execute(new.on_conflict_do_nothing())
    return bytes(tx.execute(select(instance.c.secret).where(instance.c.name == name)).scalar_one())
