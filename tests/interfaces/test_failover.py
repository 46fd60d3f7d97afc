# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL that fails over, starts again or freezes, under real processes that serve and work.

Whatever happens, customers get 503 at most, jobs go on by themselves, no job is blamed for it, and the books are right.
"""

import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest
from cluster import nodes
from interfaces.customers import Customer, check_credits, jobs_of
from interfaces.server import Server
from relay import Relay
from require import require

PARAMETERS = {"devices": "instant:0.3", "workers_per_device": 2, "lease_s": 6, "heartbeat_s": 1, "health_port": 0}
CUSTOMERS, EACH = 3, 12
PATIENCE_S = 90.0
OPERATE = Path(__file__).parents[2] / "docs" / "guides" / "operate.md"


class Hall:
    """A process that serves, one that works, and customers; `settle` waits for these and looks at everything."""

    def __init__(self, stack, url, folder):
        self.processes = []
        for words in (("serve", "--no-runners"), ("work",)):
            place = folder / words[0]
            place.mkdir()
            files = {"files_url": (folder / "files").as_uri()}
            process = Server(url, place, *words, **files | PARAMETERS)
            stack.callback(process.close)
            self.processes.append(process.start())
        self.serving, self.working = self.processes
        self.customers = [Customer(self.serving, number, EACH) for number in range(CUSTOMERS)]

    def begin(self):
        """Let the customers begin, and come back when some jobs are done."""
        for customer in self.customers:
            customer.start()
        until(lambda: sum(customer.loaded for customer in self.customers) > 3)

    def probe(self, page, process=None):
        return httpx.get(health(process or self.serving) + page, timeout=10).status_code

    def settle(self):
        for customer in self.customers:
            customer.join()
        for customer in self.customers:
            if customer.error is not None:
                raise customer.error
        answers = sum((customer.answers for customer in self.customers), Counter())
        found = [job for customer in self.customers for job in jobs_of(self.serving, customer)]
        print(f"{dict(answers)}, {dict(Counter(job.status for job in found))}")
        assert len(found) == CUSTOMERS * EACH
        assert {job.status for job in found} <= {"succeeded", "canceled"}
        assert {job.deaths for job in found} == {0}
        for customer in self.customers:
            check_credits(self.serving, customer)
        for process in self.processes:
            until(lambda: self.probe("/health/live", process) == 200)  # noqa: B023
            until(lambda: self.probe("/health/ready", process) == 200)  # noqa: B023
            log = process.log.read_text()
            assert "Traceback" not in log
            assert "part_died" not in log
            assert process.stop() == 0


def health(process):
    """Where the process has its health."""
    lines = process.log.read_text().splitlines()
    return next(line.split()[1] for line in reversed(lines) if line.startswith("health "))


def until(found):
    limit = time.monotonic() + PATIENCE_S
    while not (result := found()):
        assert time.monotonic() < limit
        time.sleep(0.05)
    return result


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def pair(stack):
    """A primary and its standby."""
    return stack.enter_context(nodes(require("postgresql"), 2))


def two_hosts():
    """The URL for two hosts that docs/guides/operate.md shows."""
    line = next(line for line in OPERATE.read_text().splitlines() if "db1.example.com" in line)
    return line.partition("FOURVIEW_DATABASE_URL=")[2].strip("\"' ")


@pytest.mark.parametrize("way", ["one address that moves", "two hosts in the URL"])
def test_a_standby_that_takes_no_writes_for_a_while_and_then_is_promoted(stack, pair, tmp_path, way):
    primary, standby = pair
    if way == "two hosts in the URL":
        primary.do("CREATE ROLE fourview LOGIN SUPERUSER")
        url = two_hosts().replace("db1.example.com:5432", f"127.0.0.1:{primary.port}")
        url = url.replace("db2.example.com:5432", f"127.0.0.1:{standby.port}")
        relay = None
    else:
        relay = Relay(primary.port)
        stack.callback(relay.close)
        url = f"postgresql://postgres@127.0.0.1:{relay.port}/fourview"
    hall = Hall(stack, url, tmp_path)
    hall.begin()

    primary.stop()
    if relay:
        relay.point_at(standby.port)
    time.sleep(8)  # longer than a lease
    assert hall.probe("/health/live") == hall.probe("/health/live", hall.working) == 200
    standby.promote()

    hall.settle()


def test_a_database_that_starts_again(stack, tmp_path):
    [node] = stack.enter_context(nodes(require("postgresql"), 1))
    hall = Hall(stack, node.url("fourview"), tmp_path)
    hall.begin()

    for mode in ("fast", "immediate"):
        node.stop(mode)
        time.sleep(1)
        node.start()
        time.sleep(1)

    hall.settle()


@pytest.mark.parametrize("frozen_s", [12, pytest.param(60, marks=pytest.mark.soak)])
def test_a_database_that_is_frozen(stack, tmp_path, frozen_s):
    """It keeps its connections and answers nothing: whoever asks is told so within seconds all the same."""
    [node] = stack.enter_context(nodes(require("postgresql"), 1))
    hall = Hall(stack, node.url("fourview"), tmp_path)
    hall.begin()
    answers = Counter()
    over = threading.Event()

    def ask(client, url):
        while not over.is_set():
            began = time.monotonic()
            answer = client.get(url)
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"]
            answers[round(time.monotonic() - began, 1)] += 1

    pages = [f"{hall.serving.base_url}/health/ready", f"{health(hall.working)}/health/ready"]
    pages += [f"{hall.serving.base_url}/api/v1/jobs"] * 30
    key = {"x-api-key": hall.serving.add_key()}
    clients = [stack.enter_context(httpx.Client(headers=key, timeout=8)) for _ in pages]
    node.freeze()
    time.sleep(0.5)
    threads = [threading.Thread(target=ask, args=each) for each in zip(clients, pages, strict=True)]
    for thread in threads:
        thread.start()
    time.sleep(frozen_s)
    live = hall.probe("/health/live"), hall.probe("/health/live", hall.working)
    over.set()
    for thread in threads:
        thread.join()
    node.thaw()
    print(f"answers by seconds: {dict(sorted(answers.items()))}")

    assert live == (200, 200)
    assert sum(answers.values()) >= len(pages)
    hall.settle()


def test_a_server_that_turns_read_only_is_left_for_the_one_that_takes_writes(stack, pair):
    """What a fenced primary does: connections stay, and each write is refused."""
    from fourview.errors import DependencyAwayError
    from fourview.service.store import accounts
    from fourview.service.store.database import open_store

    primary, standby = pair
    url = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/fourview"
    store = open_store(url)
    stack.callback(store.close)
    with store.begin() as tx:
        accounts.add_account(tx, "before", time.time())
    primary.do("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    with psycopg.connect(primary.url("postgres")) as connection:
        until(lambda: connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",))
    with pytest.raises(DependencyAwayError), store.begin() as tx:
        accounts.add_account(tx, "between", time.time())
    standby.promote()

    def add():
        try:
            with store.begin() as tx:
                return accounts.add_account(tx, "after", time.time())
        except DependencyAwayError:
            return None

    until(add)
    with store.read() as tx:
        assert [account.name for account in accounts.list_accounts(tx)] == ["after", "before"]
