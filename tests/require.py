# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Parts that some tests need and pip cannot bring: where they are, and the line that installs them.

A test that needs one begins with `program = require("node")`. Where the part is missing the test is skipped and says
how to get it; where `FOURVIEW_REQUIRE` is "all", or names the part, it fails instead.
"""

import os
import shutil
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ELSEWHERE = "not in this repository: "  # how the reason of a skip begins that is none of the machine's faults
PROGRAMS = {
    "node": ("node",),
    "postgresql": ("pg_ctl", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")), reverse=True)),
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "blender": ("blender",),
    "curl": ("curl",),
    "java": ("java",),
    "prlimit": ("prlimit",),
    "caddy": ("caddy",),
    "nginx": ("nginx", "/usr/sbin/nginx"),
    "haproxy": ("haproxy", "/usr/sbin/haproxy"),
    "setpriv": ("setpriv",),
    "unshare": ("unshare",),
    "pgbouncer": ("pgbouncer", "/usr/sbin/pgbouncer"),
}
INSTALL = {
    "node": "apt-get install nodejs npm && npm ci --prefix tests",
    "postgresql": "apt-get install postgresql",
    "chromium": "apt-get install chromium",
    "blender": "apt-get install blender",
    "curl": "apt-get install curl",
    "java": "apt-get install default-jdk-headless",
    "prlimit": "apt-get install util-linux",
    "caddy": "apt-get install caddy",
    "nginx": "apt-get install nginx",
    "haproxy": "apt-get install haproxy",
    "setpriv": "apt-get install util-linux",
    "unshare": "apt-get install util-linux",
    "pgbouncer": "apt-get install pgbouncer",
}


def require(part: str) -> Path:
    """The program of `part`; ends the test where it is not installed."""
    found = next(filter(None, map(shutil.which, PROGRAMS[part])), None)
    if found and (part != "node" or (TESTS / "node_modules").is_dir()):
        return Path(found)
    message = f"{part} is not installed: {INSTALL[part]}"
    if is_required(part):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def is_required(part: str) -> bool:
    """Whether `FOURVIEW_REQUIRE` (words separated by commas) asks for `part`; "all" asks for everything."""
    words = os.environ.get("FOURVIEW_REQUIRE", "").replace(",", " ").split()
    return part in words or "all" in words
