# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The docs name every command, error, stage and warning there is."""

import re
from pathlib import Path

from fourview import errors
from fourview.cli.app import app
from fourview.formats.readers.scene import MESSAGES

ROOT = Path(__file__).parent.parent
DOCS = "\n".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))


def test_every_command_is_in_the_docs():
    assert not [name for name in [*app.commands, "doctor"] if f"`fourview {name}" not in DOCS]


def test_every_error_is_in_the_docs():
    names = [name for name, value in vars(errors).items() if isinstance(value, type)]

    assert not [name for name in names if f"`{name}`" not in DOCS]


def test_every_warning_is_in_the_docs():
    sources = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    codes = set(re.findall(r'Notice\(\s*"([a-z_]+)"', sources))

    codes |= set(MESSAGES)
    assert len(codes) > 8
    assert not [code for code in codes if f"`{code}`" not in DOCS]


def test_links_between_documents_lead_somewhere():
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
