# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Deliveries wait in lanes, an account's to a host, which are found without a look at all that wait in them."""

import secrets

import pytest
from service.store.people import T0, add_customer, submit
from sqlalchemy import event, insert, text

from fourview.service.store import webhooks
from fourview.service.store.database import open_store
from fourview.service.store.tables import deliveries
from fourview.service.store.webhooks import Due, lane_of


def fill(store, job, url, count, next_at=T0, status="pending"):
    row = {"job_id": job.id, "type": "job.running", "url": url, "status": status, "attempts": 0, "created_at": T0,
           "log": [], "lane": lane_of(job.account_id, url)}  # fmt: skip
    with store.begin() as tx:
        rows = [row | {"id": "msg_" + secrets.token_hex(12), "next_at": next_at + k / 1000} for k in range(count)]
        tx.execute(insert(deliveries), rows)
    return row["lane"]


@pytest.fixture
def jobs(store):
    return [submit(store, add_customer(store, name)) for name in ("ada", "bob", "eve")]


def test_a_lane_is_an_account_and_a_host_with_its_port():
    assert lane_of("acc_1", "https://Hooks.example/a?b#c") == "acc_1 hooks.example"
    assert lane_of("acc_1", "http://[2600::1]:8080") == "acc_1 [2600::1]:8080"


def test_lanes_are_found_with_their_oldest_whatever_else_waits(store, jobs):
    ada, bob, eve = jobs
    many = fill(store, ada, "https://a.example/1", 50, T0 + 2)
    other = fill(store, ada, "https://b.example", 1, T0 + 1)
    same_host = fill(store, bob, "https://a.example/2", 3, T0)
    fill(store, bob, "https://late.example", 3, T0 + 100)
    fill(store, eve, "https://done.example", 3, status="delivered")

    with store.read() as tx:
        assert webhooks.due_lanes(tx, T0 + 5) == [Due(same_host, T0), Due(other, T0 + 1), Due(many, T0 + 2)]
        assert webhooks.due_lanes(tx, T0) == [Due(same_host, T0)]
        assert webhooks.due_lanes(tx, T0 - 1) == []


def test_what_is_due_is_found_and_taken_by_the_index_alone(store, jobs):
    lanes = {fill(store, job, f"https://{host}.example", 5000) for job in jobs for host in "xy"}
    with store.begin() as tx:
        tx.execute(text("ANALYZE deliveries"))
    seen = []
    event.listen(store.engine, "before_cursor_execute", lambda *given: seen.append(given[2:4]))

    with store.begin() as tx:
        assert {due.lane for due in webhooks.due_lanes(tx, T0 + 60)} == lanes
        assert webhooks.take_delivery(tx, min(lanes), T0 + 60, 60) is not None

    asked = [(query, values) for query, values in seen if "deliveries" in query and not query.startswith("UPDATE")]
    assert len(asked) == 2
    explain = "EXPLAIN QUERY PLAN " if store.engine.dialect.name == "sqlite" else "EXPLAIN "
    with store.engine.connect() as tx:
        plans = [str(tx.exec_driver_sql(explain + query, values).all()) for query, values in asked]
    for plan in plans:
        assert "deliveries_by_lane" in plan
        assert "SCAN deliveries" not in plan
        assert "Seq Scan on deliveries" not in plan


def test_two_who_take_at_once_get_different_deliveries(cluster):
    """On PostgreSQL; SQLite lets one write at a time."""
    store = open_store(cluster.new_database())
    lane = fill(store, submit(store, add_customer(store)), "https://a.example", 2)

    with store.begin() as one, store.begin() as other:
        taken = [webhooks.take_delivery(tx, lane, T0 + 5, 60) for tx in (one, other, one)]

    store.close()
    assert taken[0].id != taken[1].id
    assert taken[2] is None
