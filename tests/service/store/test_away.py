# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Which errors mean that the database is away: all but those that our own statements cause."""

import sqlite3

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from fourview.errors import DependencyAwayError, ServiceError
from fourview.service.store.database import _is_our_fault, open_store
from fourview.service.store.postgresql import _options

on_postgresql = pytest.mark.parametrize("url", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.mark.parametrize(
    ("state", "is_ours"),
    [
        ("08006", False), ("0A000", False), ("25006", False), ("25P03", False), ("40001", False), ("40P01", False),
        ("53300", False), ("53100", False), ("55000", False), ("55P03", False), ("57014", False), ("57P01", False),
        ("57P03", False), ("58030", False), ("XX000", False), ("XX001", False),
        ("21000", True), ("22001", True), ("23505", True), ("25P02", True), ("42601", True), ("42P01", True),
    ],
)  # fmt: skip
def test_what_a_server_says(state, is_ours):
    assert _is_our_fault(psycopg.errors.lookup(state)("a")) is is_ours


def test_what_the_driver_says_without_a_server():
    for error in (psycopg.OperationalError, psycopg.InterfaceError):
        assert not _is_our_fault(error("the connection is lost"))
    for error in (psycopg.ProgrammingError, psycopg.DataError, psycopg.NotSupportedError):
        assert _is_our_fault(error("the query has 0 placeholders but 1 parameters were passed"))


def test_our_own_faults_stay_what_they_are(store):
    for query in ("SELECT nothing_of_that_name", "SELEC 1"):
        with pytest.raises(DBAPIError), store.begin() as tx:
            tx.execute(text(query))
    with pytest.raises(IntegrityError), store.begin() as tx:
        tx.execute(text("INSERT INTO accounts (id, name, created_at) VALUES ('a', NULL, 0)"))
    with pytest.raises(StatementError), store.begin() as tx:
        tx.execute(text("SELECT :one"), {})


@on_postgresql
def test_a_connection_that_is_thrown_out_is_away_and_the_next_one_works(store, url):
    with pytest.raises(DependencyAwayError) as caught, store.begin() as tx:
        pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        tx.execute(text("SELECT 1"))

    assert (caught.value.name, caught.value.is_full) == ("database", False)
    with store.read() as tx:
        assert tx.execute(text("SELECT 1")).scalar_one() == 1


@on_postgresql
def test_a_lock_that_never_comes_free_is_away(store, url):
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE accounts")
        with pytest.raises(DependencyAwayError, match="statement timeout"), store.begin(0.5) as tx:
            tx.execute(text("SELECT count(*) FROM accounts"))


@on_postgresql
def test_a_server_that_takes_no_writes_is_away_for_who_writes_alone(store, url):
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        store.engine.dispose()
        try:
            with store.read() as tx:
                assert tx.execute(text("SELECT 1")).scalar_one() == 1
            with pytest.raises(DependencyAwayError, match="read-only"):
                store.check_writes()
        finally:
            other.execute("SET default_transaction_read_only = off")
            other.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    store.engine.dispose()
    store.check_writes()


@on_sqlite
def test_a_file_that_is_locked_or_broken_is_away(store, monkeypatch):
    def fail(code):
        error = sqlite3.OperationalError("no")
        error.sqlite_errorcode = code
        return _is_our_fault(error)

    away = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL)
    away += (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_IOERR | 3 << 8, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT)
    assert not any(map(fail, away))
    assert all(map(fail, (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT | 6 << 8, sqlite3.SQLITE_TOOBIG)))


def test_a_url_is_what_libpq_makes_of_it():
    several, _ = _options("postgresql://u:p%40ss@h1:5432,h2:5433/db?application_name=a&keepalives_idle=3")
    asked, threshold = _options("postgresql+psycopg://u@h1,h2/db?target_session_attrs=any&prepare_threshold=7")
    one, none = _options("postgres://u@/db?host=/run/postgresql&prepare_threshold=none")

    assert (several["host"], several["port"], several["password"]) == ("h1,h2", "5432,5433", "p@ss")
    assert (several["target_session_attrs"], several["keepalives_idle"]) == ("read-write", "3")
    assert (asked["target_session_attrs"], threshold) == ("any", 7)
    assert ("target_session_attrs" in one, none) == (False, None)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://u:Hidden-word@h/db?prepare_threshold=often", "'often'; it takes a number, or none"),
        ("postgresql://u:Hidden-word@h/db?colour=red", 'invalid URI query parameter: "colour"'),
        ("postgresql://u:Hidden%zzword@h/db", "%-codes"),
        ("postgresql://u:Hidden-word@127.0.0.1:1,127.0.0.1:2/db", "cannot be opened .*name one that can be written"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_without_its_password(url, reason):
    with pytest.raises(ServiceError, match=reason) as caught:
        open_store(url)

    assert "Hidden" not in str(caught.value)
    assert "word@" not in str(caught.value)
