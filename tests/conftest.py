# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Databases for whatever stores something, and no skips where nothing may be missing.

Every test with `store` or `url` runs twice: on SQLite in a file, and on a real PostgreSQL.
Under `FOURVIEW_REQUIRE=all` a skip becomes a failure; only what lies elsewhere, and no machine can install, may be
missing.
"""

import shutil

import pytest
from require import ELSEWHERE, is_required, require


@pytest.fixture(scope="session")
def cluster():
    from cluster import running  # here: most tests need no database, and none of its libraries

    with running(require("postgresql")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def shared_url(cluster):
    """One migrated PostgreSQL database for all tests: making one for each takes longer than most tests."""
    from fourview.service.store.database import open_store

    url = cluster.new_database()
    open_store(url).close()
    return url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory):
    """A migrated SQLite file to copy."""
    from fourview.service.store.database import open_store

    path = tmp_path_factory.mktemp("store") / "state.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """A database that holds nothing yet."""
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(request.getfixturevalue('migrated_file'), tmp_path)}"
    import psycopg

    from fourview.service.store.tables import metadata

    url = request.getfixturevalue("shared_url")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(";".join(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)))
    return url


@pytest.fixture
def store(url):
    """An open store; whatever the test did to it, it must stand the audit."""
    from fourview.service.store.audit import audit
    from fourview.service.store.database import open_store

    store = open_store(url)
    yield store
    with store.read() as tx:
        assert audit(tx) == []
    store.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _without_skip((yield))


def _without_skip(report):
    if report.skipped and not hasattr(report, "wasxfail") and is_required("all"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not reason.startswith(f"Skipped: {ELSEWHERE}"):
            report.outcome, report.longrepr = "failed", f"skipped under FOURVIEW_REQUIRE=all: {reason}"
    return report
