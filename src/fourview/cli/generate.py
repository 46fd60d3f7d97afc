# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview generate`, `demo` and `batch`: pictures become models.

Owns      the three commands, and which folder of `batch` needs a new model.
Not here  the options (`options`), what is written and printed (`output`), the work (`pipeline`).

Heavy modules are imported inside the commands: `--threads` must act before numpy loads.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fourview import __version__
from fourview.cli.bar import bar
from fourview.cli.options import (
    FILE,
    FOLDER,
    MODEL,
    RESULT,
    machine_options,
    prepare,
    recipe_of,
    recipe_options,
    run_options,
    side_options,
)
from fourview.cli.output import check_output, check_side_file, summary, write_files
from fourview.cli.words import Command, one_of, option
from fourview.compute import Machine
from fourview.errors import FourviewError, PictureError
from fourview.file_types import FILE_TYPES
from fourview.recipe import Recipe, flat
from fourview.sides import FRONT, SIDES

if TYPE_CHECKING:
    from fourview.result import Result
    from fourview.shape.engine import Engine

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")


@click.command(cls=Command, context_settings={"allow_extra_args": True})
@side_options
@option("-o", "--output", group=RESULT, type=FILE, help=MODEL)
@option("--preview", group=RESULT, type=FILE, help="Also draw the model to this PNG.")
@option("--report", group=RESULT, type=FILE, help="Also write mesh measures, timings and warnings to this JSON.")
@option("--save-mattes", group=RESULT, type=FOLDER, help="Also write each picture's matte and cut-out to this folder.")
@recipe_options("generate")
@machine_options
@run_options
def generate(
    pictures: dict[str, str], output: str | None, preview: str | None, report: str | None, save_mattes: str | None,
    machine: dict[str, Any], threads: int | None, quiet: bool, **given: Any,
) -> None:  # fmt: skip
    """Make a model from FRONT and up to three more pictures."""
    prepare(threads)
    file_type = check_output(output)
    assert output is not None
    recipe = recipe_of(given, file_type)
    check_side_file(preview, ".png")
    check_side_file(report, ".json")
    if save_mattes is not None:
        from fourview.formats.write import check_folder

        check_folder(save_mattes)
    result = _generate(pictures, recipe, _engine(recipe, machine), Path(output).name, quiet)
    write_files(result, output, preview, report, save_mattes)
    if not quiet:
        summary(result, [p for p in (output, preview, report, save_mattes) if p])


@click.command(cls=Command)
@option("-o", "--output", group=RESULT, type=FOLDER, default="fourview-demo", show_default=True, help="For the models.")
@run_options
def demo(output: str, threads: int | None, quiet: bool) -> None:
    """Make the example models: a robot on transparent pictures, and the same robot in photographs of a room."""
    prepare(threads)
    from fourview.formats.write import check_folder

    examples = Path(__file__).parent.parent / "examples"
    folder = Path(output)
    check_folder(folder)
    for name in ("robot", "robot_photo"):
        result = _generate(_case_pictures(examples / name), Recipe(), _engine(Recipe(), {}), name, quiet)
        model, preview, report, mattes = (str(folder / f"{name}{end}") for end in (".glb", ".png", ".json", "_mattes"))
        write_files(result, model, preview, report, mattes)
        summary(result, [model, preview, report, mattes])


@click.command(cls=Command)
@click.argument("cases", type=click.Path(file_okay=False, exists=True))
@option("-o", "--output", required=True, type=FOLDER, help="Folder for the models.", group=RESULT)
@option(
    "--format", "file_type", **one_of(FILE_TYPES), default="glb", show_default=True,
    help="Of the models; obj makes .zip files.", group=RESULT,
)  # fmt: skip
@option("--force", is_flag=True, help="Make models again that exist already.", group=RESULT)
@recipe_options("generate")
@machine_options
@run_options
def batch(
    cases: str, output: str, file_type: str, force: bool, machine: dict[str, Any], threads: int | None, quiet: bool,
    **given: Any,
) -> int:  # fmt: skip
    """Make a model of every folder in CASES that holds a front picture.

    Writes OUTPUT/NAME.glb, its preview OUTPUT/NAME.png and its report OUTPUT/NAME.json. A model is skipped when it
    exists and its report says that it was made from the same pictures with the same recipe: run an interrupted batch
    again and it continues.
    """
    prepare(threads)
    recipe = recipe_of(given, file_type)
    from fourview.formats.write import check_folder

    check_folder(output)
    found = {folder: _case_pictures(folder) for folder in sorted(Path(cases).iterdir()) if folder.is_dir()}
    folders = [folder for folder, pictures in found.items() if pictures]
    if not folders:
        raise PictureError(f"no folder in '{cases}' holds a front picture; expected {cases}/NAME/front.png")
    for folder in found.keys() - set(folders):
        click.echo(f"skipped {folder.name}: it holds no front picture ({'front' + ', front'.join(SUFFIXES)})", err=True)
    suffix = ".zip" if file_type == "obj" else f".{file_type}"
    engine = _engine(recipe, machine)  # its network is loaded once
    engine.check(recipe)
    failed = 0
    for count, folder in enumerate(folders, 1):
        model, preview, report = (str(Path(output) / f"{folder.name}{end}") for end in (suffix, ".png", ".json"))
        pictures = found[folder]
        made_from = _fingerprint(pictures, recipe, machine)
        title = f"[{count}/{len(folders)}] {folder.name}"
        if not force and os.path.exists(model) and _made_from(report) == made_from:
            click.echo(f"{title}: exists already")
            continue
        try:
            result = _generate(pictures, recipe, engine, title, quiet)
            write_files(result, model, preview, report, None, made_from)
            faces = result.report.mesh.faces if result.report.mesh else 0
            click.echo(f"{title}: {faces} faces, {sum(result.report.timings_s.values()):.1f} s")
        except FourviewError as error:
            failed += 1
            click.echo(f"{title}: error: {error}", err=True)
    return 3 if failed else 0


def _case_pictures(folder: Path) -> dict[str, str]:
    """The pictures of a case by side, empty where there is no front; their names may have capitals, as of cameras."""
    files = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_file()}
    found = {side: files[name] for side in SIDES for suffix in SUFFIXES[::-1] if (name := side + suffix) in files}
    return {side: str(path) for side, path in found.items()} if FRONT in found else {}


def _fingerprint(pictures: dict[str, str], recipe: Recipe, machine: dict[str, Any]) -> str:
    """What a model is made from, as one word."""
    seen = hashlib.sha256(json.dumps([__version__, flat(recipe), machine], sort_keys=True).encode())
    for side, path in sorted(pictures.items()):
        seen.update(side.encode() + hashlib.sha256(Path(path).read_bytes()).digest())
    return seen.hexdigest()


def _made_from(report: str) -> str | None:
    try:
        made_from = json.loads(Path(report).read_text())["made_from"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(made_from)


def _engine(recipe: Recipe, machine: dict[str, Any]) -> "Engine":
    from fourview.shape.engine import find

    return find(recipe.shape.engine, Machine(**machine))


def _generate(pictures: dict[str, str], recipe: Recipe, engine: "Engine", title: str, quiet: bool) -> "Result":
    from fourview.pipeline import generate as make

    with bar(title, quiet) as watch:
        return make(pictures, recipe, engine=engine, progress=watch)
