# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How large an uploaded picture is, so that nobody needs to open it to tell."""

from alembic import op
from sqlalchemy import Column, Integer

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("uploads", Column("width_px", Integer))
    op.add_column("uploads", Column("height_px", Integer))
