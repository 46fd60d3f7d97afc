# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Who the tests are about: an account with credits, its keys and jobs. Time starts at `T0`."""

from fourview.service.store.accounts import add_account
from fourview.service.store.jobs import NewJob, add_job
from fourview.service.store.keys import add_key
from fourview.service.store.ledger import grant

T0 = 1_800_000_000.0
PRICE = 1500
LEASE_S = 30.0


def add_customer(store, name="ada", credits=1_000_000, **limits):
    """The key of a new account with credits."""
    with store.begin() as tx:
        account = add_account(tx, name, T0)
        if credits:
            grant(tx, account.id, credits, "start", T0)
        return add_key(tx, account.id, f"{name}'s", T0, **limits)[0]


def job_of(key, **more):
    what = {"engine": "hull", "price": PRICE, "recipe": {"steps": 5}, "inputs": {"front": "d" * 64}}
    return NewJob(key.account_id, key.id, **{**what, **more})


def submit(store, key, now=T0, **more):
    with store.begin() as tx:
        return add_job(tx, job_of(key, **more), now)
