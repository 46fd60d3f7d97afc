# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Every test with `store` runs twice: on SQLite in a file, and on a real PostgreSQL."""

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


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """A database that holds nothing yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    url = request.getfixturevalue("shared_url")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY")
    return url


@pytest.fixture
def empty_url(request, url):
    """A database without any table."""
    return url if url.startswith("sqlite") else request.getfixturevalue("cluster").new_database()


@pytest.fixture
def store(url):
    """An open store; whatever the test did to it, it must stand the audit."""
    store = open_store(url)
    yield store
    with store.read() as tx:
        assert audit(tx) == []
    store.close()
