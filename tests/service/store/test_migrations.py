# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Migrations: they make exactly the tables of the code, and what an old form held is still there."""

from pathlib import Path

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from fourview.errors import ServiceError
from fourview.service.store import ledger, queue, webhooks
from fourview.service.store.audit import audit
from fourview.service.store.database import open_store
from fourview.service.store.events import after
from fourview.service.store.jobs import find_job, list_jobs
from fourview.service.store.keys import list_keys
from fourview.service.store.outputs import Output, list_outputs
from fourview.service.store.tables import metadata
from fourview.service.store.webhooks import Due

CONFIG = Config()
CONFIG.set_main_option("script_location", "fourview.service.store:migrations")
HEAD = ScriptDirectory.from_config(CONFIG).get_current_head()
FIRST = Path(__file__).with_name("first.sql").read_text()
OLD = 1_800_000_000.0


def form(tx):
    return tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()


def engine_of(url):
    return sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))


def checks(tx):
    """The conditions of each table by name, as the database prints them."""
    inspector = sqlalchemy.inspect(tx)
    return {
        (table, check["name"]): " ".join(check["sqltext"].split())
        for table in metadata.tables
        for check in inspector.get_check_constraints(table)
    }


def test_the_migrations_make_exactly_the_tables_of_the_code(empty_url):
    open_store(empty_url).close()
    engine = engine_of(empty_url)
    with engine.begin() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []
        migrated = checks(tx)
        metadata.drop_all(tx)
        metadata.create_all(tx)
        assert checks(tx) == migrated
    engine.dispose()
    assert ("ledger", "ledger_balance") in migrated


def test_a_database_of_the_first_form_is_brought_to_the_newest_with_all_it_held(empty_url):
    old = engine_of(empty_url)
    with old.begin() as tx:
        CONFIG.attributes["connection"] = tx
        command.upgrade(CONFIG, "0001")
        for statement in FIRST.split(";\n"):
            if statement.strip():
                tx.exec_driver_sql(statement)
        assert form(tx) == "0001"
    old.dispose()

    store = open_store(empty_url)

    with store.begin() as tx:
        assert form(tx) == HEAD
        assert audit(tx) == []
        laptop, lost = list_keys(tx)
        assert (laptop.id, laptop.name, laptop.concurrency, laptop.state(OLD)) == ("fv_AAAAAAAA", "laptop", 2, "valid")
        assert (lost.id, lost.state(OLD)) == ("fv_BBBBBBBB", "revoked")
        rows = ledger.list_rows(tx, "acc_1", 10)
        assert [(row.kind, row.credits, row.balance, row.job_id) for row in rows] == [
            ("hold", 700, 7800, "job_waits"),
            ("charge", 1500, 8500, "job_done"),
            ("hold", 1500, 8500, "job_done"),
            ("grant", 10000, 10000, None),
        ]
        done = find_job(tx, "job_done")
        assert (done.status, done.seed_used, done.expires_at) == ("succeeded", 2**63 - 1, OLD + 3620)
        assert (done.recipe, done.inputs, done.result) == ({"steps": 30}, {"front": "d1"}, {"faces": 9})
        assert [job.id for job in list_jobs(tx, "acc_1", 10, tag="red").jobs] == ["job_done"]
        assert [event.data["status"] for event in after(tx, "job_done", 0)] == ["queued", "running", "succeeded"]
        assert list_outputs(tx, "job_done") == [Output("model.glb", "glb", 1234, "d3")]
        assert {told.id: told.lane for told in webhooks.list_deliveries(tx, "job_done")} == {
            "msg_1": "acc_1 hooks.example:8443", "msg_2": "acc_1 b.example",
        }  # fmt: skip
        assert webhooks.due_lanes(tx, OLD + 60) == [Due("acc_1 hooks.example:8443", OLD + 30)]
        waiting = queue.claim(tx, "w", ["hull"], OLD + 60, 30.0)
        assert waiting.id == "job_waits"
        assert queue.finish(tx, waiting.lease, {}, [], OLD + 61)
    with store.read() as tx:
        assert audit(tx) == []
        assert ledger.balance(tx, "acc_1") == 7800
        if tx.dialect.name == "sqlite":
            assert tx.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    store.close()


def test_a_database_that_is_up_to_date_is_left_as_it_is(empty_url):
    open_store(empty_url).close()
    engine = engine_of(empty_url)

    def shape(tx):
        inspector = sqlalchemy.inspect(tx)
        return {table: repr(inspector.get_columns(table)) for table in inspector.get_table_names()}

    with engine.begin() as tx:
        before = shape(tx)
    open_store(empty_url).close()

    with engine.begin() as tx:
        assert shape(tx) == before
        assert form(tx) == HEAD
    engine.dispose()


def test_a_database_of_a_newer_fourview_is_refused_and_left_alone(empty_url):
    open_store(empty_url).close()
    engine = engine_of(empty_url)
    with engine.begin() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(ServiceError, match="written by a newer fourview"):
        open_store(empty_url)

    with engine.begin() as tx:
        assert form(tx) == "9999"
    engine.dispose()


def test_a_new_sqlite_file_is_its_owners_alone(tmp_path):
    open_store(f"sqlite:///{tmp_path / 'a' / 'state.db'}").close()

    assert (tmp_path / "a" / "state.db").stat().st_mode & 0o777 == 0o600
