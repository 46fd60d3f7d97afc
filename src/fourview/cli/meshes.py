# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Commands on meshes: `fourview retexture`, `simplify`, `convert`, `inspect`, `render`.

Owns      the five commands. Not here: the work (`operations`), the options (`options`), what is written (`output`).

Heavy modules are imported inside the commands: `--threads` must act before numpy loads.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fourview.cli.bar import bar
from fourview.cli.options import FILE, MODEL, RESULT, prepare, recipe_of, recipe_options, run_options, side_options
from fourview.cli.output import (
    check_mesh,
    check_output,
    check_side_file,
    echo_notices,
    save_png,
    summary,
    write_files,
)
from fourview.cli.words import Command, option

if TYPE_CHECKING:
    from fourview.result import Result


def _output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, text in (
        ("--report", "Also write mesh measures, timings and warnings to this JSON."),
        ("--preview", "Also draw the model to this PNG."),
    ):
        command = option(name, group=RESULT, type=FILE, help=text)(command)
    return option("-o", "--output", group=RESULT, type=FILE, help=MODEL)(command)


@click.command(cls=Command, context_settings={"allow_extra_args": True})
@click.argument("mesh", type=FILE)
@side_options
@_output_options
@recipe_options("retexture")
@run_options
def retexture(mesh: str, pictures: dict[str, str], **options: Any) -> None:
    """Paint FRONT and up to three more pictures on MESH, which faces +Z; its shape stays."""
    _operate("retexture", mesh, pictures, **options)


@click.command(cls=Command)
@click.argument("mesh", type=FILE)
@_output_options
@recipe_options("simplify")
@run_options
def simplify(mesh: str, **options: Any) -> None:
    """Bring MESH to a number of faces; its colours are carried over."""
    _operate("simplify", mesh, None, **options)


@click.command(cls=Command)
@click.argument("mesh", type=FILE)
@_output_options
@recipe_options("convert")
@run_options
def convert(mesh: str, **options: Any) -> None:
    """Write MESH as another file type, which the suffix of the output names."""
    _operate("convert", mesh, None, **options)


def _operate(
    kind: str, mesh: str, pictures: dict[str, str] | None, output: str | None, preview: str | None,
    report: str | None, threads: int | None, quiet: bool, **given: Any,
) -> None:  # fmt: skip
    prepare(threads)
    recipe = recipe_of(given, check_output(output))
    assert output is not None
    check_mesh(mesh)
    check_side_file(preview, ".png")
    check_side_file(report, ".json")
    import fourview

    inputs = (mesh,) if pictures is None else (mesh, pictures)
    with bar(Path(output).name, quiet) as watch:
        result: Result = getattr(fourview, kind)(*inputs, recipe, progress=watch)
    write_files(result, output, preview, report, None)
    if not quiet:
        summary(result, [path for path in (output, preview, report) if path])


@click.command(cls=Command)
@click.argument("mesh", type=FILE)
@option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(mesh: str, as_json: bool) -> None:
    """Measure MESH (GLB, OBJ, PLY, STL): faces, closed, 2-manifold, parts, volume, bounds."""
    check_mesh(mesh)
    from dataclasses import asdict

    from fourview.formats.read import read_mesh
    from fourview.mesh.measure import measure

    model = read_mesh(mesh)
    echo_notices(model.notices)
    health = asdict(measure(model.mesh))
    if as_json:
        click.echo(json.dumps(health))
        return
    for name, value in health.items():
        click.echo(f"{name:<12} {value}")


@click.command(cls=Command)
@click.argument("mesh", type=FILE)
@option("-o", "--output", required=True, type=FILE, help="The PNG to write.", group=RESULT)
@option(
    "--size",
    default=256,
    show_default=True,
    type=click.IntRange(64, 1024),
    metavar="N",
    help="Pixels of one side.",
    group=RESULT,
)
def render(mesh: str, output: str, size: int) -> None:
    """Draw MESH from eight sides on one sheet."""
    check_mesh(mesh)
    check_side_file(output, ".png")
    from fourview.formats.read import read_mesh
    from fourview.render.sheet import sheet

    model = read_mesh(mesh)
    echo_notices(model.notices)
    save_png(sheet(model.mesh, size=size, light=model.light), output)
