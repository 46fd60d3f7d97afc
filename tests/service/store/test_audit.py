# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The audit bites: each rule, broken by hand, is named."""

import pytest
from service.store.people import LEASE_S, T0, add_customer, submit
from sqlalchemy import text

from fourview.service.store import queue
from fourview.service.store.audit import audit
from fourview.service.store.database import open_store

BROKEN = {  # rule -> what breaks it, what the audit says
    "a balance that no change explains":
        ("UPDATE ledger SET balance = balance + 1 WHERE kind = 'charge'", "its changes make"),
    "a job without its hold":
        ("DELETE FROM ledger WHERE kind = 'hold' AND job_id = '{waits}'", "None of None are held"),
    "a hold of another price":
        ("UPDATE jobs SET price = price + 1 WHERE id = '{waits}'", "are held"),
    "a success that was not charged":
        ("DELETE FROM ledger WHERE kind = 'charge'", "is succeeded, and its hold ended in None"),
    "an open job that was charged":
        ("UPDATE ledger SET job_id = '{waits}' WHERE kind = 'charge'", "is queued, and its hold ended in charge"),
    "a success that was given back":
        ("UPDATE ledger SET kind = 'release', change = credits WHERE kind = 'charge'", "its hold ended in release"),
    "a charge of another price":
        ("UPDATE ledger SET credits = 1 WHERE kind = 'charge'", "its charge is 1"),
    "an open job that is gone":
        ("DELETE FROM jobs WHERE id = '{waits}'", "is gone, and its 1 ledger rows"),
    "a lease without an end":
        ("UPDATE jobs SET lease_until = NULL WHERE status = 'running'", "its lease is w until None"),
    "a final job without an end":
        ("UPDATE jobs SET finished_at = NULL WHERE id = '{done}'", "finished at None"),
    "a wish to cancel what waits":
        ("UPDATE jobs SET cancel_requested_at = 1 WHERE id = '{waits}'", "its cancel was asked for at 1"),
    "an event that is missing":
        ("DELETE FROM events WHERE seq = 2 AND job_id = '{done}'", "an event before 3 is missing"),
    "an event that was not counted":
        ("UPDATE jobs SET last_event = 9 WHERE id = '{done}'", "counted 9 events, the last is 3"),
    "a final state that changed":
        ("UPDATE jobs SET status = 'failed' WHERE id = '{done}'", "is failed, its events show"),
}  # fmt: skip


@pytest.mark.parametrize("rule", BROKEN)
def test_the_audit_names(url, rule):
    statement, said = BROKEN[rule]
    store = open_store(url)
    key = add_customer(store)
    done = submit(store, key)
    with store.begin() as tx:
        queue.finish(tx, queue.claim(tx, "w", ["hull"], T0, LEASE_S).lease, {}, [], T0)
    submit(store, key)
    with store.begin() as tx:
        queue.claim(tx, "w", ["hull"], T0, LEASE_S)
    waits = submit(store, key)
    with store.read() as tx:
        assert audit(tx) == []

    with store.begin() as tx:
        tx.execute(text(statement.format(done=done.id, waits=waits.id)))
    with store.read() as tx:
        found = audit(tx)
    store.close()

    assert [line for line in found if said in line], found
