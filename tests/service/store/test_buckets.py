# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A bucket: so many at once, then as fast as it fills."""

import pytest
from service.store.crowd import in_a_crowd
from service.store.people import T0, add_customer

from fourview.service.store.buckets import take


def test_a_full_bucket_gives_what_it_holds_then_says_how_long_to_wait(store):
    key = add_customer(store)

    with store.begin() as tx:
        takes = [take(tx, key.id, 3, T0) for _ in range(4)]

    assert [(t.allowed, t.left) for t in takes] == [(True, 2), (True, 1), (True, 0), (False, 0)]
    assert takes[3].wait_s == pytest.approx(20)


def test_a_bucket_fills_with_time_up_to_its_brim(store):
    key = add_customer(store)
    with store.begin() as tx:
        for _ in range(3):
            take(tx, key.id, 3, T0)

        assert not take(tx, key.id, 3, T0 + 19.9).allowed
        assert take(tx, key.id, 3, T0 + 20.1).allowed
        assert [take(tx, key.id, 3, T0 + 9999).allowed for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_is_behind_fills_nothing_and_takes_nothing_back(store):
    key = add_customer(store)
    with store.begin() as tx:
        for _ in range(3):
            take(tx, key.id, 3, T0)

        assert not take(tx, key.id, 3, T0 - 1000).allowed
        assert not take(tx, key.id, 3, T0 + 19).allowed
        assert take(tx, key.id, 3, T0 + 21).allowed


def test_many_at_once_get_no_more_than_it_holds(store):
    key = add_customer(store)
    allowed = []

    def ask():
        with store.begin() as tx:
            allowed.append(take(tx, key.id, 5, T0).allowed)

    in_a_crowd([ask] * 20)

    assert allowed.count(True) == 5


def test_each_key_has_its_own(store):
    ada, bob = add_customer(store, "ada"), add_customer(store, "bob")

    with store.begin() as tx:
        assert [take(tx, ada.id, 1, T0).allowed, take(tx, bob.id, 1, T0).allowed] == [True, True]
