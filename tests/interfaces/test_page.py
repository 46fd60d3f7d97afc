# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The page, in a real browser against the real service: from four pictures to files, whatever happens in between.

What a visitor can do there one by one is tried in `test_page_hands`, every state for everybody in `test_page_states`.
"""

import io
import json
import shutil
import struct
import zipfile
from pathlib import Path

import pytest
import trimesh
from interfaces.browsing import (
    SIDES,
    canvas,
    changed,
    check_everywhere,
    drop,
    drop_robot,
    made,
    make,
    robot,
    save,
    share_unlike_corner,
    shown,
)
from interfaces.server import Server


@pytest.fixture
def url(migrated_file, tmp_path):
    """One database: the page sees none."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path)}"


@pytest.fixture(scope="module")
def embedded(migrated_file, tmp_path_factory):
    """A service that has the embedded engine."""
    folder = tmp_path_factory.mktemp("embedded")
    server = Server(f"sqlite:///{shutil.copy(migrated_file, folder)}", folder, devices="cpu")
    yield server.start()
    server.close()


def faces_of(data, name):
    return len(trimesh.load_mesh(io.BytesIO(data), file_type=name.lower()).faces)


def test_four_files_become_a_model_that_is_seen_saved_and_still_there_after_a_reload(visit, standing):
    page = visit(standing, standing.add_key(credits=5))
    made(page)

    assert share_unlike_corner(canvas(page)) > 0.2
    glb = save(page, "GLB")
    head, kind = struct.unpack_from("<4sII", glb), glb[16:20]
    assert (head, kind) == ((b"glTF", 2, len(glb)), b"JSON")
    assert "meshes" in json.loads(glb[20 : 20 + struct.unpack_from("<I", glb, 12)[0]])
    assert save(page, "OBJ").startswith(b"# fourview ")
    assert save(page, "PLY").startswith(b"ply")
    stl = save(page, "STL")
    assert len(stl) == 84 + 50 * struct.unpack_from("<I", stl, 80)[0]

    page.reload()
    shown(page)
    assert page.get_by_alt_text("left: robot-left.png").is_visible()
    assert page.get_by_text("4.9 credits").is_visible()


def test_sides_that_changed_places_are_told_before_the_run_and_put_right_with_one_click(visit, embedded):
    page = visit(embedded, embedded.add_key())
    swapped = {"front": "front", "left": "right", "back": "back", "right": "left"}

    drop(page, [(f"{side}.png", robot(other)) for side, other in swapped.items()])
    page.get_by_role("status").filter(has_text="probably changed places").wait_for(timeout=60_000)
    check_everywhere(page, "warned")
    page.get_by_role("button", name="Swap left and right").click()

    page.get_by_alt_text("left: right.png").wait_for()
    page.get_by_text("Checking …").wait_for(state="hidden")
    assert page.get_by_text("probably changed places").count() == 0


def test_the_embedded_engine_makes_what_each_format_holds_again(visit, embedded):
    page = visit(embedded, embedded.add_key())
    page.get_by_role("radio", name="draft").check(force=True)
    made(page)

    assert share_unlike_corner(canvas(page)) > 0.05
    assert page.get_by_text("watertight").is_visible()
    faces = {name: faces_of(save(page, name), name) for name in ("GLB", "PLY", "STL")}
    with zipfile.ZipFile(io.BytesIO(save(page, "OBJ"))) as files:
        assert {Path(name).suffix for name in files.namelist()} == {".obj", ".mtl", ".png"}
        faces["OBJ"] = faces_of(files.read("model.obj"), "OBJ")
    assert faces == dict.fromkeys(faces, 5000)

    page.get_by_role("button", name="left", exact=True).click()
    slider = page.get_by_label("Opacity of the picture over the model")
    slider.fill("0")
    before = canvas(page)
    slider.fill("1")
    changed(page, before)
    check_everywhere(page, "overlay")


def test_the_price_follows_the_settings_and_a_wrong_number_says_its_range(visit, standing):
    page = visit(standing, standing.add_key())
    page.get_by_text("0.1 credits").wait_for()

    page.get_by_role("radio", name="high").check(force=True)
    page.get_by_text("0.285 credits").wait_for()

    page.get_by_label("Detail of the shape", exact=True).fill("9999")
    page.get_by_label("Detail of the shape", exact=True).press("Enter")
    page.get_by_role("alert").filter(has_text="16 to 512").wait_for()


def test_a_deleted_run_is_gone(visit, standing):
    key = standing.add_key()
    page = visit(standing, key)
    made(page)

    page.get_by_role("link", name="Models").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete this run").click()

    page.get_by_text("No models yet").wait_for()
    with standing.client(key) as client:
        assert client.get("/api/v1/jobs").json()["data"] == []


def test_a_sign_in_link_works_once_and_leaves_no_word_in_the_address(visit, serve):
    server = serve()
    word = server.log.read_text().partition("#signin=")[2].split()[0]

    page = visit(server, path=f"/#signin={word}")
    page.get_by_text("1000 credits").wait_for()
    assert page.url == server.base_url + "/"

    other = visit(server, path=f"/#signin={word}")
    other.get_by_role("alert").filter(has_text="used before").wait_for()


def test_a_name_that_is_markup_stays_a_name(visit, standing):
    page = visit(standing, standing.add_key())
    name = "<img src=x onerror=document.title='owned'>front.png"

    drop(page, [(name, robot("front"))])
    page.get_by_alt_text(f"front: {name}").wait_for()
    drop(page, [(name, b"no picture at all")])
    page.get_by_role("alert").filter(has_text=name).wait_for()

    assert page.locator("img[src=x]").count() == 0
    assert page.title() == "fourview"


def test_a_picture_given_while_the_page_is_still_asking_is_kept(visit, standing):
    page = visit(standing, standing.add_key(), path="/llms.txt")
    asked = []
    page.route("**/openapi.json", lambda route: asked.append(route))
    page.goto(standing.base_url)

    drop(page, [("front.png", robot("front"))], ".zone.front")
    picture = page.get_by_alt_text("front: front.png")
    picture.wait_for()
    asked.pop().continue_()

    page.get_by_text("0.1 credits").wait_for()
    assert picture.is_visible()


def test_a_run_shows_its_stage_survives_a_reload_and_is_canceled(visit, slow):
    page = visit(slow, slow.add_key())
    drop_robot(page)
    make(page)
    page.get_by_role("progressbar").wait_for()
    page.get_by_text("Reading the pictures").or_(page.get_by_text("Cutting out the subject")).wait_for()

    page.reload()
    page.get_by_role("button", name="Cancel this run").click()

    page.get_by_role("heading", name="Canceled").wait_for()


def test_a_service_that_goes_away_in_the_middle_is_waited_for_and_ends_the_run_all_the_same(visit, serve):
    server = serve(devices="instant:3")
    page = visit(server, server.add_key())
    drop_robot(page)
    make(page)
    page.get_by_role("progressbar").wait_for()

    server.stop()
    page.get_by_text("The service does not answer. This page tries again").first.wait_for()
    check_everywhere(page, "away")
    server.start()

    page.get_by_text("The service answers again").wait_for()
    shown(page)


def test_the_last_picture_can_change_sides_without_dragging(visit, standing):
    page = visit(standing, standing.add_key())
    drop_robot(page)

    page.get_by_label("Side of robot-left.png").select_option("right")

    page.get_by_alt_text("right: robot-left.png").wait_for()
    page.get_by_alt_text("left: robot-right.png").wait_for()
    assert page.locator(".zone img").count() == len(SIDES)
