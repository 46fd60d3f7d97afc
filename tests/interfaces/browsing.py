# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the page do with it: give pictures, make a model, save a file, look whether all can use it.

Owns      those moves, and what a canvas shows. The browser itself is a fixture (`conftest`).
"""

import io
import os
import shutil
import signal
import time
from base64 import b64encode
from contextlib import suppress
from pathlib import Path

import pytest
from interfaces.server import END_S
from PIL import Image, ImageChops
from require import is_required

from fourview.service.routes import page as route
from fourview.service.store import workers

WEB = Path(__file__).parents[2] / "web"
ROBOT = route.EXAMPLES / "robot"
SIDES = ("front", "left", "back", "right")
DRAWS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]  # without a graphics card
WATCH = "addEventListener('securitypolicyviolation', event => console.error('policy', event.violatedDirective))"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = """tags => axe.run(document, {runOnly: tags, resultTypes: ['violations'], preload: false}).then(found =>
    found.violations.map(one => [one.id, one.nodes.map(node => node.html.slice(0, 120))]))"""
SIZES = ((1440, 900), (390, 844))
DROP = """([files, place]) => {
    const data = new DataTransfer();
    const read = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    for (const [name, text, type] of files) data.items.add(new File([read(text)], name, {type}));
    const kind = place === 'paste' ? ClipboardEvent : DragEvent;
    const target = document.querySelector(place === 'paste' ? 'body' : place);
    target.dispatchEvent(new kind(place === 'paste' ? 'paste' : 'drop',
        {clipboardData: data, dataTransfer: data, bubbles: true, cancelable: true}));
}"""


def built():
    """Ends the test where there is no page."""
    if not (route.BUILT / "index.html").is_file() or not (WEB / "node_modules").is_dir():
        end = pytest.fail if is_required("page") or is_required("all") else pytest.skip
        end("the page is not built: make web")


def drop(page, files, place=".drop-zones"):
    """Let files (name, bytes) fall on a place of the page, or paste them."""
    kinds = {".txt": "text/plain", ".jpg": "image/jpeg"}
    given = [(name, b64encode(data).decode(), kinds.get(Path(name).suffix, "image/png")) for name, data in files]
    page.evaluate(DROP, [given, place])


def robot(side):
    return (ROBOT / f"{side}.png").read_bytes()


def drop_robot(page):
    drop(page, [(f"robot-{side}.png", robot(side)) for side in SIDES])
    page.get_by_alt_text("right: robot-right.png").wait_for()


def make(page):
    page.get_by_role("button", name="Make the model").click()


def shown(page):
    page.locator("canvas[data-state=shown]").wait_for(timeout=60_000)


def made(page):
    """A run of the robot, to its end."""
    drop_robot(page)
    make(page)
    shown(page)


def save(page, name):
    """What the browser saves when that button is pressed."""
    with page.expect_download() as download:
        page.get_by_role("button", name=name).first.click()
    return Path(download.value.path()).read_bytes()


def canvas(page):
    """The model's picture on the screen."""
    return Image.open(io.BytesIO(page.locator("canvas").screenshot())).convert("RGB")


def share_unlike_corner(picture):
    """How much of its middle is not of the colour of its corner."""
    middle = picture.crop([picture.width // 4, picture.height // 4, picture.width * 3 // 4, picture.height * 3 // 4])
    corner, pixels = picture.getpixel((2, 2)), list(middle.get_flattened_data())
    return sum(max(abs(a - b) for a, b in zip(pixel, corner, strict=True)) > 24 for pixel in pixels) / len(pixels)


def changed(page, before):
    """Wait until the canvas shows something else."""
    for _ in range(100):
        if ImageChops.difference(before, canvas(page)).getbbox():
            return
        page.wait_for_timeout(50)
    pytest.fail("the model looks as before")


def check_everywhere(page, state):
    """axe finds nothing, and nothing is wider than the screen: in light and dark, on a desk and on a phone."""
    if not page.evaluate("'axe' in window"):
        page.evaluate((WEB / "node_modules/axe-core/axe.min.js").read_text())
    was = page.viewport_size
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            check_access(page, f"{state}, {width} px, {scheme}")
    page.set_viewport_size(was)


def check_access(page, where):
    found = page.evaluate(AXE, TAGS)
    assert not found, (where, found)
    over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert over <= 0, f"{where}: {over} px wider than the screen"


def kill_runner(server, seen=()):
    """End the process that executes, as a fault of it would; the ids of those that ended so far."""
    until = time.monotonic() + END_S
    while time.monotonic() < until:
        with server.store.read() as tx:
            pids = {worker.about["pid"] for worker in workers.present(tx, 0)} - set(seen)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if pids:
            return {*seen, *pids}
        time.sleep(0.05)
    pytest.fail("no other runner came")


def copy_robot(folder):
    for side in SIDES:
        shutil.copy(ROBOT / f"{side}.png", folder)
