# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The terminal, run as a user runs it: a process, files, exit codes, one line for each mistake."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import fourview
from fourview.cli import doctor
from fourview.cli.app import app
from fourview.cli.words import COMMANDS, MEANINGS, closest

ROBOT = Path(fourview.__path__[0]) / "examples" / "robot"
SMALL = ("--octree-resolution", "48", "--target-face-num", "1000", "--texture-size", "256")


def fourview_cli(*words, **more):
    command = [sys.executable, "-m", "fourview", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a small robot and everything that can be written beside it."""
    folder = tmp_path_factory.mktemp("made")
    sides = [f"--{side}={ROBOT / side}.png" for side in ("left", "back", "right")]
    files = ["-o", folder / "m.glb", "--preview", folder / "p.png", "--report", folder / "r.json"]
    process = fourview_cli("generate", ROBOT / "front.png", *sides, *files, "--save-mattes", folder / "mattes", *SMALL)
    assert process.returncode == 0, process.stderr
    return folder, process


def test_generate_writes_the_model_and_all_that_was_asked_for(made):
    folder, process = made

    assert sorted(p.name for p in folder.iterdir()) == ["m.glb", "mattes", "p.png", "r.json"]
    assert len(list((folder / "mattes").glob("*_matte.png"))) == 4
    assert np.asarray(Image.open(folder / "p.png").convert("L")).std() > 10
    assert process.stdout.split() == [str(folder / name) for name in ("m.glb", "p.png", "r.json", "mattes")]


def test_the_report_tells_mesh_timings_engine_and_recipe(made):
    report = json.loads((made[0] / "r.json").read_text())

    assert report["mesh"]["watertight"]
    assert report["mesh"]["manifold"]
    assert 980 <= report["mesh"]["faces"] <= 1000
    assert next(iter(report["timings_s"])) == "fetch"
    assert list(report["timings_s"])[-1] == "export"
    assert report["engine"]["name"] == fourview.Recipe().shape.engine
    assert report["recipe"]["octree_resolution"] == 48


def test_piped_output_holds_no_bar_and_no_colour(made):
    assert "\x1b" not in made[1].stdout + made[1].stderr


def test_inspect_agrees_with_the_report(made):
    folder, _ = made

    inspected = json.loads(fourview_cli("inspect", folder / "m.glb", "--json").stdout)

    report = json.loads((folder / "r.json").read_text())["mesh"]
    assert {k: inspected[k] for k in ("faces", "watertight", "manifold", "components", "euler")} == {
        k: report[k] for k in ("faces", "watertight", "manifold", "components", "euler")
    }


def test_render_draws_a_sheet(made, tmp_path):
    process = fourview_cli("render", made[0] / "m.glb", "-o", tmp_path / "sheet.png", "--size", 64)

    assert process.returncode == 0, process.stderr
    assert np.asarray(Image.open(tmp_path / "sheet.png").convert("L")).std() > 10


def test_batch_makes_every_case_once_and_goes_on_after_a_bad_one(tmp_path):
    for name, file in (("a", "front.png"), ("b", "Front.PNG")):
        (tmp_path / "cases" / name).mkdir(parents=True)
        (tmp_path / "cases" / name / file).write_bytes((ROBOT / "front.png").read_bytes())
    (tmp_path / "cases" / "a" / "front.png").write_bytes(b"not a picture")
    (tmp_path / "cases" / "notes").mkdir()

    first = fourview_cli("batch", tmp_path / "cases", "-o", tmp_path / "out", *SMALL)
    made = (tmp_path / "out" / "b.glb").stat().st_mtime_ns
    again = fourview_cli("batch", tmp_path / "cases", "-o", tmp_path / "out", *SMALL)
    kept = (tmp_path / "out" / "b.glb").stat().st_mtime_ns
    other = fourview_cli("batch", tmp_path / "cases", "-o", tmp_path / "out", *SMALL, "--origin", "bottom")

    assert (first.returncode, again.returncode) == (3, 3)
    assert "[1/2] a: error: the 'front' picture" in first.stderr
    assert "[2/2] b: exists already" in again.stdout
    assert "skipped notes: it holds no front picture (front.png" in first.stderr
    assert made == kept
    assert "exists already" not in other.stdout
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["b.glb", "b.json", "b.png"]
    assert np.asarray(Image.open(tmp_path / "out" / "b.png").convert("L")).std() > 10


def picture(folder, name, pixels):
    Image.fromarray(pixels).save(folder / name)
    return folder / name


def mistakes(folder):
    """Every wrong input of a user: words of the command line, and what the error must say."""
    good = ROBOT / "front.png"
    out = ("-o", folder / "never.glb")
    clear = picture(folder, "clear.png", np.zeros((64, 64, 4), np.uint8))
    noise = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)
    tiny = picture(folder, "tiny.png", np.zeros((1, 1, 3), np.uint8))
    text = folder / "text.png"
    text.write_text("hello")
    huge = bytearray(tiny.read_bytes())
    huge[16:24] = (40_000).to_bytes(4, "big") * 2
    huge[29:33] = zlib.crc32(bytes(huge[12:29])).to_bytes(4, "big")
    (folder / "huge.png").write_bytes(huge)
    (folder / "folder.glb").mkdir()
    two = Image.new("RGB", (256, 256), (240, 240, 235))  # a cut-out may show as many as it likes
    for left in (20, 150):
        ImageDraw.Draw(two).rectangle((left, 60, left + 80, 200), (200, 30, 30))
    two.save(folder / "two.png")
    return {
        "no front": (("--left", good, *out), "front picture is missing"),
        "no file": ((folder / "nothing.png", *out), "does not exist"),
        "unreadable": ((text, *out), "PNG, JPEG or WebP is needed"),
        "1 x 1": ((tiny, *out), "1 x 1 pixels; at least 16 x 16"),
        "40,000 x 40,000": ((folder / "huge.png", *out), "40000 x 40000"),
        "all transparent": ((clear, *out), "'front'"),
        "noise": ((picture(folder, "noise.png", noise), *out), "'front'"),
        "two subjects": ((folder / "two.png", *out), "two"),
        "range": ((good, *out, "--octree-resolution", "7"), "is 7; it takes a whole number in 16 .. 512"),
        "type": ((good, *out, "--octree-resolution", "many"), "'many' is not a valid integer"),
        "choice": ((good, *out, "--origin", "sky"), "origin is 'sky'; it takes one of center, bottom"),
        "unknown option": ((good, *out, "--colour", "red"), "no option '--colour'; `fourview generate --help` lists"),
        "option of another name": ((good, *out, "--faces", "500"), "'--faces'; did you mean --target-face-num?"),
        "half a number": ((good, *out, "--target-face-num", "10,5"), "'10,5' is not a valid integer"),
        "too many": ((good, *out, "--target-face-num", "2,000,000"), "in 100 .. 1,000,000"),
        "unknown format": ((good, "-o", folder / "never.fbx"), ".glb, .obj, .ply, .stl, .zip"),
        "a file as folder": ((good, "-o", text / "m.glb"), "text.png is a file; a folder is to be there"),
        "a file for the mattes": ((good, *out, "--save-mattes", text), "text.png is a file; a folder is to be there"),
        "an output that is a URL": ((good, "-o", "https://a.example/m.glb"), "is a URL; a file is to be written"),
        "a picture that is a URL": (("https://a.example/front.png", *out), "is a URL; files are read here: download"),
        "a picture that is a folder": ((folder, *out), "is a folder"),
        "nothing": ((), "the front picture is missing; usage: fourview generate FRONT"),
        "sides without names": ((good, "l.png", "b.png", *out), "--left l.png --back b.png -o model.glb"),
        "sides that say which": ((good, "back.png", "x.png", *out), "--back back.png --left x.png -o model.glb"),
        "folder as file": ((good, "-o", folder / "folder.glb"), "is a folder"),
        "preview": ((good, *out, "--preview", folder / "p.bmp"), ".png"),
        "no output": ((good,), "output"),
    }  # fmt: skip


def test_every_mistake_is_one_line_with_exit_code_2_and_leaves_nothing_behind(tmp_path):
    cases = mistakes(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    for name, (words, expected) in cases.items():
        process = fourview_cli("generate", *words)

        assert process.returncode == 2, (name, process.stderr)
        assert process.stderr.startswith("error: "), (name, process.stderr)
        assert process.stderr.count("\n") == 1, (name, process.stderr)
        assert expected in process.stderr, (name, process.stderr)
        assert process.stdout == "", name
    assert sorted(tmp_path.rglob("*")) == before


def test_no_command_leaves_a_traceback_where_its_output_or_input_cannot_be_used(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    mesh, cases = tmp_path / "m.ply", tmp_path / "cases"
    mesh.write_text("ply\n")
    (cases / "a").mkdir(parents=True)
    (cases / "a" / "front.png").write_bytes((ROBOT / "front.png").read_bytes())
    wrong = [
        (("demo", "-o", file), "is a file"), (("demo", "-o", file / "in"), "is a file"),
        (("batch", cases, "-o", file), "is a file"), (("batch", file, "-o", tmp_path / "o"), "is a file"),
        (("render", mesh, "-o", file / "s.png"), "is a file"), (("render", tmp_path, "-o", "s.png"), "is a folder"),
        (("inspect", "http://a.example/m.glb"), "is a URL"), (("inspect", tmp_path), "is a folder"),
        (("weights", "fabricate", "--tiny", file), "file"), (("create",), "did you mean generate?"),
        (("demo", "-o", tmp_path / ("n" * 300)), "too long"),
    ]  # fmt: skip

    for words, expected in wrong:
        process = fourview_cli(*words)

        assert process.returncode == 2, (words, process.stderr)
        assert process.stderr.startswith("error: "), (words, process.stderr)
        assert process.stderr.count("\n") == 1, (words, process.stderr)
        assert expected in process.stderr, (words, process.stderr)


def test_folders_that_are_not_there_are_made_and_files_have_the_modes_of_the_users_mask(tmp_path):
    new = tmp_path / "new" / "deep"
    files = [("-o", "m.obj"), ("--preview", "p.png"), ("--report", "more/r.json"), ("--save-mattes", "mattes")]
    words = [word for option, name in files for word in (option, new / name)]

    process = fourview_cli("generate", ROBOT / "front.png", *words, *SMALL, preexec_fn=lambda: os.umask(0o022))

    assert process.returncode == 0, process.stderr
    written = [path for path in new.rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {"m.obj", "m.mtl", "p.png", "r.json", "front_matte.png"}
    assert {oct(path.stat().st_mode & 0o777) for path in written} == {"0o644"}


@pytest.mark.parametrize(("word", "meant"), [
    ("--faces", "--target-face-num"), ("--face-count", "--target-face-num"), ("--resolution", "--octree-resolution"),
    ("--texture-resolution", "--texture-size"), ("--octre-resolution", "--octree-resolution"), ("--out", "--output"),
    ("--num-inference-steps", "--steps"), ("--cfg-scale", "--guidance-scale"), ("--gpu", "--device"),
    ("--random-seed", "--seed"), ("--model", "--engine"), ("--remove-bg", "--remove-background"), ("--zzz", None),
])  # fmt: skip
def test_a_misspelt_option_is_answered_by_what_it_means(word, meant):
    names = [max(param.opts, key=len) for param in app.commands["generate"].params]

    assert closest(word, names, MEANINGS) == meant


def test_every_meaning_is_of_an_option_or_a_command_that_exists():
    there = {name for command in app.commands.values() for param in command.params for name in param.opts}
    arguments = {param.human_readable_name for command in app.commands.values() for param in command.params}

    assert set(MEANINGS) <= there | arguments
    assert set(COMMANDS) == set(app.commands)


def test_help_is_grouped_and_shows_choices_and_plain_limits():
    shown = fourview_cli("generate", "--help").stdout
    headings = [line[:-1] for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")]

    assert headings == ["Pictures", "Result", "Engine hunyuan2mv", "Run"]
    assert "--texture-format [png|webp]" in shown
    assert "[100 .. 1,000,000; default 10,000]" in " ".join(shown.split())
    assert "e+0" not in shown
    assert shown.index("--left") < shown.index("Result:") < shown.index("--seed") < shown.index("--threads")


def test_doctor_and_the_version_stand_where_people_look():
    shown = fourview_cli("--help").stdout

    assert "  doctor " in shown
    assert fourview_cli("-V").stdout == fourview_cli("--version").stdout
    assert fourview.__version__ in fourview_cli("-V").stdout
    assert json.loads(fourview_cli("doctor", "--json").stdout)


@pytest.mark.parametrize(("line", "offered"), [
    ("fourview do", "doctor"), ("fourview generate --target-f", "--target-face-num"),
    ("fourview generate --texture-format w", "webp"),
])  # fmt: skip
def test_the_shell_completes_commands_options_and_choices(line, offered):
    words = {"_FOURVIEW_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    command = [sys.executable, "-m", "fourview"]

    done = subprocess.run(command, env=os.environ | words, capture_output=True, text=True, check=True)

    assert f"plain,{offered}" in done.stdout.splitlines()


def test_unwritable_output_is_refused_before_any_work(tmp_path):
    process = fourview_cli("generate", ROBOT / "front.png", "-o", "/proc/model.glb")

    assert process.returncode == 2
    assert "/proc/model.glb" in process.stderr


def processor_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_interrupt_ends_with_130_and_leaves_nothing(tmp_path):
    words = ["generate", ROBOT / "front.png", "-o", tmp_path / "m.glb", "--octree-resolution", "512"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fourview", *map(str, words)], stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # shells let what runs behind them ignore it
    )  # fmt: skip
    until = time.monotonic() + 60
    while processor_s(process.pid) < 1.5:  # past its imports, and long before its end
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=60)

    assert process.returncode == 130, printed
    assert printed.strip() == "error: interrupted; no file was left half-written"
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_asks_for_the_packages_of_each_extra():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    findings = {finding.part: finding for finding in doctor.extras()}

    for extra in doctor.EXTRAS:
        names = [re.split(r"[\[>]", wanted)[0].lower().replace("_", "-") for wanted in extras[extra]]
        shown = re.findall(r"([\w-]+) \d", findings[extra].detail)
        assert findings[extra].state == "ok"
        assert sorted(shown) == sorted(names)
