# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever customers, workers and the clock do, in whatever order: every rule holds."""

import random
from contextlib import suppress

import pytest
import sqlalchemy
from service.store.crowd import in_a_crowd
from service.store.people import LEASE_S, T0, add_customer, job_of

from fourview.errors import CreditError
from fourview.service.store import jobs, ledger, queue
from fourview.service.store.audit import audit
from fourview.service.store.tables import ledger as table

START = 20_000


class Walk:
    """One random operation a step; `given` is what it granted."""

    def __init__(self, keys, seed):
        self.dice = random.Random(seed)
        self.keys = keys
        self.given = 0
        self.leases = [jobs.Lease("job_nobody", "w", 1)]
        self.now = T0

    def step(self, tx):
        self.now += self.dice.random() * 5
        often = [self.submit] * 3 + [self.claim] * 2 + [self.finish] * 2
        self.dice.choice([*often, self.grant, self.beat, self.tell, self.fail, self.cancel, self.stop, self.go_home,
                          self.die, self.reap, self.expire, self.delete])(tx)  # fmt: skip
        self.leases = self.leases[-20:]

    def lease(self):
        return self.dice.choice(self.leases)

    def submit(self, tx):
        more = {"price": self.dice.randrange(3000), "deadline": self.dice.choice([None, self.now + 20])}
        with suppress(CreditError):
            jobs.add_job(tx, job_of(self.dice.choice(self.keys), **more), self.now)

    def grant(self, tx):
        credits = self.dice.randrange(-500, 2500)
        with suppress(CreditError):
            ledger.grant(tx, self.dice.choice(self.keys).account_id, credits, "dice", self.now)
            self.given += credits

    def claim(self, tx):
        job = queue.claim(tx, self.dice.choice("uvw"), ["hull"], self.now, LEASE_S)
        self.leases += [job.lease] if job else []

    def beat(self, tx):
        queue.heartbeat(tx, self.lease(), self.now, LEASE_S)

    def tell(self, tx):
        queue.report_steps(tx, self.lease(), [("decode", self.dice.random(), {})], self.now)

    def finish(self, tx):
        queue.finish(tx, self.lease(), {"faces": 1}, [], self.now)

    def fail(self, tx):
        queue.fail(tx, self.lease(), {"code": "surface"}, self.now)

    def cancel(self, tx):
        queue.request_cancel(tx, self.lease().job_id, self.now)

    def stop(self, tx):
        queue.stop(tx, self.lease(), self.now)

    def go_home(self, tx):
        queue.release_lease(tx, self.lease(), self.now)

    def die(self, tx):
        queue.report_death(tx, self.lease(), self.now)

    def reap(self, tx):
        queue.reap_leases(tx, self.now)

    def expire(self, tx):
        queue.expire_due(tx, self.now)

    def delete(self, tx):
        jobs.delete_job(tx, self.lease().job_id)


def run(store, walk, steps, look_every):
    for number in range(1, steps + 1):
        with store.begin() as tx:
            walk.step(tx)
        if number % look_every == 0:
            with store.read() as tx:
                assert audit(tx) == []


def customers(store):
    return [add_customer(store, name, START) for name in ("ada", "bob", "eve")]


def assert_adds_up(store, keys, given):
    with store.read() as tx:
        assert audit(tx) == []
        left = sum(ledger.balance(tx, key.account_id) for key in keys)
        of_kind = sqlalchemy.select(table.c.kind, sqlalchemy.func.sum(table.c.credits)).group_by(table.c.kind)
        total = {kind: int(credits) for kind, credits in tx.execute(of_kind)}
    assert total["grant"] == given
    assert left == given - total["hold"] + total["release"]


@pytest.mark.parametrize("steps", [500, pytest.param(10_000, marks=pytest.mark.soak)])
def test_after_random_operations_every_rule_holds(store, steps):
    keys = customers(store)
    walk = Walk(keys, seed=steps)

    run(store, walk, steps, look_every=50)

    assert_adds_up(store, keys, START * len(keys) + walk.given)
    with store.read() as tx:
        assert min(jobs.count_jobs(tx)[status] for status in jobs.FINAL) > 0


@pytest.mark.parametrize("steps", [60, pytest.param(400, marks=pytest.mark.soak)])
def test_many_who_do_so_at_once_break_no_rule_and_do_not_lock_each_other_out(store, steps):
    keys = customers(store)
    walks = [Walk(keys, seed) for seed in range(6)]

    in_a_crowd([lambda walk=walk: run(store, walk, steps, look_every=steps) for walk in walks])

    assert_adds_up(store, keys, START * len(keys) + sum(walk.given for walk in walks))
