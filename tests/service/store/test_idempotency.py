# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The same request sent many times makes one job and one hold."""

from service.store.crowd import in_a_crowd
from service.store.people import PRICE, T0, add_customer, job_of

from fourview.service.store import ledger
from fourview.service.store.idempotency import KEEP_S, forget_old, look_up, peek, remember
from fourview.service.store.jobs import add_job, count_jobs, delete_job
from fourview.service.store.queue import request_cancel


def ask(store, key, word="w1", fingerprint="f1", now=T0):
    """What a door does: the state that was seen and the job."""
    with store.begin() as tx:
        seen = look_up(tx, key.account_id, word, fingerprint, now)
        if seen.state != "new":
            return seen.state, seen.job_id
        job = add_job(tx, job_of(key), now)
        remember(tx, key.account_id, word, fingerprint, job.id, now)
        return "new", job.id


def test_fifty_equal_requests_at_once_make_one_job_and_one_hold(store):
    key = add_customer(store)
    answers = []

    in_a_crowd([lambda: answers.append(ask(store, key))] * 50)

    assert sorted(state for state, _ in answers) == ["new"] + ["replay"] * 49
    assert len({job_id for _, job_id in answers}) == 1
    with store.read() as tx:
        assert count_jobs(tx)["queued"] == 1
        assert ledger.balance(tx, key.account_id) == 1_000_000 - PRICE


def test_the_same_word_with_another_body_is_a_mismatch(store):
    key = add_customer(store)
    ask(store, key)

    assert ask(store, key, fingerprint="f2") == ("mismatch", None)


def test_a_word_belongs_to_its_account(store):
    ada, bob = add_customer(store, "ada"), add_customer(store, "bob")

    assert ask(store, ada)[0] == ask(store, bob, fingerprint="f2")[0] == "new"


def test_a_word_is_free_again_after_a_day(store):
    key = add_customer(store)
    _, first = ask(store, key)

    assert ask(store, key, now=T0 + KEEP_S - 1) == ("replay", first)
    state, second = ask(store, key, fingerprint="f2", now=T0 + KEEP_S)
    assert (state, second != first) == ("new", True)
    with store.begin() as tx:
        assert forget_old(tx, T0 + KEEP_S) == 0
        assert forget_old(tx, T0 + 2 * KEEP_S) == 1


def test_a_job_that_was_deleted_is_not_made_again(store):
    key = add_customer(store)
    _, job_id = ask(store, key)
    with store.begin() as tx:
        request_cancel(tx, job_id, T0)
        assert delete_job(tx, job_id)

    assert ask(store, key) == ("replay", job_id)


def test_a_look_without_a_lock_sees_the_same(store):
    key = add_customer(store)
    _, job_id = ask(store, key)

    with store.read() as tx:
        assert peek(tx, key.account_id, "w1", "f1", T0).job_id == job_id
        assert peek(tx, key.account_id, "w1", "f2", T0).state == "mismatch"
        assert peek(tx, key.account_id, "w2", "f1", T0).state == "new"
        assert peek(tx, key.account_id, "w1", "f2", T0 + 60, keep_s=60).state == "new"
