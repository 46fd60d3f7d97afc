# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What commands write and print: models, previews, reports, mattes, notices, the summary.

Owns      checking places before the work begins, writing the files of a result, the last lines on the terminal.
Not here  the progress bar (`bar`), the formats (`formats`).
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fourview.cli.words import usage
from fourview.errors import MeshError, OutputError

if TYPE_CHECKING:
    from fourview.notice import Notice
    from fourview.result import Result


def check_mesh(path: str) -> None:
    """Raise `MeshError` where `path` is no file to read."""
    from fourview.views.load import is_url

    if is_url(path):
        raise MeshError(f"{path} is a URL; files are read here: download it first")
    if Path(path).is_dir():
        raise MeshError(f"{path} is a folder; name a GLB, OBJ, PLY or STL file in it")


def check_side_file(path: str | None, suffix: str) -> None:
    """Raise `OutputError` where a file beside the model could not be written at `path`; None is no such file."""
    from fourview.formats.write import check_place

    if path is None:
        return
    if not path.lower().endswith(suffix):
        raise OutputError(f"'{path}' does not end in {suffix}, the only type written there; rename it")
    check_place(path)


def check_output(path: str | None) -> str:
    """The file type of the model at `path`; raises `OutputError` where it is missing or cannot be written."""
    from fourview.formats.write import check_place, file_type_of

    if path is None:
        raise OutputError(
            f"the output is missing: name the model's file with -o; usage: {usage(click.get_current_context())}"
        )
    file_type = file_type_of(path)
    check_place(path)
    return file_type


def write_files(
    result: "Result", output: str, preview: str | None, report: str | None, mattes: str | None, made_from: str = ""
) -> None:
    """Write the model and, where a path is given, its preview, report and mattes."""
    from fourview.formats.write import save
    from fourview.render.sheet import preview as draw
    from fourview.result import write
    from fourview.views.load import save_mattes

    write(result, output)
    if preview and result.mesh is not None:
        save_png(draw(result.mesh, result.texture), preview)
    if report:
        text = json.dumps({**result.report.to_json(), "made_from": made_from or None}, indent=2)
        save(report, text.encode())
    if mattes:
        save_mattes(mattes, result.views)


def echo_notices(notices: Iterable["Notice"]) -> None:
    """Print each notice on stderr."""
    for notice in notices:
        click.echo(f"warning: {notice.code}: {notice.message}", err=True)


def save_png(image: Any, path: str) -> None:
    """Write a PIL image, whole or not at all."""
    import io

    from fourview.formats.write import save

    buffer = io.BytesIO()
    image.save(buffer, "png")
    save(path, buffer.getvalue())


def summary(result: "Result", paths: list[str]) -> None:
    """Print what was made and how long it took; the paths alone where the output is piped."""
    health, times = result.report.mesh, result.report.timings_s
    if not sys.stdout.isatty():
        for path in paths:
            click.echo(path)
    else:
        if health is not None:
            closed = "closed and 2-manifold" if health.watertight and health.manifold else "NOT closed"
            click.echo(f"{health.faces} faces, {closed}, {sum(times.values()):.1f} s: "
                       + ", ".join(f"{stage} {s:.1f}" for stage, s in times.items() if s >= 0.05))  # fmt: skip
        for path in paths:
            click.echo(f"  {path}")
    echo_notices(result.report.warnings)
