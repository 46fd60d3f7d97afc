# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Events: every change of state is told, in order, once; old progress makes room."""

from service.store.crowd import in_a_crowd
from service.store.people import LEASE_S, T0, add_customer, submit

from fourview.service.store import events, queue
from fourview.service.store.audit import audit


def running(store):
    submit(store, add_customer(store))
    with store.begin() as tx:
        return queue.claim(tx, "w", ["hull"], T0, LEASE_S)


def test_a_reader_that_comes_back_gets_what_it_missed(store):
    job = running(store)
    with store.begin() as tx:
        queue.report_steps(tx, job.lease, [("decode", 0.5, {"step": 3})], T0 + 1)
        queue.fail(tx, job.lease, {"code": "surface"}, T0 + 2)
        told = events.after(tx, job.id, 0)

        assert [(event.seq, event.type, event.data, event.at) for event in told] == [
            (1, "state", {"status": "queued"}, T0),
            (2, "state", {"status": "running"}, T0),
            (3, "progress", {"stage": "decode", "progress": 0.5, "step": 3}, T0 + 1),
            (4, "state", {"status": "failed", "error": {"code": "surface"}}, T0 + 2),
        ]
        assert events.after(tx, job.id, 2) == told[2:]
        assert events.after(tx, job.id, 4) == []


def test_many_writers_leave_no_gap(store):
    job = running(store)

    def tell():
        for _ in range(5):
            with store.begin() as tx:
                queue.report_steps(tx, job.lease, [("decode", 0.5, {})], T0)

    in_a_crowd([tell] * 6)

    with store.read() as tx:
        assert [event.seq for event in events.after(tx, job.id, 0)] == list(range(1, 33))


def test_of_much_progress_the_newest_is_kept_and_every_state(store):
    job = running(store)
    with store.begin() as tx:
        for number in range(500):
            queue.report_steps(tx, job.lease, [("decode", number / 500, {})], T0 + number)
        queue.finish(tx, job.lease, {}, [], T0 + 500)
        told = events.after(tx, job.id, 0)

    assert [event.data["status"] for event in told if event.type == "state"] == ["queued", "running", "succeeded"]
    assert [event.seq for event in told if event.type == "progress"] == list(range(304, 503))
    with store.read() as tx:
        assert audit(tx) == []


def test_several_steps_of_one_moment_leave_what_one_by_one_would(store):
    job = running(store)
    with store.begin() as tx:
        queue.report_steps(tx, job.lease, [("matte", 0.2, {}), ("encode", 0.1, {}), ("denoise", 0.4, {"step": 1})], T0)
        told = [event.data for event in events.after(tx, job.id, 2)]
    assert told == [
        {"stage": "matte", "progress": 0.2}, {"stage": "encode", "progress": 0.2},
        {"stage": "denoise", "progress": 0.4, "step": 1},
    ]  # fmt: skip

    with store.begin() as tx:
        for number in range(20):
            steps = [("decode", 0.5 + (25 * number + n) / 1000, {}) for n in range(25)]
            assert queue.report_steps(tx, job.lease, steps, T0 + number)
        kept = events.after(tx, job.id, 0)

    assert [event.seq for event in kept if event.type == "state"] == [1, 2]
    assert [event.seq for event in kept if event.type == "progress"] == list(range(306, 506))
    with store.read() as tx:
        assert audit(tx) == []
