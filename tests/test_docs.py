# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The docs name what there is, their links lead somewhere, and their commands and numbers are those of the code."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fourview import errors
from fourview.cli.app import app
from fourview.formats.readers.scene import MESSAGES

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


def test_the_generated_reference_is_that_of_the_code():
    pytest.importorskip("fastapi", reason="needs the extra [serve]")
    check = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
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
