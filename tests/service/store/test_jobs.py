# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs are found, listed, counted and deleted; what hangs on them comes and goes with them."""

import pytest
from service.store.people import LEASE_S, T0, add_customer, submit

from fourview.errors import ServiceError
from fourview.service.store import events, jobs, ledger, outputs, queue, uploads, webhooks, workers
from fourview.service.store.outputs import Output


def pages(store, key, limit, **which):
    """All jobs page by page."""
    found, cursor = [], None
    while True:
        with store.read() as tx:
            page = jobs.list_jobs(tx, key.account_id, limit, after=cursor, **which)
        found.append([job.id for job in page.jobs])
        cursor = page.next
        if cursor is None:
            return found


def test_what_was_asked_for_comes_back_as_it_was(store):
    key = add_customer(store)
    recipe = {
        "steps": 5,
        "note": "quote ' percent % colon :x null \x00 lone \ud800 smile \U0001f600",
        "deep": {"b": 1, "a": [None]},
    }

    job = submit(store, key, recipe=recipe, tags=["b", "a", "b"], api="v2", kind="simplify")

    with store.read() as tx:
        assert jobs.find_job(tx, job.id) == job
    assert (job.recipe, list(job.recipe["deep"]), job.tags) == (recipe, ["b", "a"], ["b", "a", "b"])
    assert (job.api, job.kind, job.status, job.progress) == ("v2", "simplify", "queued", 0)


def test_the_database_takes_a_job_of_a_kind_that_was_added_to_the_table_later(store):
    job = submit(store, add_customer(store), kind="polish")

    with store.read() as tx:
        assert jobs.find_job(tx, job.id).kind == "polish"


def test_a_job_is_found_by_its_own_account_alone(store):
    ada, bob = add_customer(store, "ada"), add_customer(store, "bob")
    job = submit(store, ada)

    with store.read() as tx:
        assert jobs.find_job(tx, job.id, ada.account_id) == job
        assert jobs.find_job(tx, job.id, bob.account_id) is None
        assert jobs.find_job(tx, "job_nobody") is None


def test_pages_hold_every_job_once_newest_first_also_when_new_ones_come(store):
    key, other = add_customer(store), add_customer(store, "bob")
    made = [submit(store, key, T0 + number // 3).id for number in range(10)]
    submit(store, other)

    first = pages(store, key, 10)
    with store.read() as tx:
        page = jobs.list_jobs(tx, key.account_id, 4)
    submit(store, key, T0 + 60)
    with store.read() as tx:
        rest = jobs.list_jobs(tx, key.account_id, 100, after=page.next)

    assert sorted(first[0]) == sorted(made)
    assert first[0][0] == made[-1]
    assert [job.id for job in page.jobs + rest.jobs] == first[0]
    assert [len(page) for page in pages(store, key, 3)] == [3, 3, 3, 2]


def test_jobs_are_listed_by_status_and_tag(store):
    key = add_customer(store)
    red, blue, both = (submit(store, key, T0 + n, tags=t) for n, t in enumerate((["red"], ["blue"], ["red", "blue"])))
    with store.begin() as tx:
        queue.request_cancel(tx, red.id, T0)

    assert pages(store, key, 10, tag="red") == [[both.id, red.id]]
    assert pages(store, key, 10, tag="blue") == [[both.id, blue.id]]
    assert pages(store, key, 10, status="canceled") == [[red.id]]
    assert pages(store, key, 10, status="canceled", tag="blue") == [[]]


@pytest.mark.parametrize("cursor", ["", "x", "x:job_1"])
def test_a_cursor_of_no_page_is_refused(store, cursor):
    with store.read() as tx, pytest.raises(ServiceError, match="belongs to no page"):
        jobs.list_jobs(tx, "acc", 10, after=cursor)


def test_only_a_final_job_is_deleted_with_all_but_its_ledger_rows(store):
    key = add_customer(store)
    submit(store, key, tags=["red"], webhook_url="https://example.org/hook")
    with store.begin() as tx:
        job = queue.claim(tx, "w", ["hull"], T0, LEASE_S)
        assert not jobs.delete_job(tx, job.id)
        queue.finish(tx, job.lease, {}, [Output("model.glb", "glb", 1, "a" * 64)], T0)
        assert jobs.delete_job(tx, job.id)
        assert not jobs.delete_job(tx, job.id)

        assert jobs.find_job(tx, job.id) is None
        assert events.after(tx, job.id, 0) == outputs.list_outputs(tx, job.id) == []
        assert webhooks.list_deliveries(tx, job.id) == []
        assert jobs.list_jobs(tx, key.account_id, 10, tag="red").jobs == []
        assert [row.kind for row in ledger.list_rows(tx, key.account_id, 10)] == ["charge", "hold", "grant"]


def test_jobs_are_counted_by_state_of_all_or_of_a_key(store):
    ada, bob = add_customer(store, "ada"), add_customer(store, "bob")
    for number, key in enumerate((ada, ada, bob)):
        submit(store, key, T0 + number)
    with store.begin() as tx:
        queue.claim(tx, "w", ["hull"], T0 + 9, LEASE_S)

        assert jobs.count_jobs(tx) == dict.fromkeys(jobs.FINAL, 0) | {"queued": 2, "running": 1}
        assert jobs.count_jobs(tx, bob.id)["queued"] == 1


def test_a_job_outlives_its_time_once_it_is_final(store):
    key = add_customer(store)
    kept, gone = submit(store, key, T0, keep_s=100.0), submit(store, key, T0 + 1, keep_s=50.0)
    with store.begin() as tx:
        for job in (kept, gone):
            queue.request_cancel(tx, job.id, T0 + 10)

        assert jobs.outlived(tx, T0 + 59, 10) == []
        assert jobs.outlived(tx, T0 + 60, 10) == [gone.id]
        assert jobs.outlived(tx, T0 + 999, 1) == [gone.id]


def test_an_artifact_is_in_use_while_a_job_or_an_upload_names_it(store):
    key = add_customer(store)
    job = submit(store, key, inputs={"front": "f", "back": "b"})
    with store.begin() as tx:
        upload = uploads.add_upload(tx, key.account_id, "u", "image/png", 9, T0, keep_s=60)
        lease = queue.claim(tx, "w", ["hull"], T0, LEASE_S).lease
        queue.finish(tx, lease, {}, [Output("model.glb", "glb", 1, "o")], T0)
        assert outputs.digests_in_use(tx) == {"f", "b", "u", "o"}
        assert uploads.find_upload(tx, key.account_id, upload.id, T0 + 59) == upload
        assert uploads.find_upload(tx, key.account_id, upload.id, T0 + 60) is None
        assert uploads.find_upload(tx, "acc_other", upload.id, T0) is None

        jobs.delete_job(tx, job.id)
        assert uploads.drop_expired_uploads(tx, T0 + 60) == 1
        assert outputs.digests_in_use(tx) == set()


def test_a_webhook_is_queued_with_the_change_and_comes_up_until_it_is_settled(store):
    submit(store, add_customer(store), webhook_url="https://example.org/hook")
    with store.begin() as tx:
        assert webhooks.due_lanes(tx, T0) == []
        job = queue.claim(tx, "w", ["hull"], T0, LEASE_S)
        queue.finish(tx, job.lease, {}, [], T0 + 1)

        (due,) = webhooks.due_lanes(tx, T0 + 1)
        lane = due.lane
        assert (lane, due.since) == (f"{job.account_id} example.org", T0)
        first, second = webhooks.take_delivery(tx, lane, T0 + 1, 60), webhooks.take_delivery(tx, lane, T0 + 2, 60)
        assert [first.type, second.type] == ["job.running", "job.succeeded"]
        assert webhooks.take_delivery(tx, lane, T0 + 61, 60).id == first.id  # its sender died
        webhooks.delivered(tx, first.id, {"status": 204})
        webhooks.not_delivered(tx, second.id, {"status": 500}, next_at=T0 + 90)
        assert webhooks.take_delivery(tx, lane, T0 + 89, 60) is None
        assert webhooks.take_delivery(tx, lane, T0 + 90, 60).attempts == 2
        webhooks.not_delivered(tx, second.id, {"status": 410}, next_at=None)
        assert webhooks.take_delivery(tx, lane, T0 + 9999, 60) is None

        told = webhooks.list_deliveries(tx, job.id)
        assert [(d.status, d.log) for d in told] == [
            ("delivered", [{"status": 204}]),
            ("dropped", [{"status": 500}, {"status": 410}]),
        ]
        webhooks.redeliver(tx, second.id, T0 + 100)
        assert webhooks.take_delivery(tx, lane, T0 + 100, 60).id == second.id


def test_workers_are_present_while_they_are_seen(store):
    with store.begin() as tx:
        workers.register(tx, "w1", ["hull"], {"device": "cpu"}, T0)
        workers.register(tx, "w2", ["hull"], {"device": "cpu"}, T0 + 1)
        workers.register(tx, "w1", ["hull", "hunyuan2mv"], {"device": "cuda:0"}, T0 + 2)
        assert workers.seen(tx, "w1", T0 + 30)
        assert not workers.seen(tx, "nobody", T0 + 30)

        assert [worker.id for worker in workers.present(tx, T0)] == ["w2", "w1"]
        (worker,) = workers.present(tx, T0 + 10)
        assert (worker.engines, worker.about) == (["hull", "hunyuan2mv"], {"device": "cuda:0"})
        workers.leave(tx, "w1")
        assert workers.present(tx, T0 + 10) == []


def test_those_that_wait_are_counted_in_all_and_of_a_key(store):
    ada, bob = add_customer(store, "ada"), add_customer(store, "bob")
    for _ in range(3):
        submit(store, ada)
    done = submit(store, bob)
    with store.begin() as tx:
        queue.request_cancel(tx, done.id, T0)

    with store.read() as tx:
        assert jobs.count_waiting(tx, ada.id) == (3, 3)
        assert jobs.count_waiting(tx, bob.id) == (3, 0)
