# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The shell line that installs this package again, or one of its extras.

Owns      the installer (pip of this Python, or uv where it has none), and the source: the folder, the archive or the
          repository that this package came from, else an index by name and version. Uses the standard library alone.
"""

import importlib.metadata
import importlib.util
import json
import shlex
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

ROOT = Path(__file__).parents[2]  # of the sources, where this is a checkout


def install_line(extra: str = "", options: str = "") -> str:
    """A shell line that installs `fourview` with `extra` and pip's `options`."""
    return " ".join(filter(None, (installer(), options, _origin(f"[{extra}]" if extra else ""))))


def installer() -> str:
    """The command, without what is to be installed."""
    python = shlex.quote(sys.executable)
    return f"{python} -m pip install" if importlib.util.find_spec("pip") else f"uv pip install --python {python}"


def _origin(extra: str) -> str:
    try:
        distribution = importlib.metadata.distribution("fourview")
    except importlib.metadata.PackageNotFoundError:  # the sources are on Python's path
        return f"-e {shlex.quote(f'{ROOT}{extra}')}"
    source: dict[str, Any] = json.loads(distribution.read_text("direct_url.json") or "{}")
    url = urlparse(source.get("url", ""))
    if not url.scheme:
        return shlex.quote(f"fourview{extra}=={distribution.version}")
    if url.scheme != "file" or "vcs_info" in source:
        return shlex.quote(f"fourview{extra} @ {_remote(source)}")
    editable = "-e " if source.get("dir_info", {}).get("editable") else ""
    return editable + shlex.quote(url2pathname(url.path) + extra)


def _remote(source: dict[str, Any]) -> str:
    """The URL as pip takes it (PyPA, "Recording the Direct URL Origin of installed distributions")."""
    vcs = source.get("vcs_info")
    return f"{vcs['vcs']}+{source['url']}@{vcs['commit_id']}" if vcs else str(source["url"])
