# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The package as a whole: importing does nothing, and its public names load."""

import subprocess
import sys
from pathlib import Path

import fourview


def loaded_after(statement):
    code = f"import sys\n{statement}\nprint(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"numpy", "PIL", "mahotas", "onnxruntime", "trimesh", "click", "rich"}

    assert not loaded_after("import fourview") & heavy


def test_the_recipe_can_be_read_without_the_machinery():
    assert "numpy" not in loaded_after("import fourview.recipe, fourview.progress, fourview.notice")


def test_the_whole_pipeline_loads_neither_torch_nor_scipy():
    assert not loaded_after("import fourview.pipeline, fourview.cli.app") & {"torch", "scipy"}


def test_every_public_name_loads():
    for name in fourview.__all__:
        assert getattr(fourview, name) is not None


def test_no_file_has_more_than_300_lines():
    files = Path(fourview.__path__[0]).rglob("*.py")

    assert not [path.name for path in files if len(path.read_text().splitlines()) > 300]
