# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The bare install, as a user gets it: from the wheel, outside the checkout, in a venv of its own."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIMIT_MIB = 250
# PYTHONPATH could put a checkout's package before the installed one.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(*command, **more):
    command = [str(word) for word in command]
    return subprocess.run(command, capture_output=True, text=True, check=True, **{"env": ENVIRONMENT, **more}).stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def bare(wheel, tmp_path_factory):
    """The Python of a venv that holds the wheel and what it needs, nothing more."""
    folder = tmp_path_factory.mktemp("bare")
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", "--only-binary", ":all:", wheel)
    return python


def packages(python):
    return {p["name"].lower() for p in json.loads(run(python, "-m", "pip", "list", "--format", "json"))}


def test_the_base_is_light(bare):
    site = Path(run(bare, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    tools = {"pip", "setuptools", "pkg_resources", "_distutils_hack"}  # every venv has them
    files = [f for f in site.rglob("*") if f.is_file() and f.relative_to(site).parts[0].split("-")[0] not in tools]

    assert sum(f.stat().st_size for f in files) < LIMIT_MIB * 2**20
    assert not packages(bare) & {"torch", "scipy", "numba", "opencv-python", "pyqt5", "pyside6", "pymeshlab", "libigl"}


def test_nothing_in_the_base_is_gpl(bare):
    code = (
        "import importlib.metadata as m\n"
        "for d in m.distributions():\n"
        "    print(d.name, d.metadata.get('License-Expression'), (d.metadata.get('License') or '')[:60],"
        " [c for c in d.metadata.get_all('Classifier') or [] if 'License' in c])"
    )

    assert not [line for line in run(bare, "-c", code).splitlines() if "GPL" in line or "General Public" in line]


def test_the_demo_runs_from_the_wheel_without_a_network(bare, tmp_path):
    blocked = tmp_path / "sitecustomize.py"
    blocked.write_text(
        "import socket\ndef refuse(*a, **k):\n    raise OSError('no network in this test')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    printed = run(bare.parent / "fourview", "demo", "-o", tmp_path / "out", cwd=tmp_path, env=environment).split()

    for name in ("robot.glb", "robot.png", "robot_photo.glb", "robot_photo.png"):
        path = tmp_path / "out" / name
        assert str(path) in printed
        assert path.stat().st_size > 10_000


PARTS = ["click", "fast-simplification", "mahotas", "numpy", "onnxruntime", "pillow", "rich"]
FILES = {"matting network": "views/u2netp.onnx", "example pictures": "examples/robot/left.png"}


def doctor(python):
    process = subprocess.run(
        [python.parent / "fourview", "doctor", "--json"], capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    return process.returncode, {f["part"]: f for f in json.loads(process.stdout)}


def test_doctor_finds_a_whole_install_well(bare):
    status, findings = doctor(bare)

    assert status == 0
    assert set(PARTS) | set(FILES) <= set(findings)


@pytest.mark.parametrize("part", [*PARTS, *FILES])
def test_each_part_taken_away_is_named_and_its_line_brings_it_back(bare, part):
    if part in FILES:
        package = Path(run(bare, "-c", "import fourview; print(fourview.__path__[0])").strip())
        (package / FILES[part]).unlink()
    else:
        run(bare, "-m", "pip", "uninstall", "-q", "-y", part)

    status, sick = doctor(bare)
    subprocess.run(sick[part]["mend"], shell=True, check=True, capture_output=True, env=ENVIRONMENT)
    healed, _ = doctor(bare)

    assert (status, sick[part]["state"], healed) == (2, "missing", 0)


def test_a_command_without_its_packages_points_to_the_doctor(bare):
    run(bare, "-m", "pip", "uninstall", "-q", "-y", "click")
    command = [bare.parent / "fourview", "demo"]
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    run(bare, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", "click")

    assert process.returncode == 2
    assert "fourview doctor" in process.stderr


def test_the_sources_hold_everything_that_ships(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert "fourview/views/u2netp.onnx" in names
    assert sum(name.startswith("fourview/examples/robot") and name.endswith((".png", ".jpg")) for name in names) == 8
    assert not [name for name in names if name.endswith((".so", ".pyd", ".c", ".cpp"))]
