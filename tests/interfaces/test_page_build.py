# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What `make web` built: fresh, small, and served as browsers may keep it. No browser is needed."""

import subprocess

import httpx
from interfaces.browsing import WEB, built
from require import require

from fourview.service.routes import page as route


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
