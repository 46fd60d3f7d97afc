# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The page under somebody's hands: what is dropped, pasted, dragged, typed, touched, copied does what it says."""

import io
import subprocess
import sys

import pytest
from interfaces.browsing import (
    SIDES,
    canvas,
    changed,
    copy_robot,
    drop,
    drop_robot,
    made,
    make,
    robot,
    save,
    share_unlike_corner,
    shown,
)
from PIL import Image
from require import require

FOCUS = """() => {
    const at = document.activeElement, seen = at.matches('.segments input') ? at.nextElementSibling : at;
    const style = getComputedStyle(seen);
    return [at === document.body ? '' : at.getAttribute('aria-label') || at.textContent || at.labels?.[0]?.textContent
        || at.tagName, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2];
}"""


def alts(page):
    return {page.locator(f".zone.{side} img").get_attribute("alt") for side in SIDES}


def test_files_find_their_sides_by_their_names_and_others_the_places_that_are_free(visit, standing):
    page = visit(standing, standing.add_key())

    drop(page, [("b.png", robot("back")), ("Toy-Links.png", robot("left")), ("IMG_1.png", robot("front"))])
    page.get_by_alt_text("front: IMG_1.png").wait_for()
    drop(page, [("toy_270.png", robot("right")), ("notes.txt", b"nothing to see")])

    page.get_by_alt_text("right: toy_270.png").wait_for()
    page.get_by_role("alert").filter(has_text="Other files were left out").wait_for()
    assert alts(page) == {"front: IMG_1.png", "left: Toy-Links.png", "back: b.png", "right: toy_270.png"}


def test_a_picture_dropped_on_a_side_belongs_there_and_a_pasted_one_to_the_first_that_is_free(visit, standing):
    page = visit(standing, standing.add_key())

    drop(page, [("front.png", robot("front"))], ".zone.back")
    page.get_by_alt_text("back: front.png").wait_for()
    drop(page, [("image.png", robot("front"))], "paste")

    page.get_by_alt_text("front: image.png").wait_for()


def test_one_side_dragged_onto_another_changes_places_with_it(visit, standing):
    page = visit(standing, standing.add_key())
    drop_robot(page)

    page.locator(".zone.left").drag_to(page.locator(".zone.back"))

    page.get_by_alt_text("back: robot-left.png").wait_for()
    page.get_by_alt_text("left: robot-back.png").wait_for()
    page.get_by_role("button", name="Remove the back picture").click()
    page.get_by_role("button", name="Add the back picture").wait_for()
    page.reload()
    page.get_by_alt_text("left: robot-back.png").wait_for()
    assert page.get_by_role("button", name="Add the back picture").is_visible()


def test_what_is_cut_out_is_shown_and_hidden_again(visit, standing):
    page = visit(standing, standing.add_key())
    drop_robot(page)
    picture = page.get_by_alt_text("left: robot-left.png")
    assert picture.get_attribute("src").startswith("blob:")

    page.get_by_label("Show cut-outs").check()
    page.locator(".zone.left img[src^='data:image/png']").wait_for()

    page.get_by_label("Show cut-outs").uncheck()
    assert picture.get_attribute("src").startswith("blob:")


def test_the_samples_are_there_without_the_internet(visit, standing):
    page = visit(standing, standing.add_key())

    page.get_by_role("button", name="Try its photos").click()
    page.get_by_alt_text("left: left.jpg").wait_for()
    page.get_by_role("button", name="Try the robot").click()

    page.get_by_alt_text("left: left.png").wait_for()
    assert alts(page) == {f"{side}: {side}.png" for side in SIDES}


def test_a_seed_is_asked_for_only_where_the_engine_draws_one_and_a_locked_one_is_kept(visit, standing):
    page = visit(standing, standing.add_key())
    page.get_by_role("radio", name="hull").check()
    page.get_by_text("hull always gives the same result").wait_for()
    assert page.get_by_label("Seed", exact=True).count() == 0

    page.get_by_role("radio", name="hunyuan2mv").check()
    assert page.get_by_label("Seed", exact=True).is_disabled()
    drop_robot(page)
    make(page)
    shown(page)
    page.get_by_role("button", name="Use this seed again").click()

    drawn = page.locator("dt", has_text="Seed").locator("+ dd").inner_text()
    assert page.get_by_label("Seed", exact=True).input_value() == drawn
    make(page)
    page.locator(".strip button").nth(1).wait_for()
    shown(page)
    assert page.locator("dt", has_text="Seed").locator("+ dd").inner_text() == drawn
    page.get_by_label("Lock").uncheck()
    assert page.get_by_label("Seed", exact=True).input_value() == "new each time"


def test_a_number_that_is_being_typed_stays_while_a_price_arrives(visit, standing):
    page = visit(standing, standing.add_key())
    page.get_by_text("0.1 credits").wait_for()
    page.get_by_role("radio", name="high").check(force=True)
    faces = page.get_by_label("Faces", exact=True)

    faces.fill("1234")
    page.get_by_text("0.285 credits").wait_for()
    assert faces.input_value() == "1234"
    faces.press("Enter")
    assert page.get_by_label("Faces, slider").get_attribute("aria-valuetext") == "1234"

    faces.fill("7")
    faces.press("Enter")
    page.get_by_role("alert").filter(has_text="100 to 1,000,000").wait_for()
    assert faces.input_value() == "7"
    page.get_by_role("radio", name="standard").check(force=True)
    assert faces.input_value() == "10000"
    assert page.get_by_role("alert").filter(has_text="100 to 1,000,000").count() == 0


def test_runs_stand_in_line_side_by_side_and_each_can_be_looked_at(visit, slow):
    page = visit(slow, slow.add_key())
    drop_robot(page)
    make(page)
    page.get_by_text("Stage 1 of").wait_for()
    make(page)
    page.get_by_text("1 in the queue").wait_for()
    make(page)
    page.get_by_text("2 in the queue").wait_for()

    page.get_by_role("button", name="running").click()
    page.get_by_text("Stage 1 of").wait_for()
    page.get_by_role("button", name="Cancel this run").click()
    page.get_by_role("heading", name="Canceled").wait_for()

    page.get_by_role("button", name="running").click()  # the next in line has begun
    page.get_by_text("Stage 1 of").wait_for()
    page.get_by_role("button", name="queued").click()
    page.get_by_text("1 in the queue").wait_for()


def test_the_page_still_asks_and_hears_while_more_runs_wait_than_a_browser_opens_connections(visit, slow):
    key = slow.add_key()
    with slow.client(key) as client:
        for _ in range(8):
            client.post("/api/v1/jobs", files={"front": robot("front")}).raise_for_status()
    page = visit(slow, key)
    page.locator(".strip button").nth(7).wait_for()

    page.get_by_role("radio", name="high").check(force=True)
    page.get_by_text("0.285 credits").wait_for()
    page.get_by_role("button", name="running").click()
    page.get_by_text("Stage 1 of").wait_for()


def test_a_canceled_run_is_made_again_with_its_own_pictures(visit, slow):
    page = visit(slow, slow.add_key())
    drop_robot(page)
    make(page)
    page.get_by_role("button", name="Cancel this run").click()
    page.get_by_role("button", name="Remove the left picture").click()

    page.get_by_role("button", name="Run again with the same pictures").click()

    page.get_by_text("Stage 1 of").wait_for()
    with slow.client(slow.keys[-1]) as client:
        again, first = client.get("/api/v1/jobs").json()["data"]
    assert again["recipe"] == first["recipe"]
    left = """id => new Promise(done => {
        const request = indexedDB.open('fourview');
        request.onsuccess = () => {
            const get = request.result.transaction('pictures').objectStore('pictures').get(id);
            get.onsuccess = () => done(get.result.left.name);
        };
    })"""
    assert page.evaluate(left, again["id"]) == "robot-left.png"


def test_the_model_is_turned_by_mouse_keys_and_buttons_and_changes_its_look(visit, standing):
    page = visit(standing, standing.add_key())
    made(page)
    box = page.locator("canvas").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    before = canvas(page)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 90, middle[1])
    page.mouse.up()
    changed(page, before)
    page.locator("canvas").focus()
    for key in ("ArrowUp", "+", "2", "0"):
        before = canvas(page)
        page.keyboard.press(key)
        changed(page, before)
    for look in ("clay", "wireframe", "normals", "textured"):
        before = canvas(page)
        page.get_by_role("radio", name=look).check(force=True)
        changed(page, before)
    before = canvas(page)
    page.get_by_label("Grid").uncheck()
    changed(page, before)


def test_a_finger_turns_the_model_on_a_phone(visit, standing):
    key = standing.add_key()
    page = visit(standing, key, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    made(page)
    page.locator("canvas").scroll_into_view_if_needed()
    box = page.locator("canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = canvas(page)

    touch = page.context.new_cdp_session(page)
    for kind, moved in (("touchStart", 0), ("touchMove", 40), ("touchMove", 90), ("touchEnd", None)):
        points = [] if moved is None else [{"x": x + moved, "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    changed(page, before)


def test_a_screenshot_shows_the_model_and_a_full_screen_is_full(visit, standing):
    page = visit(standing, standing.add_key())
    made(page)

    picture = Image.open(io.BytesIO(save(page, "Screenshot")))
    assert picture.format == "PNG"
    assert share_unlike_corner(picture) > 0.2

    narrow = page.locator("canvas").bounding_box()["width"]
    page.get_by_role("button", name="Full screen").click()
    page.locator(".show:fullscreen").wait_for()
    assert page.locator("canvas").bounding_box()["width"] > narrow + 100
    assert share_unlike_corner(canvas(page)) > 0.05
    page.get_by_role("button", name="Full screen").click()
    page.locator(".show:fullscreen").wait_for(state="detached")


def test_a_copied_link_opens_the_model_for_somebody_without_a_key(visit, standing):
    page = visit(standing, standing.add_key(), permissions=["clipboard-read", "clipboard-write"])
    made(page)
    page.get_by_role("button", name="Copy a link").click()
    page.get_by_text("Anyone can open it until").wait_for()

    link = page.evaluate("navigator.clipboard.readText()")
    other = visit(standing, path=link.removeprefix(standing.base_url))

    shown(other)
    assert share_unlike_corner(canvas(other)) > 0.2
    assert other.get_by_role("button", name="Make the model").count() == 0
    assert other.evaluate("localStorage['fourview.key']") is None


def test_a_run_that_is_copied_as_code_makes_the_same_again_in_each_language(visit, standing, tmp_path):
    key = standing.add_key()
    page = visit(standing, key, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_label("Faces", exact=True).fill("1234")
    page.get_by_label("Faces", exact=True).press("Enter")
    made(page)
    model = save(page, "GLB")
    copy_robot(tmp_path)
    code = tmp_path / "run.mjs"

    for language, words in {"curl": ["sh", "-e"], "Python": [sys.executable], "JavaScript": [require("node")]}.items():
        page.get_by_role("radio", name=language).check(force=True)
        page.get_by_role("button", name="Copy", exact=True).click()
        page.get_by_role("button", name="Copied", exact=True).wait_for()
        code.write_text(page.evaluate("navigator.clipboard.readText()"))
        subprocess.run([*words, code], cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "FOURVIEW_KEY": key}, check=True)
        assert (tmp_path / "model.glb").read_bytes() == model
        (tmp_path / "model.glb").unlink()

    with standing.client(key) as client:
        recipes = [job["recipe"] for job in client.get("/api/v1/jobs").json()["data"]]
    assert recipes == [recipes[0]] * 4
    assert recipes[0]["target_face_num"] == 1234


def test_everything_can_be_done_with_the_keyboard_alone(visit, standing, tmp_path):
    copy_robot(tmp_path)
    page = visit(standing)
    page.get_by_role("heading", name="Sign in").wait_for()

    def tab_to(name):
        """Tab on until the focus is there; on the way it can be seen wherever it is."""
        for _ in range(80):
            page.keyboard.press("Tab")
            at, is_seen = page.evaluate(FOCUS)
            assert is_seen or not at, f"the focus on {at} is not seen"
            if at.strip().startswith(name):
                return
        pytest.fail(f"no way to {name}")

    tab_to("Skip to the content")
    tab_to("Key")
    page.keyboard.type(standing.add_key())
    page.keyboard.press("Enter")
    page.get_by_text("1000 credits").wait_for()

    page.on("filechooser", lambda chooser: None)  # from here on: such a dialog is never the browser's own
    for side in SIDES:
        tab_to(f"Add the {side} picture")
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        chooser.value.set_files(tmp_path / f"{side}.png")
        page.get_by_alt_text(f"{side}: {side}.png").wait_for()

    tab_to("standard")
    page.keyboard.press("ArrowLeft")
    tab_to("Faces, slider")
    tab_to("Faces")
    page.keyboard.press("Control+a")
    page.keyboard.type("2345\t")
    tab_to("All settings")
    page.keyboard.press("Enter")
    tab_to("Make the model")
    page.keyboard.press("Enter")
    shown(page)

    tab_to("3D model. Arrow keys turn it")
    before = canvas(page)
    page.keyboard.press("ArrowLeft")
    changed(page, before)
    tab_to("textured")
    before = canvas(page)
    page.keyboard.press("ArrowRight")
    changed(page, before)
    tab_to("GLB")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "model.glb"
    tab_to("Delete")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    tab_to("fourview")  # once round: nothing holds the focus
    with standing.client(standing.keys[-1]) as client:
        recipe = client.get("/api/v1/jobs").json()["data"][0]["recipe"]
    assert (recipe["octree_resolution"], recipe["target_face_num"]) == (128, 2345)
