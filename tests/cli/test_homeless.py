# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A user without HOME and without a passwd entry, as containers have: each command works, or names the cure."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from require import require

SRC = Path(__file__).parents[2] / "src"
FRONT = str(SRC / "fourview/examples/robot/front.png")
UID = 54_321


@pytest.fixture
def homeless(tmp_path):
    """Runs `fourview`; root keeps the right to read Python's files, which may lie in a home folder."""
    with pytest.raises(KeyError):
        pwd.getpwuid(UID)
    user = (
        [require("setpriv"), f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--inh-caps=+dac_override",
         "--ambient-caps=+dac_override"]
        if os.geteuid() == 0
        else [require("unshare"), "--user", f"--map-user={UID}"]
    )  # fmt: skip

    def run(*words, **environment):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SRC), **environment}
        command = [*user, sys.executable, "-m", "fourview", *words]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    return run


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (["weights", "list"], "FOURVIEW_WEIGHTS"),
        (["weights", "pull", "hunyuan2mv", "--accept-licence"], "FOURVIEW_WEIGHTS"),
        (["weights", "verify", "hunyuan2mv"], "FOURVIEW_WEIGHTS"),
        (["weights", "path", "hunyuan2mv"], "FOURVIEW_WEIGHTS"),
        (["weights", "remove", "hunyuan2mv"], "FOURVIEW_WEIGHTS"),
        (["generate", FRONT, "--engine", "hunyuan2mv", "-o", "a.glb"], "FOURVIEW_WEIGHTS"),
        (["keys", "list"], "FOURVIEW_STATE_DIR"),
        (["credits", "show"], "FOURVIEW_STATE_DIR"),
        (["serve"], "FOURVIEW_STATE_DIR"),
        (["work"], "FOURVIEW_STATE_DIR"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else given,
)
def test_a_command_that_needs_a_home_says_what_to_set_instead(homeless, words, cure):
    ended = homeless(*words)

    assert ended.returncode == 2, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert cure in line


def test_commands_work_once_it_is_set(homeless, tmp_path):
    tmp_path.chmod(0o777)
    place = str(tmp_path / "place")

    weights = homeless("weights", "list", FOURVIEW_WEIGHTS=place)
    keys = homeless("keys", "create", FOURVIEW_STATE_DIR=place)

    assert (weights.returncode, keys.returncode) == (0, 0), weights.stderr + keys.stderr
    assert "not here" in weights.stdout


def test_a_model_is_made_without_a_home(homeless, tmp_path):
    tmp_path.chmod(0o777)

    ended = homeless("generate", FRONT, "--octree-resolution", "32", "--texture", "off", "-o", "a.glb")

    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "a.glb").read_bytes()[:4] == b"glTF"
