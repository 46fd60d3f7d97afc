# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Webhooks reach a real receiver on the loopback, which checks them with the reference library."""

import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import hmac
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service.receiver import HANG_S, Receiver, receiving
from service.store.people import add_customer, job_of
from service.store.test_webhooks import fill
from standardwebhooks import Webhook

from fourview.service.background import deliveries
from fourview.service.background.deliveries import Deliverer, Places, account_secret, delay_s, sign
from fourview.service.settings import Settings
from fourview.service.store import jobs, queue, webhooks
from fourview.service.store.database import open_store
from fourview.service.store.instance import secret
from fourview.service.store.webhooks import Due


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def parameters(receiver):
    return {"outbound_test_hosts": (receiver.host,), "webhook_first_delay_s": 0.0, "webhook_attempts": 3}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(deliveries, "LOOK_S", 0.02)


def submit(store, key, url, **more):
    with store.begin() as tx:
        return jobs.add_job(tx, job_of(key[0], webhook_url=url, **more), time.time())


def claim(store, ago_s=0):
    with store.begin() as tx:
        return queue.claim(tx, "w", ["hull"], time.time() - ago_s, 30)


def finish(store, job):
    with store.begin() as tx:
        assert queue.finish(tx, job.lease, {}, [], time.time())


def queued(store, key):
    """A job that tells no one anything by itself."""
    with store.begin() as tx:
        return jobs.add_job(tx, job_of(key), time.time())


def tell(store, job, url):
    with store.begin() as tx:
        webhooks.announce(tx, job.id, job.account_id, url, "running", time.time())


def told(store, job):
    with store.read() as tx:
        return webhooks.list_deliveries(tx, job.id)


def run(*desks, until):
    """Deliver until that is so."""

    async def main():
        deliverers = [Deliverer(context) for context in desks]
        running = [asyncio.create_task(deliverer.run()) for deliverer in deliverers]
        async with asyncio.timeout(HANG_S):
            while not await asyncio.to_thread(until):
                await asyncio.sleep(0.01)
            for deliverer in deliverers:
                deliverer.stop()
            await asyncio.gather(*running)

    asyncio.run(main())


def nothing_pends(store, *of):
    return lambda: all(delivery.status != "pending" for job in of for delivery in told(store, job))


@given(st.binary(min_size=24, max_size=64), st.integers(0, 2**33), st.text())
def test_a_signature_is_the_hmac_that_the_standard_describes(key, timestamp, text):
    secret, body = "whsec_" + base64.b64encode(key).decode(), text.encode()
    expected = hmac.new(key, b"msg_1." + str(timestamp).encode() + b"." + body, hashlib.sha256).digest()

    assert sign(secret, "msg_1", timestamp, body) == "v1," + base64.b64encode(expected).decode()


def test_the_states_of_a_job_are_told_and_signed_so_that_the_reference_library_believes_them(
    context, store, key, client, receiver
):
    job = submit(store, key, receiver.url())
    finish(store, claim(store))

    run(context, until=nothing_pends(store, job))

    own = client.get("/api/v1/webhooks/secret").json()["secret"]
    events = [Webhook(own).verify(body, headers) for _, headers, body in receiver.messages]
    assert {event["type"] for event in events} == {"job.running", "job.succeeded"}
    for event in events:
        assert event["timestamp"].endswith("Z")
        assert event["data"] == {**event["data"], "id": job.id, "object": "job", "status": "succeeded"}
    assert sorted(headers["webhook-id"] for _, headers, _ in receiver.messages) == sorted(
        delivery.id for delivery in told(store, job)
    )


@pytest.mark.parametrize(
    ("end", "type"),
    [
        (lambda tx, job: queue.fail(tx, job.lease, {"code": "no_surface", "message": "-"}, time.time()), "job.failed"),
        (lambda tx, job: queue.request_cancel(tx, job.id, time.time()) and queue.stop(tx, job.lease, time.time()),
         "job.canceled"),
        (lambda tx, job: queue.expire_due(tx, time.time()), "job.canceled"),
    ],
    ids=["failed", "canceled", "expired"],
)  # fmt: skip
def test_every_other_end_is_told_too(context, store, key, receiver, end, type):
    job = submit(store, key, receiver.url(), deadline=time.time() - 1)
    running = claim(store, ago_s=10)
    with store.begin() as tx:
        end(tx, running)

    run(context, until=nothing_pends(store, job))

    assert sorted(receiver.types) == sorted(["job.running", type])


def test_what_fails_is_tried_again_under_the_same_id_until_it_arrives(context, store, key, receiver):
    receiver.statuses["/hook"] = [500, 302, 200]
    job = submit(store, key, receiver.url())
    claim(store)

    run(context, until=nothing_pends(store, job))

    (delivery,) = told(store, job)
    assert delivery.status == "delivered"
    assert [(entry["attempt"], entry["status"]) for entry in delivery.log] == [(1, 500), (2, 302), (3, 200)]
    assert {headers["webhook-id"] for _, headers, _ in receiver.messages} == {delivery.id}
    assert {path for path, _, _ in receiver.messages} == {"/hook"}  # a redirect is not followed


def test_after_the_last_attempt_it_is_dropped(context, store, key, receiver):
    receiver.statuses["/hook"] = [503]
    job = submit(store, key, receiver.url())
    claim(store)

    run(context, until=nothing_pends(store, job))

    (delivery,) = told(store, job)
    assert (delivery.status, delivery.attempts, len(receiver.messages)) == ("dropped", 3, 3)


def test_who_answers_410_hears_no_more_of_the_job(context, store, key, receiver):
    receiver.statuses["/hook"] = [410]
    job = submit(store, key, receiver.url())
    running = claim(store)

    run(context, until=nothing_pends(store, job))
    finish(store, running)
    other = submit(store, key, receiver.url("/other"))
    claim(store)
    run(context, until=nothing_pends(store, other))

    assert [delivery.status for delivery in told(store, job)] == ["dropped"]
    assert [path for path, _, _ in receiver.messages] == ["/hook", "/other"]


def test_a_host_of_the_inner_network_is_never_asked(context, store, key, receiver):
    inner = Receiver()  # it listens, and is not in outbound_test_hosts
    job = submit(store, key, inner.url())
    claim(store)

    run(context, until=nothing_pends(store, job))

    (delivery,) = told(store, job)
    inner.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        inner.socket.accept()
    inner.server_close()
    assert [entry["status"] for entry in delivery.log] == [None] * 3
    assert "port" in delivery.log[0]["error"]


class TestSlowReceiver:
    @pytest.fixture
    def parameters(self, receiver):
        return {"outbound_test_hosts": (receiver.host,), "webhook_attempts": 1, "webhook_timeout_s": 0.5}

    def test_it_is_given_up_on_and_holds_nobody_up(self, context, store, key, receiver):
        slow, quick = submit(store, key, receiver.url("/slow")), submit(store, key, receiver.url())
        claim(store), claim(store)

        run(context, until=nothing_pends(store, slow, quick))

        (late,), (soon,) = told(store, slow), told(store, quick)
        assert (late.status, late.log[0]["error"]) == ("dropped", "no answer within 0.5 s")
        assert soon.status == "delivered"


class TestHangingNeighbours:
    """Three accounts have hundreds of events for receivers that take each and never answer."""

    @pytest.fixture
    def hanging(self):
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(receiving()) for _ in range(3)]

    @pytest.fixture
    def parameters(self, receiver, hanging):
        return {"outbound_test_hosts": tuple(each.host for each in (receiver, *hanging)), "webhook_timeout_s": 60}

    def test_an_event_for_another_is_delivered_while_all_of_theirs_hang(self, context, store, key, receiver, hanging):
        for number, each in enumerate(hanging):
            fill(store, queued(store, add_customer(store, f"{number}")), each.url("/slow"), 300, time.time() - 1000)
        ours, counts = queued(store, key[0]), []

        def is_told():
            if not told(store, ours) and all(len(each.messages) >= 5 for each in hanging):
                tell(store, ours, receiver.url())
            if not told(store, ours) or not nothing_pends(store, ours)():
                return False
            for each in hanging:
                counts.append(len(each.messages))
                each.held.set()
            return True

        run(context, until=is_told)

        (delivery,) = told(store, ours)
        assert (delivery.status, delivery.attempts, receiver.types) == ("delivered", 1, ["job.running"])
        assert sum(counts) < deliveries.AT_ONCE

    def test_another_host_of_the_same_account_is_told_too(self, context, store, key, receiver, hanging):
        fill(store, queued(store, key[0]), hanging[0].url("/slow"), 300, time.time() - 1000)
        ours = queued(store, key[0])

        def is_told():
            if not told(store, ours) and len(hanging[0].messages) >= 5:
                tell(store, ours, receiver.url())
            if not told(store, ours) or not nothing_pends(store, ours)():
                return False
            hanging[0].held.set()
            return True

        run(context, until=is_told)

        assert [delivery.status for delivery in told(store, ours)] == ["delivered"]


class TestPlaces:
    def begun(self, places, *lanes):
        """How many attempts of these lanes, in turn, may begin."""
        count = 0
        while any(began := [places.enter(lane) for lane in lanes]):
            count += sum(began)
        return count

    def test_one_account_alone_holds_no_more_than_a_third(self):
        lanes = [f"acc_1 h{number}" for number in range(200)]

        assert self.begun(Places(), *lanes) == 43  # x <= (128 - x) / 2

    def test_one_host_holds_no_more_whoever_writes_to_it(self):
        lanes = [f"acc_{number} h" for number in range(200)]

        assert self.begun(Places(), *lanes) == 43

    def test_one_host_leaves_places_to_others_of_its_account(self):
        places = Places()

        assert self.begun(places, "acc_1 slow") == 19
        assert places.enter("acc_1 other")

    @given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=600))
    def test_a_newcomer_finds_a_place_however_much_fewer_accounts_than_places_hang(self, lanes):
        places = Places()
        for account, host in lanes:
            places.enter(f"acc_{account} h{host}")

        assert places.enter("acc_new new")

    def test_who_has_the_least_under_way_is_first_then_who_waits_longest(self):
        places = Places()
        assert places.enter("acc_1 a")

        due = [Due("acc_1 b", 1.0), Due("acc_2 a", 3.0), Due("acc_3 a", 2.0)]

        assert places.in_turn(due) == ["acc_3 a", "acc_2 a", "acc_1 b"]

    @given(st.lists(st.tuples(st.booleans(), st.integers(1, 5), st.integers(1, 5)), max_size=400))
    def test_places_that_were_left_are_free_again(self, moves):
        places, under_way = Places(), []
        for comes, account, host in moves:
            lane = f"acc_{account} h{host}"
            if comes and places.enter(lane):
                under_way.append(lane)
            elif under_way:
                places.leave(under_way.pop())
        for lane in under_way:
            places.leave(lane)

        assert vars(places) == vars(Places())


def test_several_deliverers_on_one_database_tell_each_thing_once(context, store, key, receiver, url):
    made = [submit(store, key, receiver.url()) for _ in range(20)]
    for _ in made:
        finish(store, claim(store))
    others = [open_store(url) for _ in range(2)]

    run(*(dataclasses.replace(context, store=each) for each in (store, *others)), until=nothing_pends(store, *made))

    for other in others:
        other.close()
    ids = [headers["webhook-id"] for _, headers, _ in receiver.messages]
    assert len(ids) == len(set(ids)) == 40


def test_what_a_dead_process_had_taken_is_told_by_another(context, store, key, receiver):
    job = submit(store, key, receiver.url())
    claim(store)
    with store.begin() as tx:
        (due,) = webhooks.due_lanes(tx, time.time())
        assert webhooks.take_delivery(tx, due.lane, time.time(), lease_s=0.2) is not None

    run(context, until=nothing_pends(store, job))

    (delivery,) = told(store, job)
    assert (delivery.status, delivery.attempts, receiver.types) == ("delivered", 2, ["job.running"])


def test_delays_grow_fourfold_with_jitter_up_to_the_longest():
    settings = Settings(webhook_first_delay_s=5, webhook_max_delay_s=1000)

    drawn = {attempts: [delay_s(settings, attempts) for _ in range(200)] for attempts in (1, 2, 3, 8)}

    for attempts, plain in ((1, 5), (2, 20), (3, 80), (8, 1000)):
        assert 0.75 * plain <= min(drawn[attempts]) < 0.9 * plain < 1.1 * plain < max(drawn[attempts]) <= 1.25 * plain


def test_accounts_have_secrets_of_their_own_that_stay(store):
    with store.begin() as tx:
        root, again = secret(tx, "webhooks"), secret(tx, "webhooks")

    assert account_secret(root, "acc_a") == account_secret(again, "acc_a") != account_secret(root, "acc_b")


def test_the_log_of_a_delivery_can_be_read_and_the_delivery_repeated(context, store, key, client, receiver):
    job = submit(store, key, receiver.url())
    claim(store)
    run(context, until=nothing_pends(store, job))
    place = f"/api/v1/jobs/{job.id}/deliveries"

    (before,) = client.get(place).json()["data"]
    answer = client.post(f"{place}/{before['id']}/redeliver")
    run(context, until=nothing_pends(store, job))
    (after,) = client.get(place).json()["data"]

    assert (before["type"], before["status"], before["url"]) == ("job.running", "delivered", receiver.url())
    assert (answer.status_code, answer.json()["status"], answer.json()["attempts"]) == (202, "pending", 0)
    assert [entry["status"] for entry in after["log"]] == [204, 204]
    assert len({headers["webhook-id"] for _, headers, _ in receiver.messages}) == 1


def test_deliveries_of_others_and_those_that_are_not_there_are_not_found(store, key, client, stranger, receiver):
    job = submit(store, key, receiver.url())
    claim(store)

    assert client.post(f"/api/v1/jobs/{job.id}/deliveries/msg_no/redeliver").status_code == 404
    assert client.get("/api/v1/jobs/job_no/deliveries").status_code == 404
    assert stranger.get(f"/api/v1/jobs/{job.id}/deliveries").status_code == 401
