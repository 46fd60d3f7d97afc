# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Keys: what is shown once, and who is let in."""

import pytest
from service.store.people import T0, add_customer

from fourview.errors import KeyInvalidError, KeyMissingError
from fourview.service.store.instance import secret
from fourview.service.store.keys import add_key, check_key, find_key, list_keys, revoke_key
from fourview.service.store.signin import add_link, use_link
from fourview.service.store.tables import keys


def test_a_key_is_32_random_characters_and_lets_its_owner_in(store):
    owner = add_customer(store)

    with store.begin() as tx:
        key, text = add_key(tx, owner.account_id, "laptop", T0, concurrency=2, rate_per_min=60)
        found = check_key(tx, text, T0)

    assert text.startswith("fv_")
    assert len(text) == 35
    assert found == key
    assert (found.account_id, found.concurrency, found.rate_per_min) == (owner.account_id, 2, 60)


def test_the_key_itself_is_nowhere_in_the_table(store):
    owner = add_customer(store)
    with store.begin() as tx:
        _, text = add_key(tx, owner.account_id, "laptop", T0)

        rows = [tuple(row) for row in tx.execute(keys.select())]

    assert text[11:] not in repr(rows)
    assert text[:11] in repr(rows)


def test_no_key_and_a_wrong_key_are_two_failures(store):
    with store.read() as tx:
        for nothing in (None, ""):
            with pytest.raises(KeyMissingError, match="x-api-key"):
                check_key(tx, nothing, T0)
        with pytest.raises(KeyInvalidError):
            check_key(tx, "fv_" + "a" * 32, T0)


def test_unknown_revoked_and_expired_look_alike_outside_and_differ_inside(store):
    owner = add_customer(store)
    with store.begin() as tx:
        _, expired = add_key(tx, owner.account_id, "old", T0, expires_at=T0 + 10)
        revoked_key, revoked = add_key(tx, owner.account_id, "lost", T0)
        assert check_key(tx, expired, T0 + 9)
        assert revoke_key(tx, revoked_key.id, T0)
        cases = {"unknown": expired[:-1] + "?", "revoked": revoked, "expired": expired}

        errors = {}
        for why, text in cases.items():
            with pytest.raises(KeyInvalidError) as caught:
                check_key(tx, text, T0 + 10)
            errors[why] = caught.value

    assert {why: error.why for why, error in errors.items()} == {why: why for why in cases}
    assert len({str(error) for error in errors.values()}) == 1


def test_a_key_is_revoked_once_and_stays_in_the_list(store):
    owner = add_customer(store)

    with store.begin() as tx:
        answers = [revoke_key(tx, owner.id, T0 + 1), revoke_key(tx, owner.id, T0 + 2), revoke_key(tx, "fv_nobody", T0)]
        listed = list_keys(tx, owner.account_id)

        assert answers == [True, False, False]
        assert [key.revoked_at for key in listed] == [T0 + 1]
        assert find_key(tx, owner.id) == listed[0]
        assert find_key(tx, "fv_nobody") is None


def test_a_link_signs_in_once_and_in_time(store):
    key = add_customer(store)

    with store.begin() as tx:
        word, late = add_link(tx, key.id, T0, 60), add_link(tx, key.id, T0, 60)

        assert use_link(tx, word, T0 + 59) == key.id
        assert use_link(tx, word, T0 + 59) is None
        assert use_link(tx, late, T0 + 60) is None
        assert use_link(tx, "guessed", T0) is None


def test_a_secret_of_the_installation_is_made_once(store):
    with store.begin() as tx:
        urls = secret(tx, "urls")
        other = secret(tx, "webhooks")
    with store.begin() as tx:
        again = secret(tx, "urls")

    assert urls == again
    assert urls != other
    assert len(urls) == 32
