# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The page, in a real browser against the real service.

Whatever a test does, the page may not break its own content policy, nor throw, nor write an error to the console.
"""

import io
import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import trimesh
from PIL import Image
from require import is_required, require

from fourview.service.routes import page as route

WEB = Path(__file__).parents[2] / "web"
ROBOT = route.EXAMPLES / "robot"
SIDES = ("front", "left", "back", "right")
DRAWS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]  # without a graphics card
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WATCH = "addEventListener('securitypolicyviolation', event => console.error('policy', event.violatedDirective))"


def built():
    if not (route.BUILT / "index.html").is_file() or not (WEB / "node_modules").is_dir():
        end = pytest.fail if is_required("page") or is_required("all") else pytest.skip
        end("the page is not built: make web")


@pytest.fixture
def url(migrated_file, tmp_path):
    """One database: the page sees none."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path)}"


@pytest.fixture(scope="module")
def browser():
    """Ends with this module: while Playwright runs, nobody else in this thread may run an event loop."""
    built()
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require("chromium"), args=DRAWS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Opens the page of a service, signed in with a key where one is given."""
    contexts, faults = [], []

    def open_page(server, key=None, path="/", **options):
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}} | options)
        contexts.append(context)
        context.add_init_script(WATCH)
        if key:
            context.add_init_script(f"if (!sessionStorage.seen) localStorage['fourview.key'] = {key!r}")
            context.add_init_script("sessionStorage.seen = 1")
        page = context.new_page()
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(server.base_url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # What the browser itself writes about answers that are refusals is no fault of the page.
    assert [fault for fault in faults if "Failed to load resource" not in fault] == []


def drop(page, files):
    """Let files (name, bytes) fall on the page."""
    data = [[name, list(content)] for name, content in files]
    page.evaluate(
        """files => {
            const data = new DataTransfer();
            for (const [name, bytes] of files)
                data.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
            document.querySelector(".views").dispatchEvent(
                new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
        }""",
        data,
    )


def drop_robot(page):
    drop(page, [(f"robot-{side}.png", (ROBOT / f"{side}.png").read_bytes()) for side in SIDES])
    page.get_by_alt_text("right: robot-right.png").wait_for()


def make(page):
    page.get_by_role("button", name="Make the model").click()


def shown(page):
    page.locator("canvas[data-state=shown]").wait_for(timeout=30_000)


def save(page, name):
    with page.expect_download() as download:
        page.get_by_role("button", name=name).first.click()
    return Path(download.value.path()).read_bytes()


def faces_of(data, name):
    return len(trimesh.load_mesh(io.BytesIO(data), file_type=name.lower()).faces)


def colours(page):
    """How many of the canvas's pixels differ from its corner, as a share."""
    picture = Image.open(io.BytesIO(page.locator("canvas").screenshot())).convert("RGB")
    middle = picture.crop([picture.width // 4, picture.height // 4, picture.width * 3 // 4, picture.height * 3 // 4])
    corner, pixels = picture.getpixel((2, 2)), list(middle.get_flattened_data())
    return sum(max(abs(a - b) for a, b in zip(pixel, corner, strict=True)) > 24 for pixel in pixels) / len(pixels)


def check_access(page):
    """axe finds nothing."""
    page.evaluate((WEB / "node_modules/axe-core/axe.min.js").read_text())
    found = page.evaluate("tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", TAGS)["violations"]
    assert [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found] == []


def test_four_files_become_a_model_that_is_seen_saved_and_still_there_after_a_reload(visit, standing):
    page = visit(standing, standing.add_key(credits=5))
    drop_robot(page)
    make(page)

    shown(page)
    assert colours(page) > 0.2
    glb = save(page, "GLB")
    head, kind = struct.unpack_from("<4sII", glb), glb[16:20]
    assert (head, kind) == ((b"glTF", 2, len(glb)), b"JSON")
    assert "meshes" in json.loads(glb[20 : 20 + struct.unpack_from("<I", glb, 12)[0]])
    assert save(page, "OBJ").startswith(b"v ")
    assert save(page, "PLY").startswith(b"ply")
    stl = save(page, "STL")
    assert len(stl) == 84 + 50 * struct.unpack_from("<I", stl, 80)[0]

    page.reload()
    shown(page)
    assert page.get_by_alt_text("left: robot-left.png").is_visible()
    assert page.get_by_text("4.9 credits").is_visible()
    check_access(page)


def test_the_embedded_engine_makes_of_photos_what_each_format_holds_again(visit, serve):
    server = serve(devices="cpu")
    page = visit(server, server.add_key())
    page.get_by_role("button", name="or its photos").click()
    page.get_by_alt_text("right: right.jpg").wait_for()
    page.get_by_role("radio", name="draft").check(force=True)
    make(page)

    page.locator("canvas[data-state=shown]").wait_for(timeout=120_000)
    assert colours(page) > 0.05
    assert page.get_by_text("watertight").is_visible()
    faces = {name: faces_of(save(page, name), name) for name in ("GLB", "PLY", "STL")}
    with zipfile.ZipFile(io.BytesIO(save(page, "OBJ"))) as files:
        assert {Path(name).suffix for name in files.namelist()} == {".obj", ".mtl", ".png"}
        faces["OBJ"] = faces_of(files.read("model.obj"), "OBJ")
    assert faces == dict.fromkeys(faces, 5000)

    page.get_by_role("button", name="left", exact=True).click()
    before = page.locator("canvas").screenshot()
    page.get_by_label("How much of the picture covers the model").fill("1")
    page.wait_for_timeout(300)
    assert page.locator("canvas").screenshot() != before
    check_access(page)


@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript"])
def test_a_run_as_code_makes_the_same_again(visit, standing, tmp_path, language):
    key = standing.add_key()
    page = visit(standing, key)
    drop_robot(page)
    page.get_by_label("Faces", exact=True).fill("1234")
    page.get_by_label("Faces", exact=True).press("Enter")
    make(page)
    shown(page)
    page.get_by_role("radio", name=language).check(force=True)
    code = page.locator("pre").inner_text()
    for side in SIDES:
        shutil.copy(ROBOT / f"{side}.png", tmp_path)

    (tmp_path / "run.mjs").write_text(code)
    words = {"curl": ["sh", "-e"], "Python": [sys.executable], "JavaScript": [require("node")]}[language]
    subprocess.run([*words, "run.mjs"], cwd=tmp_path, env={**os.environ, "FOURVIEW_KEY": key}, check=True, timeout=60)

    assert (tmp_path / "model.glb").read_bytes().startswith(b"glTF")
    with standing.client(key) as client:
        second, first = client.get("/api/v1/jobs").json()["data"]
    assert second["recipe"] == first["recipe"]
    assert second["recipe"]["target_face_num"] == 1234


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
    drop_robot(page)
    make(page)
    shown(page)

    page.get_by_role("link", name="Models").click()
    page.get_by_role("button", name="Delete").click()
    check_access(page)
    page.get_by_role("button", name="Delete it").click()

    page.get_by_text("There is none yet").wait_for()
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
    check_access(other)


def test_a_wrong_key_says_so_and_is_forgotten(visit, standing):
    page = visit(standing)
    page.get_by_label("Key").fill("fv_" + "x" * 32)
    page.get_by_role("button", name="Sign in").click()

    page.get_by_role("alert").filter(has_text="key").wait_for()
    assert page.evaluate("localStorage['fourview.key']") is None
    check_access(page)


def test_no_credits_is_said_before_the_click(visit, standing):
    page = visit(standing, standing.add_key(credits=0))
    drop_robot(page)

    page.get_by_text("0 credits are left").wait_for()
    assert page.get_by_role("button", name="Make the model").is_disabled()
    check_access(page)


def test_a_bad_file_and_a_name_that_is_markup_stay_what_they_are(visit, standing):
    page = visit(standing, standing.add_key())
    drop(page, [("broken.png", b"no picture at all")])
    page.get_by_role("alert").filter(has_text="broken.png").wait_for()
    check_access(page)

    name = "<img src=x onerror=document.title='owned'>front.png"
    drop(page, [(name, (ROBOT / "front.png").read_bytes())])
    page.get_by_alt_text(f"front: {name}").wait_for()
    assert page.locator("img[src=x]").count() == 0
    assert page.title() == "fourview"


def test_a_run_shows_its_stage_survives_a_reload_and_is_canceled(visit, serve):
    server = serve(devices="instant:60")
    page = visit(server, server.add_key())
    drop_robot(page)
    make(page)
    page.get_by_role("progressbar").wait_for()
    page.get_by_text("Taking the pictures").or_(page.get_by_text("Cutting the subject out")).wait_for()
    check_access(page)

    page.reload()
    page.get_by_role("button", name="Cancel this run").click()

    page.get_by_role("heading", name="Canceled").wait_for()
    check_access(page)


def test_a_service_that_restarts_in_the_middle_ends_the_run_all_the_same(visit, serve):
    server = serve(devices="instant:3")
    page = visit(server, server.add_key())
    drop_robot(page)
    make(page)
    page.get_by_role("progressbar").wait_for()

    server.stop()
    server.start()

    shown(page)


def test_the_last_picture_can_change_sides_without_dragging(visit, standing):
    page = visit(standing, standing.add_key())
    drop_robot(page)

    page.get_by_label("Side of robot-left.png").select_option("right")

    page.get_by_alt_text("right: robot-left.png").wait_for()
    page.get_by_alt_text("left: robot-right.png").wait_for()


@pytest.mark.parametrize(("scheme", "size"), [("light", (1400, 900)), ("dark", (390, 844))], ids=["desktop", "phone"])
def test_every_part_is_readable_and_none_is_wider_than_the_screen(visit, standing, scheme, size):
    page = visit(
        standing, standing.add_key(), color_scheme=scheme, viewport=dict(zip(("width", "height"), size, strict=True))
    )
    page.get_by_role("button", name="Take the robot").click()
    page.get_by_alt_text("right: right.png").wait_for()
    make(page)
    shown(page)
    page.get_by_text("All settings").click()
    for part in ("Make", "Models", "Docs", "Account"):
        page.get_by_role("link", name=part, exact=True).click()
        check_access(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_a_shared_link_shows_the_model_to_somebody_without_a_key(visit, standing):
    with standing.client() as client:
        front = {"front": (ROBOT / "front.png").read_bytes()}
        job = client.post("/api/v1/jobs", files=front, headers={"prefer": "wait=30"}).json()
    url = next(output["url"] for output in job["outputs"] if output["name"] == "model.glb")

    page = visit(standing, path="/#view=" + quote(url.removeprefix(standing.base_url), safe=""))

    shown(page)
    assert colours(page) > 0.2
    assert page.get_by_role("button", name="Make the model").count() == 0


def test_the_types_of_the_page_are_those_of_the_service(standing, tmp_path):
    built()
    document = httpx.get(f"{standing.base_url}/openapi.json").text.replace(standing.base_url, "http://127.0.0.1:8000")
    (tmp_path / "openapi.json").write_text(document)

    subprocess.run(
        [require("node"), WEB / "node_modules/openapi-typescript/bin/cli.js", "openapi.json", "-o", "schema.d.ts"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip

    is_fresh = (tmp_path / "schema.d.ts").read_text() == (WEB / "src/schema.d.ts").read_text()
    assert is_fresh, "web/src/schema.d.ts is older than the service: npm run types --prefix web"


def test_assets_are_kept_for_ever_and_the_page_is_asked_for_each_time(standing):
    built()
    index = httpx.get(standing.base_url)
    assert index.headers["cache-control"] == "no-cache"
    assert "unsafe" not in index.headers["content-security-policy"]

    name = next(path.name for path in (route.BUILT / "assets").iterdir() if path.suffix == ".js")
    asset = httpx.get(f"{standing.base_url}/assets/{name}", headers={"accept-encoding": "gzip"})
    assert asset.headers["content-encoding"] == "gzip"
    assert "immutable" in asset.headers["cache-control"]
    assert asset.content == (route.BUILT / "assets" / name).read_bytes()
    assert httpx.get(f"{standing.base_url}/assets/..%2findex.html").status_code == 404


def test_what_is_loaded_first_is_small():
    """Without the viewer, which comes with the first model, and as a browser gets it."""
    built()
    first = [
        path
        for path in (route.BUILT / "assets").iterdir()
        if path.suffix != ".md" and not path.name.startswith("viewer")
    ]

    assert sum(len(route._packed(path, 0)) for path in first) < 200_000
