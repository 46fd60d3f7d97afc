# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Warnings about the request, stored with the job."""

from alembic import op
from sqlalchemy import JSON, Column

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("jobs", Column("warnings", JSON(none_as_null=True), nullable=False, server_default="[]"))
