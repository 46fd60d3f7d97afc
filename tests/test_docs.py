# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The docs name what there is, their links lead somewhere, and their commands and numbers are those of the code."""

import ast
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fourview import errors
from fourview.cli.app import app
from fourview.formats import read
from fourview.formats.readers.scene import MESSAGES
from fourview.views import load

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOCS = "\n".join(path.read_text() for path in PAGES[1:])
SHELL = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(fourview [^`\n]+)`")
SRC = str(ROOT / "src")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def named(path):
    return str(path.relative_to(ROOT))


def anchors(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


# What there is


def test_every_command_is_in_the_docs():
    assert not [name for name in app.commands if f"`fourview {name}" not in DOCS]


def test_every_error_is_in_the_docs():
    names = [name for name, value in vars(errors).items() if isinstance(value, type)]

    assert not [name for name in names if f"`{name}`" not in DOCS]


def test_every_warning_is_in_the_docs():
    sources = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    codes = set(re.findall(r'Notice\(\s*"([a-z_]+)"', sources)) | set(MESSAGES)

    assert len(codes) > 8
    assert not [code for code in codes if f"`{code}`" not in DOCS]


@pytest.mark.parametrize("script", ["generate.py", "draw_rooms.py"])
def test_what_is_generated_is_that_of_the_code(script):
    pytest.importorskip("fastapi", reason="needs the extra [serve]")
    check = [sys.executable, str(ROOT / "docs" / script), "--check"]
    ran = subprocess.run(check, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": SRC})

    assert ran.returncode == 0, ran.stdout + ran.stderr


# Links


@pytest.mark.parametrize("path", [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONVENTIONS.md"], ids=named)
def test_links_between_documents_lead_somewhere(path):
    for link in LINK.findall(path.read_text()):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_leads_to_every_page():
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(index.read_text())}

    assert not [named(path) for path in PAGES[1:] if path != index and path.resolve() not in linked]


# Commands


def commands_of(path):
    """The lines that begin with `fourview`, of shell blocks and of the text; comments and pipes are cut off."""
    text = path.read_text()
    blocks = "\n".join(SHELL.findall(text)).replace("\\\n", " ")
    lines = [line.strip().removeprefix("$ ") for line in blocks.splitlines()]
    for line in [*lines, *INLINE.findall(text)]:
        line = re.sub(r"^(?:[A-Z_]+=\S+ )+", "", line)
        if line.startswith("fourview "):
            words = shlex.split(re.split(r" +(?:#|\||&&|>|;) *", line)[0].rstrip(";&"))
            yield words[1:]


def parsed(words):
    """Let click parse `words` as far as options go: no file is opened, no command runs. Raises its `UsageError`."""
    command, path = app, ["fourview"]
    while isinstance(command, click.Group) and words and not words[0].startswith("-") and not words[0].isupper():
        path, name = [*path, words[0]], words[0]
        command, words = command.get_command(click.Context(command), name), words[1:]
        if command is None:
            raise click.UsageError(f"there is no command {' '.join(path)}")
    options = {option: param for param in command.params for option in (*param.opts, *param.secondary_opts)}
    for index, word in enumerate(words):
        name = word.partition("=")[0]
        if not re.match(r"--?[a-zA-Z]", name) or name in ("--help", "-h"):
            continue
        if name not in options:
            raise click.UsageError(f"{' '.join(path)} has no option {name}")
        param = options[name]
        value = word.partition("=")[2] or (words[index + 1] if index + 1 < len(words) else "")
        if isinstance(param.type, click.Choice) and value and not value.isupper():
            param.type.convert(value, param, None)


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_command_in_the_docs_has_these_options(path):
    for words in commands_of(path):
        parsed(words)


@pytest.mark.parametrize("words", [["generat", "x.png"], ["generate", "x.png", "--lefts", "y.png"], ["keys", "burn"]])
def test_a_command_that_does_not_exist_is_found(words):
    with pytest.raises(click.UsageError):
        parsed(words)


BENCHMARK = re.compile(r"python (?:(benchmarks/\w+\.py)|-m (training(?:\.\w+)+))([^`\n]*)")
TARGET = re.compile(r"^make ([a-z-]+)", re.MULTILINE)


@pytest.mark.parametrize("path", [*PAGES, ROOT / "training" / "README.md"], ids=named)
def test_every_benchmark_and_target_in_the_docs_exists(path):
    text = path.read_text()
    for script, module, words in BENCHMARK.findall(text):
        source = ROOT / (script or f"{module.replace('.', '/')}.py")
        assert source.exists(), source
        options = re.findall(r"(?<= )--[a-z-]+", words.partition("#")[0])
        assert not [option for option in options if f'"{option}"' not in source.read_text()], (source, options)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(TARGET.findall("\n".join(SHELL.findall(text)))) <= targets


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=named)
def test_the_examples_import_what_there_is(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fourview"):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)


BLOCK = re.compile(r"^<!-- runs -->\n```(sh|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("path", [path for path in PAGES if BLOCK.search(path.read_text())], ids=named)
def test_the_marked_blocks_run(path, tmp_path):
    for picture in (ROOT / "src" / "fourview" / "examples" / "robot").iterdir():
        shutil.copy(picture, tmp_path)
    script = tmp_path / "bin" / "fourview"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fourview "$@"\n')
    script.chmod(0o755)
    paths = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": paths, "PYTHONPATH": SRC}

    for language, block in BLOCK.findall(path.read_text()):
        start = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
        ran = subprocess.run(
            [*start, block], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == 0, f"{block}\n{ran.stderr}"


# Numbers that the code knows


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("guides/pictures.md", f"At least {load.SIDE_MIN_PX} pixels are needed; pictures above {load.LONG_SIDE_PX}"),
        ("how/views.md", f"less than {load.SIDE_MIN_PX} pixels a side, more than {load.SIDE_MAX_PX:,}"),
        ("how/views.md", f"more than {load.PIXELS_MAX // 10**6} megapixels (WebP: {load.WEBP_PIXELS_MAX // 10**6})"),
        (
            "reference/mesh-files.md",
            f"{read.FACES_MAX:,} faces (instances included), {read.PARTS_MAX:,} parts",
        ),
        ("reference/mesh-files.md", f"{read.FILES_MAX:,} files or {read.UNZIPPED_MAX >> 30} GiB in a zip"),
    ],
)
def test_the_limits_in_the_text_are_those_of_the_code(page, sentence):
    text = " ".join((ROOT / "docs" / page).read_text().split())

    assert sentence in text


def test_one_number_is_the_same_on_every_page():
    """The engine `hull` on the twelve objects: one line of `benchmarks/quality.py`, named on four pages."""
    for page in ("README.md", "docs/how/quality.md", "docs/how/mini.md", "docs/how/hull.md"):
        text = (ROOT / page).read_text()
        assert "0.749" in text, page
        assert "0.751" not in text, page


# Words


def words_to_avoid():
    rows = (ROOT / "docs" / "glossary.md").read_text().splitlines()
    cells = [row.split("|")[3] for row in rows if row.count("|") == 4]
    return sorted({word.strip() for cell in cells[2:] for word in cell.split(",") if word.strip()})


def test_the_glossary_is_short_enough_to_be_read():
    rows = [row for row in (ROOT / "docs" / "glossary.md").read_text().splitlines() if row.startswith("| ")]

    assert len(rows) - 1 < 30
    assert "door" in words_to_avoid()


def test_no_word_to_avoid_comes_back():
    word = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(words_to_avoid())})(?![a-z0-9])", re.IGNORECASE)
    sources = [
        *(ROOT / "src").rglob("*.py"),
        *(ROOT / "web" / "src").glob("*.ts"),
        *(ROOT / "web" / "src").glob("*.tsx"),
    ]
    found = [
        f"{named(path)}:{number}: {line.strip()[:100]}"
        for path in [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONVENTIONS.md", *sorted(sources)]
        if path.name != "glossary.md"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if word.search(re.sub(r"[a-z](?=[A-Z])", r"\g<0> ", re.sub(r"tests?/[\w./-]+", "", line)))
    ]

    assert not found, "\n".join(found)
