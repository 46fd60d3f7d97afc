# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The queue: who is next, who may speak, and that an end is an end."""

import random

import pytest
from service.store.crowd import in_a_crowd
from service.store.people import LEASE_S, T0, add_customer, job_of, submit

from fourview.service.store import events, queue, queue_places
from fourview.service.store.jobs import FINAL, add_job, count_jobs, find_job, list_jobs
from fourview.service.store.outputs import Output, list_outputs


def claim(store, now=T0, worker="w", engines=("hull",)):
    with store.begin() as tx:
        return queue.claim(tx, worker, list(engines), now, LEASE_S)


def finish(store, job, now=T0):
    with store.begin() as tx:
        return queue.finish(tx, job.lease, {}, [], now)


def status(store, job):
    with store.read() as tx:
        return find_job(tx, job.id).status


def test_a_job_is_claimed_once_with_a_lease_and_ends_with_its_result(store):
    key = add_customer(store)
    submitted = submit(store, key, keep_s=3600.0)
    made = [Output("model.glb", "glb", 1234, "a" * 64)]

    job = claim(store, T0 + 5)
    nothing = claim(store, T0 + 5)
    with store.begin() as tx:
        assert queue.report_steps(tx, job.lease, [("decode", 0.5, {})], T0 + 6)
        assert queue.finish(tx, job.lease, {"faces": 9}, made, T0 + 9, seed_used=2**63 - 1)
        done, outputs = find_job(tx, job.id), list_outputs(tx, job.id)

    assert (job.id, job.status, job.lease_owner, job.lease_until) == (submitted.id, "running", "w", T0 + 5 + LEASE_S)
    assert nothing is None
    assert (done.status, done.progress, done.stage) == ("succeeded", 1.0, "decode")
    assert (done.started_at, done.finished_at, done.expires_at) == (T0 + 5, T0 + 9, T0 + 9 + 3600)
    assert (done.result, done.seed_used, outputs) == ({"faces": 9}, 2**63 - 1, made)


def test_a_worker_gets_only_what_it_can_do_and_only_when_it_is_time(store):
    key = add_customer(store)
    network = submit(store, key, engine="hunyuan2mv")
    later = submit(store, key, not_before=T0 + 60)
    submit(store, key, deadline=T0)  # too late already

    assert claim(store) is None
    assert claim(store, T0 + 60).id == later.id
    assert claim(store, engines=("hull", "hunyuan2mv")).id == network.id


def test_priority_goes_first_then_age(store):
    key = add_customer(store)
    old, young = submit(store, key, T0), submit(store, key, T0 + 1)
    urgent = submit(store, key, T0 + 2, priority=1)

    assert [claim(store, T0 + 3).id for _ in range(3)] == [urgent.id, old.id, young.id]


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.soak)])
def test_many_jobs_of_one_key_delay_the_one_of_another_by_one_job(store, count):
    many, one = add_customer(store, "many", credits=10**9), add_customer(store, "one")
    with store.begin() as tx:
        for _ in range(count):
            add_job(tx, job_of(many), T0)
    for _ in range(3):
        assert finish(store, claim(store, T0 + 1))

    started = claim(store, T0 + 1)  # the only worker is busy with it
    submit(store, one, T0 + 2)
    assert finish(store, started)

    assert claim(store, T0 + 3).key_id == one.id


def test_keys_take_turns_even_within_one_moment(store):
    keys = [add_customer(store, name) for name in ("ada", "bob", "eve")]
    for key in keys:
        for _ in range(4):
            submit(store, key)

    claimed = [claim(store).key_id for _ in range(12)]

    for turn in range(4):
        assert set(claimed[3 * turn : 3 * turn + 3]) == {key.id for key in keys}


def test_a_key_runs_no_more_jobs_at_once_than_it_may(store):
    limited, free = add_customer(store, "limited", concurrency=2), add_customer(store, "free")
    for _ in range(4):
        submit(store, limited)
    first, second = claim(store), claim(store)

    assert claim(store) is None
    other = submit(store, free)
    assert claim(store).id == other.id
    assert finish(store, first)
    assert claim(store).key_id == limited.id
    assert second.key_id == limited.id


def test_keys_without_a_limit_of_their_own_have_that_of_the_service(store):
    own, plain = add_customer(store, "own", concurrency=2), add_customer(store, "plain")
    for _ in range(4):
        submit(store, own, T0)
        submit(store, plain, T0 + 1)

    claimed = []
    for _ in range(4):
        with store.begin() as tx:
            claimed.append(queue.claim(tx, "w", ["hull"], T0 + 1, LEASE_S, concurrency=1))

    assert [job and job.key_id for job in claimed] == [own.id, plain.id, own.id, None]


def test_the_limit_of_a_key_holds_when_many_claim_at_once(store):
    key = add_customer(store, concurrency=2)
    for _ in range(8):
        submit(store, key)
    claimed = []

    in_a_crowd([lambda: claimed.append(claim(store))] * 8)

    assert sum(job is not None for job in claimed) == 2


def test_the_queue_position_is_the_order_of_the_claims(store):
    dice = random.Random(1)
    keys = [add_customer(store, name) for name in ("ada", "bob", "eve")]
    for number in range(30):
        submit(store, dice.choice(keys), T0 + number // 3)
    for _ in range(4):
        claim(store, T0 + 60)
    with store.read() as tx:
        waiting = [job.id for key in keys for job in list_jobs(tx, key.account_id, 100, status="queued").jobs]
        places = {job: queue_places.queue_position(tx, job) for job in waiting}
        assert queue_places.queue_positions(tx) == places

    claimed = [claim(store, T0 + 60) for _ in waiting]

    assert [places[job.id] for job in claimed] == list(range(1, 27))
    with store.read() as tx:
        assert queue_places.queue_position(tx, claimed[0].id) is None


def test_a_heartbeat_makes_the_lease_longer_and_hears_of_a_cancel(store):
    submit(store, add_customer(store))
    job = claim(store)

    with store.begin() as tx:
        assert queue.heartbeat(tx, job.lease, T0 + 20, LEASE_S) == "go on"
        assert queue.reap_leases(tx, T0 + LEASE_S) == []
        assert queue.request_cancel(tx, job.id, T0 + 31) == "asked"
        assert queue.heartbeat(tx, job.lease, T0 + 32, LEASE_S) == "stop"
        assert queue.stop(tx, job.lease, T0 + 33)
        assert queue.heartbeat(tx, job.lease, T0 + 34, LEASE_S) == "lost"


def test_a_lease_that_ran_out_goes_back_and_its_old_holder_is_not_heard(store):
    submit(store, add_customer(store))
    lost = claim(store)
    with store.begin() as tx:
        assert [job.id for job in queue.reap_leases(tx, T0 + LEASE_S)] == [lost.id]
    again = claim(store, T0 + LEASE_S)  # by the same worker, under the same name

    with store.begin() as tx:
        assert queue.heartbeat(tx, lost.lease, T0 + 31, LEASE_S) == "lost"
        assert not queue.report_steps(tx, lost.lease, [("decode", 0.9, {})], T0 + 31)
        assert not queue.finish(tx, lost.lease, {}, [], T0 + 31)
        assert not queue.fail(tx, lost.lease, {}, T0 + 31)
        assert not queue.release_lease(tx, lost.lease, T0 + 31)
        assert not queue.report_death(tx, lost.lease, T0 + 31)
        assert queue.finish(tx, again.lease, {}, [], T0 + 31)
    assert again.attempts == 2


@pytest.mark.parametrize("noticed", ["by its lease", "by its parent"])
def test_the_second_worker_that_a_job_kills_is_the_last(store, noticed):
    submit(store, add_customer(store))
    for now in (T0, T0 + 100):
        job = claim(store, now)
        with store.begin() as tx:
            if noticed == "by its lease":
                assert len(queue.reap_leases(tx, now + LEASE_S)) == 1
            else:
                assert queue.report_death(tx, job.lease, now)

    with store.read() as tx:
        job = find_job(tx, job.id)
    assert (job.status, job.error["code"], job.attempts, job.deaths) == ("failed", "worker_crash", 2, 2)
    assert claim(store, T0 + 200) is None


def test_a_worker_that_goes_home_puts_its_job_back_as_often_as_it_likes(store):
    submit(store, add_customer(store))

    for _ in range(4):
        job = claim(store)
        with store.begin() as tx:
            assert queue.release_lease(tx, job.lease, T0)

    assert status(store, job) == "queued"


@pytest.mark.parametrize("leave", [queue.report_death, queue.release_lease])
def test_a_worker_that_is_gone_while_it_is_asked_to_stop_leaves_a_canceled_job(store, leave):
    submit(store, add_customer(store))
    job = claim(store)

    with store.begin() as tx:
        queue.request_cancel(tx, job.id, T0)
        assert leave(tx, job.lease, T0)

    assert status(store, job) == "canceled"


def test_a_deadline_ends_what_waits_and_what_runs(store):
    key = add_customer(store)
    running, waiting, patient = (submit(store, key, T0 + n, deadline=T0 + 9 + n) for n in range(3))
    job = claim(store)
    assert job.id == running.id

    with store.begin() as tx:
        assert {late.id for late in queue.expire_due(tx, T0 + 10)} == {running.id, waiting.id}
        assert queue.heartbeat(tx, job.lease, T0 + 10, LEASE_S) == "lost"

    assert [status(store, job) for job in (running, waiting, patient)] == ["expired", "expired", "queued"]


def test_progress_never_falls_not_even_in_the_next_attempt(store):
    submit(store, add_customer(store))
    job = claim(store)
    with store.begin() as tx:
        queue.report_steps(tx, job.lease, [("decode", 0.6, {})], T0)
        queue.report_steps(tx, job.lease, [("extract", 0.4, {})], T0)
        queue.release_lease(tx, job.lease, T0)
    again = claim(store)
    with store.begin() as tx:
        queue.report_steps(tx, again.lease, [("fetch", 0.1, {})], T0)
        told = [event.data["progress"] for event in events.after(tx, job.id, 0) if event.type == "progress"]

        assert told == [0.6, 0.6, 0.6]
        assert find_job(tx, job.id).progress == 0.6


@pytest.mark.parametrize("final", FINAL)
def test_nothing_moves_a_job_that_is_final(store, final):
    job = submit(store, add_customer(store), deadline=T0 + 10)
    with store.begin() as tx:
        lease = queue.claim(tx, "w", ["hull"], T0, LEASE_S).lease
        {
            "succeeded": lambda: queue.finish(tx, lease, {}, [], T0),
            "failed": lambda: queue.fail(tx, lease, {"code": "x"}, T0),
            "canceled": lambda: queue.request_cancel(tx, job.id, T0) and queue.stop(tx, lease, T0),
            "expired": lambda: queue.expire_due(tx, T0 + 10),
        }[final]()
        before = find_job(tx, job.id), events.after(tx, job.id, 0)

        assert not queue.finish(tx, lease, {"late": 1}, [], T0 + 20)
        assert not queue.fail(tx, lease, {"code": "late"}, T0 + 20)
        assert not queue.stop(tx, lease, T0 + 20)
        assert not queue.release_lease(tx, lease, T0 + 20)
        assert not queue.report_death(tx, lease, T0 + 20)
        assert queue.request_cancel(tx, job.id, T0 + 20) == "final"
        assert queue.expire_due(tx, T0 + 1000) == queue.reap_leases(tx, T0 + 1000) == []

        assert (find_job(tx, job.id), events.after(tx, job.id, 0)) == before
        assert before[0].status == final


@pytest.mark.parametrize("rounds", [6, pytest.param(100, marks=pytest.mark.soak)])
def test_of_all_who_end_a_job_at_once_one_does(store, rounds):
    key = add_customer(store, credits=10**9)
    for number in range(rounds):
        submit(store, key, deadline=T0 + 10)
        lease = claim(store).lease
        won = []

        def end(how, lease=lease, won=won):
            with store.begin() as tx:
                if how == "finish":
                    won.append(queue.finish(tx, lease, {}, [], T0))
                elif how == "fail":
                    won.append(queue.fail(tx, lease, {}, T0))
                elif how == "cancel":
                    queue.request_cancel(tx, lease.job_id, T0)
                    won.append(queue.stop(tx, lease, T0))
                elif how == "die":
                    queue.report_death(tx, lease, T0)
                    won.append(queue.request_cancel(tx, lease.job_id, T0) == "canceled")
                else:
                    won.append(bool(queue.expire_due(tx, T0 + 10)))

        hows = ["finish", "fail", "cancel", "die", "expire"]
        random.Random(number).shuffle(hows)
        in_a_crowd([lambda how=how: end(how) for how in hows])

        assert won.count(True) == 1
    with store.read() as tx:
        assert sum(count_jobs(tx)[final] for final in FINAL) == rounds
