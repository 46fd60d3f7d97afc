# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Every state of the page can be used by everybody: axe finds nothing, in light and dark, on a desk and on a phone.

A state is a function that brings a page there; what each of them says is tried on the way.
"""

import pytest
from doors.browsing import check_everywhere, drop, drop_robot, kill_runner, made, make


def gate(visit, standing, slow):
    page = visit(standing)
    page.get_by_role("heading", name="Sign in").wait_for()
    return page


def wrong_key(visit, standing, slow):
    page = visit(standing)
    page.get_by_label("Key").fill("fv_" + "x" * 32)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").filter(has_text="key").wait_for()
    assert page.evaluate("localStorage['fourview.key']") is None
    return page


def empty(visit, standing, slow):
    page = visit(standing, standing.add_key())
    page.get_by_text("A front picture is needed").wait_for()
    return page


def filled(visit, standing, slow):
    page = visit(standing, standing.add_key())
    page.get_by_role("button", name="Take the robot").click()
    page.get_by_alt_text("right: right.png").wait_for()
    page.get_by_text("All settings").click()
    return page


def bad_file(visit, standing, slow):
    page = visit(standing, standing.add_key())
    drop(page, [("broken.png", b"no picture at all")])
    page.get_by_role("alert").filter(has_text="“broken.png” is damaged or is no picture; save it anew").wait_for()
    return page


def no_credits(visit, standing, slow):
    page = visit(standing, standing.add_key(credits=0))
    drop_robot(page)
    page.get_by_text("0 credits are left").wait_for()
    assert page.get_by_role("button", name="Make the model").is_disabled()
    return page


def running(visit, standing, slow):
    page = visit(slow, slow.add_key())
    drop_robot(page)
    make(page)
    page.get_by_text("Stage 1 of").wait_for()
    return page


def queued(visit, standing, slow):
    page = running(visit, standing, slow)
    make(page)
    page.get_by_text("Place 1 in the queue").wait_for()
    return page


def canceled(visit, standing, slow):
    page = running(visit, standing, slow)
    page.get_by_role("button", name="Cancel this run").click()
    page.get_by_role("button", name="Run it again with the same pictures").wait_for()
    return page


def failed(visit, standing, slow):
    page = running(visit, standing, slow)
    kill_runner(slow, kill_runner(slow))
    page.get_by_role("heading", name="This run failed").wait_for()
    page.get_by_role("button", name="Take its pictures and settings").wait_for()
    return page


def done(visit, standing, slow):
    page = visit(standing, standing.add_key())
    made(page)
    return page


def gone(visit, standing, slow):
    key = standing.add_key()
    page = visit(standing, key)
    made(page)
    with standing.client(key) as client:
        client.delete(f"/api/v1/jobs/{client.get('/api/v1/jobs').json()['data'][0]['id']}")
    page.get_by_role("button", name="OBJ").click()
    page.get_by_role("heading", name="The files of this run are gone").wait_for()
    page.get_by_role("button", name="Run it again with the same pictures").wait_for()
    return page


def gallery(visit, standing, slow):
    page = done(visit, standing, slow)
    page.get_by_role("link", name="Models").click()
    page.get_by_role("button", name="Delete").wait_for()
    return page


def dialog(visit, standing, slow):
    page = gallery(visit, standing, slow)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").wait_for()
    return page


def docs(visit, standing, slow):
    page = visit(standing, standing.add_key(), "/#docs")
    page.get_by_role("heading", name="Errors").wait_for()
    return page


def account(visit, standing, slow):
    page = done(visit, standing, slow)
    page.get_by_role("link", name="Account").click()
    page.get_by_role("cell", name="charge").or_(page.get_by_role("cell", name="hold")).first.wait_for()
    return page


def dead_link(visit, standing, slow):
    """A link somebody was sent, and opened too late."""
    path = "%2Fapi%2Fv1%2Fjobs%2Fjob_0%2Ffiles%2Fmodel.glb%3Fpurpose%3Dfile%26expires%3D1%26signature%3D0"
    page = visit(standing, path=f"/#view={path}")
    page.get_by_role("alert").filter(has_text="ask whoever sent it for a new one").wait_for()
    return page


STATES = [
    gate, wrong_key, empty, filled, bad_file, no_credits, running, queued, canceled, failed, done, gone, gallery,
    dialog, docs, account, dead_link,
]  # fmt: skip


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_everybody_can_use_it(visit, standing, slow, state):
    page = state(visit, standing, slow)

    check_everywhere(page)
