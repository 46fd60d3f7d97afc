# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The ledger adds up: alone and in a crowd. At random: `test_random`; after a crash: `test_crash`."""

import pytest
import sqlalchemy
from service.store.crowd import in_a_crowd
from service.store.people import LEASE_S, PRICE, T0, add_customer, submit

from fourview.errors import CreditError
from fourview.service.store import jobs, ledger, queue
from fourview.service.store.tables import ledger as table


def balance(store, key):
    with store.read() as tx:
        return ledger.balance(tx, key.account_id)


def rows(store, key):
    with store.read() as tx:
        return [(row.kind, row.credits, row.change, row.balance) for row in ledger.list_rows(tx, key.account_id, 100)]


def test_a_success_charges_what_was_held(store):
    key = add_customer(store, credits=5000)
    submit(store, key)
    with store.begin() as tx:
        job = queue.claim(tx, "w", ["hull"], T0, LEASE_S)
        assert queue.finish(tx, job.lease, {}, [], T0 + 1)

    assert rows(store, key) == [
        ("charge", PRICE, 0, 5000 - PRICE),
        ("hold", PRICE, -PRICE, 5000 - PRICE),
        ("grant", 5000, 5000, 5000),
    ]


@pytest.mark.parametrize("end", ["fail", "cancel", "expire"])
def test_a_failure_a_cancel_before_the_start_and_a_deadline_give_it_back(store, end):
    key = add_customer(store, credits=5000)
    job = submit(store, key, deadline=T0 + 10)
    with store.begin() as tx:
        if end == "fail":
            assert queue.fail(tx, queue.claim(tx, "w", ["hull"], T0, LEASE_S).lease, {"code": "x"}, T0)
        elif end == "cancel":
            assert queue.request_cancel(tx, job.id, T0) == "canceled"
        else:
            assert [late.id for late in queue.expire_due(tx, T0 + 10)] == [job.id]

    assert rows(store, key)[0] == ("release", PRICE, PRICE, 5000)


def test_a_job_that_is_canceled_while_it_runs_is_charged(store):
    key = add_customer(store, credits=5000)
    submit(store, key)
    with store.begin() as tx:
        job = queue.claim(tx, "w", ["hull"], T0, LEASE_S)
        assert not queue.stop(tx, job.lease, T0)  # nobody asked
        assert queue.request_cancel(tx, job.id, T0) == "asked"
        assert queue.stop(tx, job.lease, T0)

    assert balance(store, key) == 5000 - PRICE


def test_a_job_that_the_balance_does_not_cover_is_not_accepted(store):
    key = add_customer(store, credits=PRICE - 1)

    with pytest.raises(CreditError, match=r"the balance is 1.499 credits and 1.5 are needed") as caught:
        submit(store, key)

    assert (caught.value.balance, caught.value.price) == (PRICE - 1, PRICE)
    with store.read() as tx:
        assert jobs.count_jobs(tx)["queued"] == 0


def test_a_free_job_has_a_hold_and_a_charge_too(store):
    key = add_customer(store, credits=0)
    submit(store, key, price=0)
    with store.begin() as tx:
        queue.finish(tx, queue.claim(tx, "w", ["hull"], T0, LEASE_S).lease, {}, [], T0)

    assert [kind for kind, *_ in rows(store, key)] == ["charge", "hold"]


def test_a_grant_can_be_taken_back_as_far_as_it_is_there(store):
    key = add_customer(store, credits=5000)

    with store.begin() as tx:
        ledger.grant(tx, key.account_id, -5000, "mistake", T0)
        with pytest.raises(CreditError):
            ledger.grant(tx, key.account_id, -1, "mistake", T0)

    assert balance(store, key) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "hold", "credits": 5, "change": -5, "balance": -5, "job_id": "new"},  # below zero
        {"kind": "hold", "credits": 5, "change": -4, "balance": 1, "job_id": "new"},  # another change than it says
        {"kind": "charge", "credits": 5, "change": -5, "balance": 0, "job_id": "new"},  # taken twice
        {"kind": "release", "credits": 5, "change": 5, "balance": 10, "job_id": None},  # of nothing
        {"kind": "gift", "credits": 5, "change": 5, "balance": 10, "job_id": None},
        {"kind": "hold", "credits": 0, "change": 0, "balance": 0, "job_id": "held"},  # a second hold
    ],
)
def test_the_table_itself_refuses_rows_that_cannot_be(store, wrong):
    key = add_customer(store, credits=10)
    job = submit(store, key, price=5)
    wrong = wrong | {"job_id": job.id} if wrong["job_id"] == "held" else wrong

    with pytest.raises(sqlalchemy.exc.IntegrityError), store.begin() as tx:
        tx.execute(table.insert().values(account_id=key.account_id, note="", at=T0, **wrong))


def test_two_holds_at_once_cannot_both_pass_on_the_last_credits(store):
    key = add_customer(store, credits=3 * PRICE)
    refused = []

    def ask():
        try:
            submit(store, key)
        except CreditError as error:
            refused.append(error)

    in_a_crowd([ask] * 12)

    assert len(refused) == 9
    assert balance(store, key) == 0
