# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Write the parts of the reference that the code knows; `--check` fails where a page is stale.

    python docs/generate.py            write them
    python docs/generate.py --check    name the stale pages, exit code 1

A page holds `<!-- generated: NAME -->` and `<!-- end -->`. What stands between the two comes from here, the rest of the
page is written by hand. Needs the extra `[serve]`.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, get_args, get_origin

HOME = "~/.local/share/fourview"  # the state folder, as every user reads it
os.environ |= {"HOME": "/home/user", "XDG_DATA_HOME": "/home/user/.local/share"}

import click  # noqa: E402

from fourview.cli.app import app  # noqa: E402
from fourview.kinds import KINDS  # noqa: E402
from fourview.recipe import parameters  # noqa: E402
from fourview.service.app import create_app  # noqa: E402
from fourview.service.hosted import request as hosted  # noqa: E402
from fourview.service.http import openapi  # noqa: E402
from fourview.service.prices import PRICES  # noqa: E402
from fourview.service.problems import PROBLEMS  # noqa: E402
from fourview.service.settings import Settings, describe  # noqa: E402

PAGES = Path(__file__).parent / "reference"
GROUPS = {  # the first setting of each group, and the heading above it
    "bind_host": "Listening",
    "no_auth": "Who may call",
    "state_dir": "What is kept",
    "picture_max_mib": "Pictures, meshes and calls to other hosts",
    "devices": "Workers",
    "prices": "Credits",
}
WIDTH = 100  # columns of a help text


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def recipe() -> str:
    """Every parameter of a recipe, in the order of a run."""
    rows = (
        (
            f"`{p.name}`", p.range, "unset" if p.default is None else p.default, p.doc, ", ".join(p.engines) or "all",
        )
        for p in parameters()
    )  # fmt: skip
    return table(["parameter", "values", "default", "meaning", "engines"], rows)


def settings() -> str:
    """Every setting of the service, in groups."""
    shown = describe(Settings()) | {"state_dir": HOME, "prices": "below"}
    groups: list[tuple[str, list[tuple[str, ...]]]] = []
    for name, field in Settings.model_fields.items():
        if name in GROUPS:
            groups.append((GROUPS[name], []))
        groups[-1][1].append((f"`{name}`", _span(field), shown[name], field.description or ""))
    return "\n\n".join(
        f"### {title}\n\n{table(['setting', 'values', 'default', 'meaning'], rows)}" for title, rows in groups
    )


def _span(field: Any) -> str:
    bounds = {kind: getattr(limit, kind) for limit in field.metadata for kind in ("ge", "le") if hasattr(limit, kind)}
    if bounds:
        return f"{bounds['ge']:.10g} .. {bounds['le']:.10g}"
    return ", ".join(get_args(field.annotation)) if get_origin(field.annotation) is Literal else ""


def prices() -> str:
    """The default prices, thousandths of a credit."""
    rows = ((name, row.base, row.step, row.resolution, row.faces, row.texture) for name, row in PRICES.items())
    return table(["engine", "base", "step", "resolution", "faces", "texture"], rows)


def errors() -> str:
    """Every problem that a client can see."""
    rows = []
    for code, problem in PROBLEMS.items():
        differs = f" ({problem.hosted_status} on v1, v2)" if problem.hosted_status else ""
        rows.append(
            (
                f"`{code}`",
                f"{problem.status}{differs}",
                "yes" if problem.is_retryable else "",
                problem.title,
                problem.cure,
            )
        )
    return table(["code", "status", "retry", "meaning", "cure"], rows)


def commands() -> str:
    """The help of every command."""
    return "\n\n".join(f"## `{path}`\n\n```text\n{help_text}\n```" for path, help_text in _helps(app, "fourview", None))


def _helps(command: click.Command, path: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    context = click.Context(
        command, parent, path.rpartition(" ")[2], max_content_width=WIDTH, terminal_width=WIDTH,
        help_option_names=["-h", "--help"],
    )  # fmt: skip
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (child := command.get_command(context, name)) and not child.hidden:
                yield from _helps(child, f"{path} {name}", context)


def api() -> str:
    """Every address of the HTTP API, as `/openapi.json` lists it."""
    context: Any = SimpleNamespace(settings=Settings(), store=None, files=None, supervisor=None)
    document = openapi._document(create_app(context))
    rows = [
        (f"`{method.upper()} {path}`", operation.get("description", "").split("\n\n")[0].replace("\n", " "))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return table(["address", "does"], rows)


def hosted_fields() -> str:
    """Every field of a request to the hosted API."""
    known, rows = {p.name: p for p in parameters()}, []
    for name, schema in hosted.properties().items():
        if name in hosted.PICTURES:
            cells = ("a picture", "required" if name == "front_image" else "none", schema["description"])
        elif name in hosted.FLAGS:
            cells = ("true, false", "true", schema["description"])
        else:
            cells = (known[name].range, f"{known[name].default}".removesuffix(".0"), known[name].doc)
        rows.append((f"`{name}`", *cells))
    return table(["field", "values", "default", "meaning"], rows)


def kinds() -> str:
    """The kinds of work: what they need, and their stages."""
    rows = (
        (f"`{kind.name}`", kind.summary, ", ".join(kind.accepts), ", ".join(kind.stages or ()) or "those of the engine")
        for kind in KINDS.values()
    )
    return table(["kind", "does", "inputs", "stages"], rows)


PARTS = {part.__name__: part for part in (recipe, settings, prices, errors, commands, api, hosted_fields, kinds)}


def written(page: str) -> str:
    """`page` with every generated part as it should be. Raises `KeyError` for a part that has no function."""
    return re.sub(
        r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}",
        page,
        flags=re.DOTALL,
    )


def main(is_check: bool) -> int:
    """Write the pages, or name those that are stale."""
    stale = [
        (page, text) for page in sorted(PAGES.glob("*.md")) if (text := written(page.read_text())) != page.read_text()
    ]
    state = "stale: run python docs/generate.py" if is_check else "written"
    for page, text in stale:
        print(f"{page.relative_to(PAGES.parent.parent)} is {state}")
        if not is_check:
            page.write_text(text)
    return int(is_check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
