# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The front desk in this process: a real store (twice, see tests/conftest.py), real files, no runner and no network.

`context` and `client` are what most tests need: a client with a key that has credits. Who needs other settings makes
them:

    @pytest.fixture
    def parameters():
        return {"rate_per_min": 3}
"""

import time

import pytest
import structlog
from service.hosts import listener
from starlette.testclient import TestClient

from fourview.service.app import create_app
from fourview.service.context import AppContext
from fourview.service.files import open_files
from fourview.service.outbound.fetch import PinnedTransport
from fourview.service.quick_lane import QuickLane
from fourview.service.settings import Settings
from fourview.service.store import accounts, keys, ledger
from fourview.service.wakeups import Wakeups


@pytest.fixture(autouse=True, scope="module")
def plain_log():
    """Plain and fast, whatever the tests before did to it."""
    structlog.reset_defaults()
    structlog.configure([structlog.processors.add_log_level, structlog.processors.KeyValueRenderer()])


BASE_URL = "http://testserver"


@pytest.fixture
def parameters():
    """Settings that differ from the defaults."""
    return {}


@pytest.fixture
def wire():
    """What a host on the loopback listens on; `outbound_test_hosts` has it where `parameters` say so."""
    with listener() as wire:
        yield wire


@pytest.fixture
def settings(parameters, url, tmp_path):
    given = {"state_dir": tmp_path, "database_url": url, "disk_free_min_mib": 1, "public_url": BASE_URL}
    return Settings(**given | parameters)


@pytest.fixture
def make_runner():
    """What makes the runner of work aside; a test that does such work has its own fixture of this name."""

    def make():
        raise AssertionError("no runner was expected")

    return make


@pytest.fixture
def context(settings, store, make_runner):
    quick_lane = QuickLane(make_runner, settings.scratch)
    transport = PinnedTransport(settings.outbound_rules)
    yield AppContext(settings, store, open_files(settings), Wakeups(), quick_lane, transport, (b"s" * 32,))
    quick_lane.close()


@pytest.fixture
def key(store):
    """A key with 1000 credits, and its text."""
    with store.begin() as tx:
        account = accounts.add_account(tx, "ada", time.time())
        ledger.grant(tx, account.id, 1000 * ledger.CREDIT, "start", time.time())
        return keys.add_key(tx, account.id, "ada's", time.time())


@pytest.fixture
def app(context):
    return create_app(context)


@pytest.fixture
def stranger(app):
    """A client without a key. An error that nobody foresaw is an answer here too."""
    with TestClient(app, BASE_URL, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client(app, key):
    """A client with the key."""
    with TestClient(app, BASE_URL, raise_server_exceptions=False, headers={"x-api-key": key[1]}) as client:
        yield client
