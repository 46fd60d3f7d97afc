# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How soon the page of the service can be used, on this machine over the loopback, and how much it loads.

    python benchmarks/page.py --runs 9

It starts its own `fourview serve`, and opens the page signed in and with an empty cache in the system's Chromium. Ready
is when every field stands there and the button tells its price: all that the page asks for has been answered.
"""

import argparse
import gzip
import shutil
import statistics

from playwright.sync_api import sync_playwright
from service import service

from fourview.service.routes.page import BUILT

READY = """new MutationObserver(() => {
    if (document.querySelector(".price")) window.readyAt ??= performance.now();
}).observe(document, {childList: true, subtree: true})"""


def main() -> None:
    """Print the milliseconds, and the bytes by file."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--runs", type=int, default=9, help="how often the page is opened; the median is told")
    runs = words.parse_args().runs
    painted, ready = [], []
    with service("instant", None) as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for _ in range(runs):
            context = browser.new_context()
            context.add_init_script(f"localStorage['fourview.key'] = {served.key!r}")
            context.add_init_script(READY)
            page = context.new_page()
            page.goto(served.url)
            page.locator(".price").wait_for()
            ready.append(page.evaluate("readyAt"))
            painted.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            context.close()
        browser.close()
    for name, times in (("first paint", painted), ("ready", ready)):
        print(f"{name:12} {statistics.median(times):5.0f} ms, at most {max(times):.0f}")
    for path in sorted((BUILT / "assets").iterdir(), key=lambda path: path.stat().st_size):
        size = path.stat().st_size if path.suffix == ".woff2" else len(gzip.compress(path.read_bytes()))
        if path.suffix != ".md":
            print(f"{size:8,} bytes compressed  {path.name}")


if __name__ == "__main__":
    main()
