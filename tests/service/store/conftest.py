# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Every test with `store` runs twice: on SQLite in a file, and on a real PostgreSQL."""

import shutil

import psycopg
import pytest
from require import require
from service.store.cluster import running

from fourview.service.store.audit import audit
from fourview.service.store.database import open_store
from fourview.service.store.tables import metadata


@pytest.fixture(scope="session")
def cluster():
    with running(require("postgresql")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def shared_url(cluster):
    """One migrated PostgreSQL database for all tests: making one for each takes longer than most tests."""
    url = cluster.new_database()
    open_store(url).close()
    return url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory):
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("store") / "state.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """A database that holds nothing yet."""
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(request.getfixturevalue('migrated_file'), tmp_path)}"
    url = request.getfixturevalue("shared_url")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(";".join(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)))
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path):
    """A database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return request.getfixturevalue("cluster").new_database()


@pytest.fixture
def store(url):
    """An open store; whatever the test did to it, it must stand the audit."""
    store = open_store(url)
    yield store
    with store.read() as tx:
        assert audit(tx) == []
    store.close()
