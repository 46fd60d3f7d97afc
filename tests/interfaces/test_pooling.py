# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A pooler in transaction mode stands before PostgreSQL: Debian's PgBouncer, as docs/guides/operate.md sets it up."""

import re
import signal
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import psycopg
import pytest
from cluster import NOT_ROOT, free_port, nodes
from interfaces.customers import Customer, check_credits, jobs_of
from interfaces.server import Server
from require import require

OPERATE = Path(__file__).parents[2] / "docs" / "guides" / "operate.md"
PARAMETERS = {"devices": "instant:0.05", "workers_per_device": 3, "heartbeat_s": 0.5}
CUSTOMERS, EACH = 4, 12
PATIENCE_S = 30


def shown(kind, sign):
    """The block of docs/guides/operate.md of that kind in which `sign` stands."""
    blocks = re.findall(rf"```{kind}\n(.*?)```", OPERATE.read_text(), re.DOTALL)
    return next(block for block in blocks if sign in block)


@pytest.fixture
def node():
    with nodes(require("postgresql"), 1) as [node]:
        node.do("CREATE ROLE fourview LOGIN PASSWORD 'PASSWORD'", "ALTER DATABASE fourview OWNER TO fourview")
        yield node


@pytest.fixture
def pooled(node):
    """The URL of the database through PgBouncer."""
    program, folder, port = require("pgbouncer"), node.folder, free_port()
    users, ini = folder / "userlist.txt", folder / "pgbouncer.ini"
    users.write_text('"fourview" "PASSWORD"\n')
    text = shown("ini", "pool_mode = transaction").replace("db.example.com port=5432", f"127.0.0.1 port={node.port}")
    text = text.replace("listen_port = 6432", f"listen_port = {port}").replace(
        "/etc/pgbouncer/userlist.txt", str(users)
    )
    ini.write_text(text)
    with (folder / "pgbouncer.log").open("w") as log:
        pooler = subprocess.Popen([program, ini], user=NOT_ROOT, cwd="/", stdout=log, stderr=log)
    until = time.monotonic() + PATIENCE_S
    while not is_open(port):
        assert pooler.poll() is None, (folder / "pgbouncer.log").read_text()
        assert time.monotonic() < until
        time.sleep(0.05)
    line = shown("sh", "127.0.0.1:6432").strip()
    yield line.partition("FOURVIEW_DATABASE_URL=")[2].replace("6432", str(port))
    pooler.send_signal(signal.SIGINT)
    pooler.wait(PATIENCE_S)


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("option", ["", "?prepare_threshold=none"])
def test_jobs_from_submit_to_file_and_all_that_is_read_go_through_a_pooler(pooled, tmp_path, option):
    server, worker = (Server(pooled + option, _made(tmp_path / name), *words, **_parameters(tmp_path))
                      for name, words in (("serve", ("serve", "--no-runners")), ("work", ("work",))))  # fmt: skip
    try:
        server.start()
        worker.start()
        customers = [Customer(server, number, EACH) for number in range(CUSTOMERS)]
        for customer in customers:
            customer.start()
        for customer in customers:
            customer.join()
        for customer in customers:
            if customer.error is not None:
                raise customer.error
        answers = sum((customer.answers for customer in customers), Counter())
        with server.client(customers[0].key) as client:
            pages = ["/api/v1/jobs", "/api/v1/usage", "/api/v1/models", "/health/ready", "/metrics"]
            reads = [client.get(page).status_code for page in pages * 20]
        found = [job for customer in customers for job in jobs_of(server, customer)]
        print(dict(answers))

        assert not {503, "broken"} & answers.keys()
        assert 500 not in reads
        assert 503 not in reads
        assert len(found) == CUSTOMERS * EACH
        assert {job.status for job in found} <= {"succeeded", "canceled"}
        for customer in customers:
            check_credits(server, customer)
        for process in (server, worker):
            assert "Traceback" not in process.log.read_text()
            assert "dependency_away" not in process.log.read_text()
    finally:
        server.close()
        worker.close()


def _parameters(folder):
    return {"files_url": (folder / "files").as_uri(), **PARAMETERS}


def _made(folder):
    folder.mkdir()
    return folder


def test_statements_are_prepared_when_the_url_asks_for_it(node):
    from sqlalchemy import text

    from fourview.service.store.database import open_store

    counts = {}
    for option in ("", "?prepare_threshold=0"):
        store = open_store(node.url("fourview") + option)
        with store.read() as tx:
            for _ in range(10):
                tx.execute(text("SELECT 1 + 1"))
            counts[option] = tx.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()
        store.close()

    assert counts[""] == 0
    assert counts["?prepare_threshold=0"] > 0


def test_a_connection_leaves_nothing_behind_in_its_session(node):
    """What one transaction sets would hold for the next client of a pooler."""
    from sqlalchemy import text

    from fourview.service.store.database import open_store

    store = open_store(node.url("fourview"))
    with store.begin(7.0) as tx:
        assert tx.execute(text("SHOW statement_timeout")).scalar_one() == "7s"
        driver = tx.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    names = ("statement_timeout", "idle_in_transaction_session_timeout", "default_transaction_isolation")
    left = [driver.execute(f"SHOW {name}").fetchone()[0] for name in names]
    store.close()

    assert left == ["0", "0", "read committed"]
