# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Every state of the page can be used by everybody: axe finds nothing, in light and dark, on a desk and on a phone.

Each test walks through states that follow one another, and tries on the way what they say.
"""

import io
import shutil

import pytest
from drawn import drawings
from interfaces.browsing import check_everywhere, drop, drop_robot, kill_runner, made, make, shown


@pytest.fixture
def url(migrated_file, tmp_path):
    """SQLite alone: what the page shows does not depend on the database."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path)}"


def test_whoever_is_outside(visit, standing):
    page = visit(standing)
    page.get_by_role("heading", name="Sign in").wait_for()
    check_everywhere(page, "gate")

    page.get_by_label("Key").fill("fv_" + "x" * 32)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").filter(has_text="key").wait_for()
    assert page.evaluate("localStorage['fourview.key']") is None
    check_everywhere(page, "wrong key")


def test_a_link_that_was_opened_too_late(visit, standing):
    path = "%2Fapi%2Fv1%2Fjobs%2Fjob_0%2Ffiles%2Fmodel.glb%3Fpurpose%3Dfile%26expires%3D1%26signature%3D0"
    page = visit(standing, path=f"/#view={path}")

    page.get_by_role("alert").filter(has_text="Ask its sender for a new one").wait_for()
    check_everywhere(page, "dead link")


def test_a_link_that_was_cut_off_leaves_the_page_as_it_is(visit, standing):
    page = visit(standing, path="/#view=%2Fapi%")

    page.get_by_role("heading", name="Sign in").wait_for()


def test_before_a_run(visit, standing):
    page = visit(standing, standing.add_key())
    page.get_by_text("Add a front picture").wait_for()
    check_everywhere(page, "empty")

    drop(page, [("broken.png", b"no picture at all")])
    page.get_by_role("alert").filter(has_text="“broken.png” is damaged or not a picture. Save it again").wait_for()
    check_everywhere(page, "bad file")

    drop_robot(page)
    page.get_by_text("All settings").click()
    check_everywhere(page, "filled")


def test_without_credits(visit, standing):
    page = visit(standing, standing.add_key(credits=0))
    drop_robot(page)
    page.get_by_text("you have 0").wait_for()

    assert page.get_by_role("button", name="Make the model").is_disabled()
    check_everywhere(page, "no credits")


def test_during_runs_and_after_those_that_made_nothing(visit, slow):
    page = visit(slow, slow.add_key())
    drop_robot(page)
    make(page)
    page.get_by_text("Stage 1 of").wait_for()
    check_everywhere(page, "running")

    make(page)
    page.get_by_text("1 in the queue").wait_for()
    check_everywhere(page, "queued")

    page.get_by_role("button", name="Cancel this run").click()
    page.get_by_role("button", name="Run again with the same pictures").wait_for()
    check_everywhere(page, "canceled")

    kill_runner(slow, kill_runner(slow))
    page.get_by_role("button", name="failed").click()
    page.get_by_role("button", name="Edit its pictures and settings").wait_for()
    check_everywhere(page, "failed")

    page.get_by_role("button", name="Remove the left picture").click()
    page.get_by_role("button", name="Add the left picture").wait_for()
    page.get_by_role("button", name="Edit its pictures and settings").click()
    page.get_by_alt_text("left: robot-left.png").wait_for()


def test_after_a_run(visit, standing):
    key = standing.add_key()
    page = visit(standing, key)
    made(page)
    check_everywhere(page, "done")

    page.get_by_role("link", name="Models").click()
    page.get_by_role("button", name="Delete").wait_for()
    check_everywhere(page, "gallery")

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").wait_for()
    check_everywhere(page, "dialog")

    page.keyboard.press("Escape")
    page.get_by_role("link", name="Account").click()
    page.get_by_role("cell", name="charge").wait_for()
    check_everywhere(page, "account")

    page.get_by_role("link", name="Docs").click()
    page.get_by_role("heading", name="Errors").wait_for()
    check_everywhere(page, "docs")

    page.get_by_role("link", name="Make", exact=True).click()
    shown(page)  # a viewer that still loads would notice by itself, and take the button away
    with standing.client(key) as client:
        client.delete(f"/api/v1/jobs/{client.get('/api/v1/jobs').json()['data'][0]['id']}")
    page.get_by_role("button", name="OBJ").click()
    page.get_by_role("heading", name="The files of this run were deleted").wait_for()
    page.get_by_role("button", name="Run again with the same pictures").wait_for()
    check_everywhere(page, "gone")


def test_after_a_run_whose_model_is_in_pieces(visit, serve):
    server = serve(devices="cpu", recipe_defaults='{"engine": "hull", "octree_resolution": 32}')

    def balls(pen, side):
        pen.ellipse((20, 90, 100, 170), fill=(200, 60, 40, 255))
        pen.ellipse((150, 90, 230, 170), fill=(40, 60, 200, 255))

    files = []
    for side, picture in drawings(balls, sides=("front", "back")).items():
        file = io.BytesIO()
        picture.save(file, "PNG")
        files.append((f"balls-{side}.png", file.getvalue()))
    page = visit(server, server.add_key())
    drop(page, files)
    make(page)
    shown(page)

    amber = "getComputedStyle(document.querySelector('.health .warn')).color"
    page.get_by_text("2 pieces", exact=True).wait_for()
    page.get_by_text("The model is in 2 pieces").wait_for()
    assert page.evaluate(amber) == page.evaluate("getComputedStyle(document.querySelector('.note.warn')).color")
    assert page.evaluate(amber) != page.evaluate("getComputedStyle(document.querySelector('.health .good')).color")
    check_everywhere(page, "in pieces")
