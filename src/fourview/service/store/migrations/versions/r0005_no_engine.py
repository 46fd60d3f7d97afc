# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs of a kind that needs no engine have the engine '', before 'mesh'; the column `surface` is called `api`."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("UPDATE jobs SET engine = '' WHERE engine = 'mesh'")
    op.execute("ALTER TABLE jobs RENAME COLUMN surface TO api")
