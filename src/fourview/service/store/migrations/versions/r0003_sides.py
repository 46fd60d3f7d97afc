# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Width and height of an uploaded picture, so that it need not be opened again."""

from alembic import op
from sqlalchemy import Column, Integer

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("uploads", Column("width_px", Integer))
    op.add_column("uploads", Column("height_px", Integer))
