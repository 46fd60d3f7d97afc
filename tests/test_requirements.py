# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`make test` brings every module that the tests import: the extras that it installs hold them."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
OURS = {path.stem for folder in (ROOT, ROOT / "src", ROOT / "tests") for path in folder.iterdir()}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(file):
    """The first words of what a file imports, wherever it does."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("importorskip", "import_module"):
            yield from (word.value.partition(".")[0] for word in node.args[:1] if isinstance(word, ast.Constant))


def brought(requirements):
    """The distributions that these requirements bring, with what those need in turn."""
    found, waiting = set(), [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        for extra in ("", *wanted.extras):
            if (normal(wanted.name), extra) in found:
                continue
            found.add((normal(wanted.name), extra))
            needs = [Requirement(text) for text in metadata.requires(wanted.name) or []]
            waiting += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def test_the_extras_of_make_test_bring_what_the_test_modules_import():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    recipe = re.search(r"^\.venv/all:.*?^$", (ROOT / "Makefile").read_text(), re.M | re.S)[0]
    extras = re.search(r'"\.\[([\w,]+)\]"', recipe)[1].split(",")
    words = [*project["dependencies"], *(word for extra in extras for word in project["optional-dependencies"][extra])]
    there = brought(word for word in words if (marker := Requirement(word).marker) is None or marker.evaluate())
    files = [file for folder in ("tests", "training") for file in (ROOT / folder).rglob("*.py")]
    files = [file for file in files if "node_modules" not in file.parts]
    modules = {module for file in files for module in imported(file)} - set(sys.stdlib_module_names) - OURS
    homes = metadata.packages_distributions()

    missing = {m for m in modules if not {normal(home) for home in homes.get(m, [])} & there}

    assert len(modules) > 20
    assert not missing, f"no extra that make test installs brings {sorted(missing)}"
