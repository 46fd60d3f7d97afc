# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Node builds the page and is needed for nothing besides: wheels hold it, and what was installed from one serves it.

The wheel is unpacked without what it needs, which this Python has already.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from interfaces.server import Server
from require import is_required

from fourview.service.routes import page as route

ROOT = Path(__file__).parents[2]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs the wheel of a folder of sources, for services that start afterwards, far away from the checkout."""

    def install(sources):
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", tmp_path / "site", sources],
            check=True, capture_output=True,
        )  # fmt: skip
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
        monkeypatch.setenv("PATH", str(tmp_path / "no-node-here"))
        monkeypatch.chdir(tmp_path)
        where = subprocess.run(
            [sys.executable, "-c", "import fourview; print(fourview.__path__[0])"], check=True, capture_output=True
        )
        assert where.stdout.decode().strip() == str(tmp_path / "site" / "fourview")

    return install


@pytest.fixture
def serve(migrated_file, tmp_path):
    server = Server(f"sqlite:///{shutil.copy(migrated_file, tmp_path)}", tmp_path)
    yield server.start
    server.close()


def test_what_is_installed_from_a_wheel_serves_every_file_of_the_page(install, serve):
    if not (route.BUILT / "index.html").is_file():
        end = pytest.fail if is_required("page") or is_required("all") else pytest.skip
        end("the page is not built: make web")
    install(ROOT)
    base_url = serve().base_url

    index = httpx.get(base_url)
    assert index.headers["content-type"].startswith("text/html")
    assert index.content == (route.BUILT / "index.html").read_bytes()
    assets = sorted((route.BUILT / "assets").iterdir())
    assert {".js", ".css", ".woff2", ".svg"} <= {path.suffix for path in assets}
    for path in assets:
        assert httpx.get(f"{base_url}/assets/{path.name}").content == path.read_bytes()
    assert httpx.get(f"{base_url}/samples/robot/front.png").content.startswith(b"\x89PNG")


def test_without_the_built_page_the_rest_is_served_and_the_address_tells_what_to_do(install, serve, tmp_path):
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(
        ROOT / "src", tmp_path / "src", ignore=lambda folder, _: ["page"] if folder.endswith("service") else []
    )
    install(tmp_path)
    server = serve()

    said = httpx.get(server.base_url)

    assert said.headers["content-type"].startswith("text/plain")
    assert "    make web\n" in said.text
    assert "signin" not in server.log.read_text()
    assert "the page is not built" in server.log.read_text()
    assert httpx.get(f"{server.base_url}/assets/index.js").status_code == 404
    with server.client() as client:
        assert client.get("/api/v1/models").status_code == 200
