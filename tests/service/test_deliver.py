# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Webhooks reach a real receiver on the loopback, which checks them with the reference library."""

import asyncio
import dataclasses
import time

import pytest
from service.receiver import HANG_S, Receiver, receiving
from service.store.people import job_of
from standardwebhooks import Webhook

from fourview.service import deliver
from fourview.service.deliver import Deliverer, account_secret, delay_s
from fourview.service.settings import Settings
from fourview.service.store import jobs, queue, webhooks
from fourview.service.store.database import open_store
from fourview.service.store.instance import secret


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def knobs(receiver):
    return {"outbound_test_hosts": (receiver.host,), "webhook_first_delay_s": 0.0, "webhook_attempts": 3}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(deliver, "LOOK_S", 0.02)


def submit(store, key, url, **more):
    with store.begin() as tx:
        return jobs.add_job(tx, job_of(key[0], webhook_url=url, **more), time.time())


def claim(store, ago_s=0):
    with store.begin() as tx:
        return queue.claim(tx, "w", ["hull"], time.time() - ago_s, 30)


def finish(store, job):
    with store.begin() as tx:
        assert queue.finish(tx, job.lease, {}, [], time.time())


def told(store, job):
    with store.read() as tx:
        return webhooks.list_deliveries(tx, job.id)


def run(*desks, until):
    """Deliver until that is so."""

    async def main():
        deliverers = [Deliverer(desk) for desk in desks]
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


def test_the_states_of_a_job_are_told_and_signed_so_that_the_reference_library_believes_them(
    desk, store, key, client, receiver
):
    job = submit(store, key, receiver.url())
    finish(store, claim(store))

    run(desk, until=nothing_pends(store, job))

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
def test_every_other_end_is_told_too(desk, store, key, receiver, end, type):
    job = submit(store, key, receiver.url(), deadline=time.time() - 1)
    running = claim(store, ago_s=10)
    with store.begin() as tx:
        end(tx, running)

    run(desk, until=nothing_pends(store, job))

    assert sorted(receiver.types) == sorted(["job.running", type])


def test_what_fails_is_tried_again_under_the_same_id_until_it_arrives(desk, store, key, receiver):
    receiver.statuses["/hook"] = [500, 302, 200]
    job = submit(store, key, receiver.url())
    claim(store)

    run(desk, until=nothing_pends(store, job))

    (delivery,) = told(store, job)
    assert delivery.status == "delivered"
    assert [(entry["attempt"], entry["status"]) for entry in delivery.log] == [(1, 500), (2, 302), (3, 200)]
    assert {headers["webhook-id"] for _, headers, _ in receiver.messages} == {delivery.id}
    assert {path for path, _, _ in receiver.messages} == {"/hook"}  # a redirect is not followed


def test_after_the_last_attempt_it_is_dropped(desk, store, key, receiver):
    receiver.statuses["/hook"] = [503]
    job = submit(store, key, receiver.url())
    claim(store)

    run(desk, until=nothing_pends(store, job))

    (delivery,) = told(store, job)
    assert (delivery.status, delivery.attempts, len(receiver.messages)) == ("dropped", 3, 3)


def test_who_answers_410_hears_no_more_of_the_job(desk, store, key, receiver):
    receiver.statuses["/hook"] = [410]
    job = submit(store, key, receiver.url())
    running = claim(store)

    run(desk, until=nothing_pends(store, job))
    finish(store, running)
    other = submit(store, key, receiver.url("/other"))
    claim(store)
    run(desk, until=nothing_pends(store, other))

    assert [delivery.status for delivery in told(store, job)] == ["dropped"]
    assert [path for path, _, _ in receiver.messages] == ["/hook", "/other"]


def test_a_host_of_the_inner_network_is_never_asked(desk, store, key, receiver):
    inner = Receiver()  # it listens, and is not in outbound_test_hosts
    job = submit(store, key, inner.url())
    claim(store)

    run(desk, until=nothing_pends(store, job))

    (delivery,) = told(store, job)
    inner.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        inner.socket.accept()
    inner.server_close()
    assert [entry["status"] for entry in delivery.log] == [None] * 3
    assert "port" in delivery.log[0]["error"]


class TestSlowReceiver:
    @pytest.fixture
    def knobs(self, receiver):
        return {"outbound_test_hosts": (receiver.host,), "webhook_attempts": 1, "webhook_timeout_s": 0.5}

    def test_it_is_given_up_on_and_holds_nobody_up(self, desk, store, key, receiver):
        slow, quick = submit(store, key, receiver.url("/slow")), submit(store, key, receiver.url())
        claim(store), claim(store)

        run(desk, until=nothing_pends(store, slow, quick))

        (late,), (soon,) = told(store, slow), told(store, quick)
        assert (late.status, late.log[0]["error"]) == ("dropped", "no answer within 0.5 s")
        assert soon.status == "delivered"


def test_several_deliverers_on_one_database_tell_each_thing_once(desk, store, key, receiver, url):
    made = [submit(store, key, receiver.url()) for _ in range(20)]
    for _ in made:
        finish(store, claim(store))
    others = [open_store(url) for _ in range(2)]

    run(*(dataclasses.replace(desk, store=each) for each in (store, *others)), until=nothing_pends(store, *made))

    for other in others:
        other.close()
    ids = [headers["webhook-id"] for _, headers, _ in receiver.messages]
    assert len(ids) == len(set(ids)) == 40


def test_what_a_dead_process_had_taken_is_told_by_another(desk, store, key, receiver):
    job = submit(store, key, receiver.url())
    claim(store)
    with store.begin() as tx:
        assert webhooks.take_delivery(tx, time.time(), lease_s=0.2) is not None

    run(desk, until=nothing_pends(store, job))

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


def test_the_log_of_a_delivery_can_be_read_and_the_delivery_repeated(desk, store, key, client, receiver):
    job = submit(store, key, receiver.url())
    claim(store)
    run(desk, until=nothing_pends(store, job))
    place = f"/api/v1/jobs/{job.id}/deliveries"

    (before,) = client.get(place).json()["data"]
    answer = client.post(f"{place}/{before['id']}/redeliver")
    run(desk, until=nothing_pends(store, job))
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
