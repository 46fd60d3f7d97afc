# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs follow the tables of engines and kinds.

A job of a kind that needs no engine has the engine '', before 'mesh'. The column `surface` is called `api`. The check
of `kind` goes: `kinds.KINDS` says which kinds there are. SQLite has no statement that drops a check; it documents this
edit of the schema instead (https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes").
"""

import re

from alembic import op
from sqlalchemy import text

revision = "0005"
down_revision = "0004"

_CHECK = re.compile(r",\s*CONSTRAINT jobs_kind CHECK \(kind IN \([^()]*\)\)")


def upgrade() -> None:
    op.execute("UPDATE jobs SET engine = '' WHERE engine = 'mesh'")
    op.execute("ALTER TABLE jobs RENAME COLUMN surface TO api")
    if op.get_bind().dialect.name == "sqlite":
        _drop_check()
    else:
        op.execute("ALTER TABLE jobs DROP CONSTRAINT jobs_kind")


def _drop_check() -> None:
    bind = op.get_bind()
    version = bind.execute(text("PRAGMA schema_version")).scalar_one()
    old = bind.execute(text("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'jobs'")).scalar_one()
    new, count = _CHECK.subn("", old)
    if count != 1:
        raise RuntimeError(f"the table jobs has {count} checks of its kind; one is expected")
    op.execute("PRAGMA writable_schema = ON")
    bind.execute(text("UPDATE sqlite_schema SET sql = :new WHERE type = 'table' AND name = 'jobs'"), {"new": new})
    op.execute(f"PRAGMA schema_version = {version + 1}")
    op.execute("PRAGMA writable_schema = OFF")
