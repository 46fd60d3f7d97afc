# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The doors are tried on the real service, with a runner that takes no time (the device `instant`).

`service` is one of the test's own, on SQLite and again on PostgreSQL. `standing` is one for all tests, on SQLite: it
starts once, so whoever needs no state of its own, no other settings and no end of the process takes it, with a key of
its own: `standing.client()`. Who needs other settings calls `serve(name=value)`, as often as it likes. `slow` is one
for all tests as well, whose runs take a minute and stand in line; what a test began there is canceled after it.

`visit` opens the page of a service in a real browser. Whatever a test does there, the page may not break its own
content policy, nor throw, nor write an error to the console.
"""

import shutil

import pytest
from interfaces.browsing import DRAWS, WATCH, built
from interfaces.server import Server
from require import require


@pytest.fixture
def serve(url, tmp_path):
    """Starts services on the one database of this test; `parameters` are settings."""
    servers = []

    def start(**parameters):
        folder = tmp_path / f"serve-{len(servers)}"
        folder.mkdir()
        servers.append(Server(url, folder, **{"files_url": (tmp_path / "files").as_uri()} | parameters))
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


@pytest.fixture(scope="session")
def slow_server(migrated_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    server = Server(f"sqlite:///{shutil.copy(migrated_file, folder)}", folder, devices="instant:60")
    yield server.start()
    server.close()


@pytest.fixture
def slow(slow_server):
    yield slow_server
    while slow_server.keys:
        with slow_server.client(slow_server.keys.pop()) as client:
            for job in client.get("/api/v1/jobs").json()["data"]:
                client.post(f"/api/v1/jobs/{job['id']}/cancel")


@pytest.fixture(scope="module")
def browser():
    """Ends with its module: while Playwright runs, nobody else in this thread may run an event loop."""
    built()
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require("chromium"), args=DRAWS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Opens the page of a service, signed in with a key where one is given."""
    contexts, faults = [], []

    def open_page(server, key=None, path="/", **options):
        context = browser.new_context(**{"viewport": {"width": 1100, "height": 700}} | options)
        contexts.append(context)
        context.add_init_script(WATCH)
        if key:
            context.add_init_script(f"if (!sessionStorage.seen) localStorage['fourview.key'] = {key!r}")
            context.add_init_script("sessionStorage.seen = 1")
        page = context.new_page()
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(server.base_url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # What the browser itself writes about answers that are refusals is no fault of the page.
    assert [fault for fault in faults if "Failed to load resource" not in fault] == []
