# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Native calls that can be killed."""

import os
import time

import numpy as np
import pytest

from fourview import killable_call
from fourview.errors import CanceledError, ChildError, PictureError


def double(array):
    return array * 2


def sleep_long():
    time.sleep(600)


def die():
    os._exit(7)


def refuse():
    raise PictureError("no")


def cancel_at_once(done):
    raise CanceledError("stop")


def test_the_answer_is_that_of_the_plain_call():
    array = np.arange(5)

    assert (killable_call.call(double, array) == double(array)).all()


def test_a_tick_that_raises_kills_the_child():
    with pytest.raises(CanceledError):
        killable_call.call(sleep_long, tick=cancel_at_once)


def test_a_budget_that_runs_out_kills_the_child():
    with pytest.raises(ChildError, match=r"sleep_long took more than 0\.3 s"):
        killable_call.call(sleep_long, budget_s=0.3)


def test_a_death_is_told_with_its_code():
    with pytest.raises(ChildError, match="died with code 7"):
        killable_call.call(die)


def test_errors_of_the_house_come_out_as_they_are():
    with pytest.raises(PictureError, match=r"^no$"):
        killable_call.call(refuse)
