# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The doors are tried on the real service, with a runner that takes no time (the device `instant`).

`service` is one of the test's own, on SQLite and again on PostgreSQL. `standing` is one for all tests, on SQLite: it
starts once, so whoever needs no state of its own, no other settings and no end of the process takes it, with a key of
its own: `standing.client()`. Who needs other settings calls `serve(name=value)`, as often as it likes.
"""

import shutil

import pytest
from doors.server import Server


@pytest.fixture
def serve(url, tmp_path):
    """Starts services on the one database of this test; `knobs` are settings."""
    servers = []

    def start(**knobs):
        folder = tmp_path / f"serve-{len(servers)}"
        folder.mkdir()
        servers.append(Server(url, folder, **{"files_url": (tmp_path / "files").as_uri()} | knobs))
        return servers[-1].start()

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def service(serve):
    return serve()


@pytest.fixture(scope="session")
def standing(migrated_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("standing")
    server = Server(f"sqlite:///{shutil.copy(migrated_file, folder)}", folder)
    yield server.start()
    server.close()
