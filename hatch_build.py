# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The page goes into every wheel and source archive: hatchling calls this before it packs one.

Owns      when the page is built, and what an install says where it cannot be.
Not here  how it is built (`web/`); `make web`, which builds it for an editable install.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NEEDS = "Node 20 or later builds it: install Node and install fourview again. All else works without it."


class PageHook(BuildHookInterface[Any]):
    """Builds the page with npm where it is missing, or older than its sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, or warn; an editable install reads the tree, where `make web` may build it at any time."""
        web, index = Path(self.root, "web"), Path(self.root, "src/fourview/service/page/index.html")
        if version == "editable" or _is_fresh(index, web):
            return
        state = "older than its sources" if index.is_file() else "not built"
        npm = shutil.which("npm")
        if npm is None or not web.is_dir():
            self.app.display_warning(f"the page of `fourview serve` is {state}. {NEEDS}")
            return
        self.app.display_info("building the page of `fourview serve`")
        try:
            for words in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
                subprocess.run([npm, *words], cwd=web, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            why = getattr(error, "stderr", None) or str(error)
            self.app.display_warning(f"the page of `fourview serve` is {state}: {why.strip()[-500:]}\n{NEEDS}")


def _is_fresh(index: Path, web: Path) -> bool:
    """Whether the page is built and no source of it is newer."""
    sources = [path for path in [*web.glob("*"), *web.glob("src/*")] if path.is_file()]
    return index.is_file() and max((path.stat().st_mtime for path in sources), default=0) <= index.stat().st_mtime
