# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The tables, as the code sees them; the same on SQLite and PostgreSQL.

Owns      columns, keys, checks, indexes.
Not here  how a database gets them (`migrations`: a test holds the two together).

Times are unix seconds in double precision, credits whole thousandths. JSON is plain text on both databases:
it keeps the order of names and holds every string.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

metadata = MetaData()
ROW_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only what is called INTEGER


def _json(name: str, nullable: bool = False) -> Column[Any]:
    return Column(name, JSON(none_as_null=True), nullable=nullable)


accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),  # the first 11 characters of the key
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("concurrency", Integer),  # jobs of this key that run at once
    Column("rate_per_min", Integer),
    Column("turn", BigInteger, nullable=False),  # grows with every claim: the key with the smallest has waited longest
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("key_id", Text, ForeignKey("keys.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("api", Text, nullable=False),
    Column("engine", Text, nullable=False),  # that a worker must have; "" where the kind needs none
    Column("status", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("price", BigInteger, nullable=False),
    _json("recipe"),
    _json("inputs"),  # side -> digest of the artifact
    _json("tags"),
    Column("warnings", JSON(none_as_null=True), nullable=False, server_default="[]"),  # about the request
    Column("created_at", Double, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("deadline", Double),
    Column("keep_s", Double),  # how long the job is kept after its end
    Column("started_at", Double),  # of the last attempt; null while the job waits
    Column("finished_at", Double),
    Column("expires_at", Double),
    Column("attempts", Integer, nullable=False),
    Column("deaths", Integer, nullable=False),  # of workers that held the job
    Column("lease_owner", Text),
    Column("lease_until", Double),
    Column("heartbeat_at", Double),
    Column("cancel_requested_at", Double),
    Column("stage", Text),
    Column("progress", Double, nullable=False),
    Column("seed_used", BigInteger),
    _json("result", nullable=True),
    _json("error", nullable=True),
    Column("webhook_url", Text),
    Column("last_event", Integer, nullable=False),
    CheckConstraint("api IN ('v1', 'v2', 'native')", name="jobs_surface"),
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

job_tags = Table(  # `jobs.tags` again, for searching
    "job_tags",
    metadata,
    Column("tag", Text, primary_key=True),
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, index=True),
)

ledger = Table(
    "ledger",
    metadata,
    Column("id", ROW_NUMBER, Identity(), primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("credits", BigInteger, nullable=False),  # the amount of the row
    Column("change", BigInteger, nullable=False),  # of the balance
    Column("balance", BigInteger, nullable=False),  # the sum of all changes up to this row
    Column("job_id", Text),  # no foreign key: what was paid outlives the job
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

events = Table(
    "events",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("type", Text, nullable=False),
    _json("data"),
    Column("at", Double, nullable=False),
)

outputs = Table(
    "outputs",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("format", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("digest", Text, nullable=False, index=True),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("digest", Text, nullable=False, index=True),
    Column("media_type", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    Column("width_px", Integer),  # of a picture
    Column("height_px", Integer),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id"), primary_key=True),
    Column("word", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("job_id", Text, nullable=False),  # no foreign key: a deleted job is not made again
    Column("at", Double, nullable=False, index=True),
)

buckets = Table(
    "buckets",
    metadata,
    Column("key_id", Text, ForeignKey("keys.id"), primary_key=True),
    Column("tokens", Double, nullable=False),
    Column("at", Double, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("type", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("next_at", Double, nullable=False),
    _json("log"),  # an entry for each attempt
    Column("lane", Text, nullable=False, server_default=""),  # the account's id, a blank, the host of the URL
    CheckConstraint("status IN ('pending', 'delivered', 'dropped')", name="deliveries_status"),
    Index("deliveries_by_lane", "status", "lane", "next_at"),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    _json("engines"),
    _json("about"),  # device, host, version: what discovery shows
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
)

signin = Table(
    "signin",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("key_id", Text, ForeignKey("keys.id"), nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
)

instance = Table(
    "instance",
    metadata,
    Column("name", Text, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
)


def insert_or(tx: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can say what is done on conflict, in the words of this database."""
    return postgresql.insert(table) if tx.dialect.name == "postgresql" else sqlite.insert(table)
