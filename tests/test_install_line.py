# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The line that installs an extra, printed where the package came from an index, a folder, an archive, a repository."""

import importlib.metadata
import json
import shlex
import sys

import pytest

from fourview import install

COMMIT = "a" * 40
ORIGINS = {
    "an index": (None, ["fourview[serve]==0.1.0"]),
    "a folder": ({"url": "file:///a%20b/c", "dir_info": {}}, ["/a b/c[serve]"]),
    "a folder, editable": ({"url": "file:///a", "dir_info": {"editable": True}}, ["-e", "/a[serve]"]),
    "a wheel": ({"url": "file:///d/fourview-0.1.0.whl", "archive_info": {}}, ["/d/fourview-0.1.0.whl[serve]"]),
    "an archive": (
        {"url": "https://x.example/f.whl", "archive_info": {}},
        ["fourview[serve] @ https://x.example/f.whl"],
    ),
    "a repository": (
        {"url": "https://x.example/f.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
        [f"fourview[serve] @ git+https://x.example/f.git@{COMMIT}"],
    ),
}


class Distribution:
    version = "0.1.0"

    def __init__(self, origin):
        self.origin = origin

    def read_text(self, name):
        return json.dumps(self.origin) if name == "direct_url.json" and self.origin else None


@pytest.mark.parametrize("origin", ORIGINS)
def test_the_line_names_where_the_package_came_from(monkeypatch, origin):
    source, words = ORIGINS[origin]
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Distribution(source))

    assert shlex.split(install.install_line("serve")) == [sys.executable, "-m", "pip", "install", *words]


def test_a_python_without_pip_is_served_by_uv(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    assert shlex.split(install.installer()) == ["uv", "pip", "install", "--python", sys.executable]


def test_sources_that_nothing_installed_are_installed_from_their_folder(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)

    assert shlex.split(install.install_line("serve"))[-2:] == ["-e", f"{install.ROOT}[serve]"]
    assert (install.ROOT / "pyproject.toml").is_file()
