# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Missing parts are named; on the machine that checks everything they are failures."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.fixture
def outcome(tmp_path):
    """Runs the lines of a test file under our conftest, with an empty PATH, and returns what pytest printed."""

    def run(lines, required):
        for name in ("conftest.py", "require.py"):
            shutil.copy(TESTS / name, tmp_path)
        (tmp_path / "test_it.py").write_text(lines)
        environment = os.environ | {
            "FOURVIEW_REQUIRE": required,
            "PATH": str(tmp_path),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path).stdout

    return run


NEEDS_BLENDER = "from require import require\ndef test_a():\n    require('blender')\n"
LINE = "blender is not installed: apt-get install blender"


def test_a_missing_part_skips_the_test_and_names_its_install_line(outcome):
    printed = outcome(NEEDS_BLENDER, required="")

    assert "1 skipped" in printed
    assert LINE in printed


@pytest.mark.parametrize("required", ["all", "blender", "node,blender"])
def test_a_missing_part_that_is_required_fails_the_test(outcome, required):
    printed = outcome(NEEDS_BLENDER, required=required)

    assert "1 failed" in printed
    assert LINE in printed


@pytest.mark.parametrize(
    "lines",
    [
        "import pytest\ndef test_a():\n    pytest.skip('tired')\n",
        "import pytest\n@pytest.mark.skip(reason='tired')\ndef test_a():\n    pass\n",
        "import pytest\npytest.skip('tired', allow_module_level=True)\n",
    ],
)
def test_no_skip_of_any_kind_passes_where_all_is_required(outcome, lines):
    assert "1 skipped" in outcome(lines, required="")

    printed = outcome(lines, required="all")

    assert "skipped under FOURVIEW_REQUIRE=all: Skipped: tired" in printed
    assert "1 failed" in printed or "1 error" in printed


def test_what_lies_elsewhere_may_be_missing_also_where_all_is_required(outcome):
    lines = "import pytest\nfrom require import ELSEWHERE\ndef test_a():\n    pytest.skip(f'{ELSEWHERE}the moon')\n"

    printed = outcome(lines, required="all")

    assert "1 skipped" in printed
    assert "the moon" in printed
