# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Whose a delivery is and which host gets it, so that places are shared without a look at every delivery."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("deliveries", Column("lane", Text, nullable=False, server_default=""))
    find = "instr" if op.get_bind().dialect.name == "sqlite" else "strpos"
    rest = f"substr(url, {find}(url, '://') + 3) || '/'"
    host = f"lower(substr({rest}, 1, {find}({rest}, '/') - 1))"
    op.execute(f"UPDATE deliveries SET lane = (SELECT account_id FROM jobs WHERE id = job_id) || ' ' || {host}")
    op.drop_index("deliveries_due", "deliveries")
    op.create_index("deliveries_by_lane", "deliveries", ["status", "lane", "next_at"])
