# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The first form of the tables. Frozen: what changes later is a step of its own. What columns are for: `tables`."""

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    text,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        Column("id", Text, primary_key=True),
        Column("name", Text, nullable=False, unique=True),
        Column("created_at", Double, nullable=False),
    )
    op.create_table(
        "keys",
        Column("id", Text, primary_key=True),
        Column("account_id", Text, ForeignKey("accounts.id"), nullable=False, index=True),
        Column("name", Text, nullable=False),
        Column("salt", LargeBinary, nullable=False),
        Column("hash", LargeBinary, nullable=False),
        Column("created_at", Double, nullable=False),
        Column("expires_at", Double),
        Column("revoked_at", Double),
        Column("concurrency", Integer),
        Column("rate_per_min", Integer),
        Column("turn", BigInteger, nullable=False),
    )
    op.create_table(
        "jobs",
        Column("id", Text, primary_key=True),
        Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
        Column("key_id", Text, ForeignKey("keys.id"), nullable=False),
        Column("kind", Text, nullable=False),
        Column("surface", Text, nullable=False),
        Column("engine", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("priority", Integer, nullable=False),
        Column("price", BigInteger, nullable=False),
        Column("recipe", JSON(none_as_null=True), nullable=False),
        Column("inputs", JSON(none_as_null=True), nullable=False),
        Column("tags", JSON(none_as_null=True), nullable=False),
        Column("created_at", Double, nullable=False),
        Column("not_before", Double, nullable=False),
        Column("deadline", Double),
        Column("keep_s", Double),
        Column("started_at", Double),
        Column("finished_at", Double),
        Column("expires_at", Double),
        Column("attempts", Integer, nullable=False),
        Column("deaths", Integer, nullable=False),
        Column("lease_owner", Text),
        Column("lease_until", Double),
        Column("heartbeat_at", Double),
        Column("cancel_requested_at", Double),
        Column("stage", Text),
        Column("progress", Double, nullable=False),
        Column("seed_used", BigInteger),
        Column("result", JSON(none_as_null=True)),
        Column("error", JSON(none_as_null=True)),
        Column("webhook_url", Text),
        Column("last_event", Integer, nullable=False),
        CheckConstraint("kind IN ('generate', 'retexture', 'simplify', 'convert')", name="jobs_kind"),
        CheckConstraint("surface IN ('v1', 'v2', 'native')", name="jobs_surface"),
        CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed', 'canceled', 'expired')", name="jobs_status"
        ),
        CheckConstraint("(status = 'running') = (lease_owner IS NOT NULL)", name="jobs_lease"),
        CheckConstraint("price >= 0", name="jobs_price"),
        CheckConstraint("progress >= 0 AND progress <= 1", name="jobs_progress"),
        Index("jobs_by_status", "status", "key_id", "priority", "created_at", "id"),
        Index("jobs_by_account", "account_id", "created_at", "id"),
        Index("jobs_by_expiry", "expires_at"),
    )
    op.create_table(
        "job_tags",
        Column("tag", Text, primary_key=True),
        Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, index=True),
    )
    op.create_table(
        "ledger",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
        Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
        Column("kind", Text, nullable=False),
        Column("credits", BigInteger, nullable=False),
        Column("change", BigInteger, nullable=False),
        Column("balance", BigInteger, nullable=False),
        Column("job_id", Text),
        Column("note", Text, nullable=False),
        Column("at", Double, nullable=False),
        CheckConstraint(
            "(kind = 'grant' AND change = credits AND job_id IS NULL) OR (job_id IS NOT NULL AND credits >= 0 AND ("
            "(kind = 'hold' AND change = -credits) OR (kind = 'charge' AND change = 0) OR "
            "(kind = 'release' AND change = credits)))",
            name="ledger_kind",
        ),
        CheckConstraint("balance >= 0", name="ledger_balance"),
        Index("ledger_by_account", "account_id", "id"),
        Index("ledger_one_hold", "job_id", unique=True, sqlite_where=text("kind = 'hold'"),
              postgresql_where=text("kind = 'hold'")),
        Index("ledger_one_end", "job_id", unique=True, sqlite_where=text("kind IN ('charge', 'release')"),
              postgresql_where=text("kind IN ('charge', 'release')")),
    )  # fmt: skip
    op.create_table(
        "events",
        Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        Column("seq", Integer, primary_key=True),
        Column("type", Text, nullable=False),
        Column("data", JSON(none_as_null=True), nullable=False),
        Column("at", Double, nullable=False),
    )
    op.create_table(
        "outputs",
        Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        Column("name", Text, primary_key=True),
        Column("format", Text, nullable=False),
        Column("bytes", BigInteger, nullable=False),
        Column("digest", Text, nullable=False, index=True),
    )
    op.create_table(
        "uploads",
        Column("id", Text, primary_key=True),
        Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
        Column("digest", Text, nullable=False, index=True),
        Column("media_type", Text, nullable=False),
        Column("bytes", BigInteger, nullable=False),
        Column("created_at", Double, nullable=False),
        Column("expires_at", Double, nullable=False, index=True),
    )
    op.create_table(
        "idempotency",
        Column("account_id", Text, ForeignKey("accounts.id"), primary_key=True),
        Column("word", Text, primary_key=True),
        Column("fingerprint", Text, nullable=False),
        Column("job_id", Text, nullable=False),
        Column("at", Double, nullable=False, index=True),
    )
    op.create_table(
        "buckets",
        Column("key_id", Text, ForeignKey("keys.id"), primary_key=True),
        Column("tokens", Double, nullable=False),
        Column("at", Double, nullable=False),
    )
    op.create_table(
        "deliveries",
        Column("id", Text, primary_key=True),
        Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
        Column("type", Text, nullable=False),
        Column("url", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("created_at", Double, nullable=False),
        Column("next_at", Double, nullable=False),
        Column("log", JSON(none_as_null=True), nullable=False),
        CheckConstraint("status IN ('pending', 'delivered', 'dropped')", name="deliveries_status"),
        Index("deliveries_due", "status", "next_at"),
    )
    op.create_table(
        "workers",
        Column("id", Text, primary_key=True),
        Column("engines", JSON(none_as_null=True), nullable=False),
        Column("about", JSON(none_as_null=True), nullable=False),
        Column("started_at", Double, nullable=False),
        Column("seen_at", Double, nullable=False),
    )
    op.create_table(
        "signin",
        Column("hash", LargeBinary, primary_key=True),
        Column("key_id", Text, ForeignKey("keys.id"), nullable=False),
        Column("expires_at", Double, nullable=False),
        Column("used_at", Double),
    )
    op.create_table(
        "instance",
        Column("name", Text, primary_key=True),
        Column("secret", LargeBinary, nullable=False),
    )
