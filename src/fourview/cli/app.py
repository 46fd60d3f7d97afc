# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The commands of the terminal: demo, generate, batch, inspect, render, doctor.

Owns      options and what is printed. Options are made from the recipe, so names, ranges and texts are the same at
          every door.
Not here  `weights`, `keys`, `credits`, `serve`, `work`; what `doctor` does, which must also run without this file; how
          help looks, and what misspelt words mean (`words`).
Heavy modules are imported inside the commands: `--threads` must act before numpy loads.
"""

import functools
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fourview import __version__
from fourview.cli.bar import bar
from fourview.cli.credits import credits
from fourview.cli.keys import keys
from fourview.cli.serve import serve
from fourview.cli.weights import weights
from fourview.cli.words import RUN, Command, Group, no_such_option, number, one_of, option
from fourview.cli.work import work
from fourview.compute import Machine
from fourview.errors import CanceledError, ChildError, FourviewError, MeshError, OutputError, PictureError
from fourview.recipe import Parameter, Recipe, flat, parameters, plain

if TYPE_CHECKING:
    from fourview.notice import Notice
    from fourview.pipeline import Result
    from fourview.shape.engine import Engine

SIDES = ("front", "left", "back", "right")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")
PICTURES, RESULT, LEARNED = "Pictures", "Result", "Engine hunyuan2mv"  # headings of help
USAGE = "fourview generate FRONT [--left L] [--back B] [--right R] -o model.glb"
FILE, FOLDER = click.Path(), click.Path()  # the shell completes them; what cannot be used is named by who opens it
# Name, choices (none: any word) and meaning of what `compute.Machine` holds.
MACHINE_OPTIONS = (
    ("weights", (), "Folder with weights in the official layout (default: where `fourview weights pull` puts them)."),
    ("device", (), "auto, cpu, cuda, cuda:N or mps."),
    ("precision", ("auto", "float16", "bfloat16", "float32"), "Of weights and rows; auto: float16 on a GPU."),
    ("memory", ("auto", "full", "offload", "low"), "What stays on the device; auto: the fastest that fits."),
    ("noise", ("cpu", "device"), "Who draws the first noise; cpu draws the same everywhere."),
    ("approximate", (), "Shortcuts that change the result a little, by comma (docs/hunyuan2mv_memory.md)."),
)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="fourview")
def app() -> None:
    """Four pictures of a thing go in, one clean, textured 3D model comes out.

    The shell completes commands, options and choices after eval "$(_FOURVIEW_COMPLETE=bash_source fourview)"; zsh and
    fish have zsh_source and fish_source.
    """


@app.command(cls=Command)
@option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> int:
    """Tell what is installed, what the machine has, and the line that mends what is missing."""
    from fourview.cli.doctor import run

    return run(["--json"] if as_json else [])


app.add_command(weights)
app.add_command(keys)
app.add_command(credits)
app.add_command(serve)
app.add_command(work)


def run_app() -> int:
    """Run the command of this process; an error is one line on stderr and an exit code."""
    try:
        status = app.main(prog_name="fourview", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.NoSuchOption as error:
        message, code = no_such_option(error), 2
    except click.ClickException as error:
        message, code = error.format_message(), 2
    except (KeyboardInterrupt, click.Abort, CanceledError):
        message, code = "interrupted; nothing was left half-written", 130
    except ChildError as error:
        message, code = str(error), 1
    except FourviewError as error:
        message, code = str(error), 2
    click.echo("error: " + " ".join(message.split()), err=True)
    return code


def _recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """One option for each parameter of the recipe; only those that were typed in are handed on."""
    for k in reversed(list(parameters())):
        if k.name == "file_type":
            continue  # the output's suffix says it
        # Ranges and choices are checked by the recipe: one text for all doors.
        name, group = "--" + k.name.replace("_", "-"), _group(k)
        kind = one_of(k.choices) if k.choices else number(k.type)
        command = option(name, k.name, help=_help(k), group=group, **kind)(command)
    return command


def _group(k: Parameter) -> str:
    if k.path.startswith("views."):
        return PICTURES
    if k.engines:
        return LEARNED if k.engines == ("hunyuan2mv",) else RUN
    return RESULT


def _help(k: Parameter) -> str:
    engines = f" Used by {', '.join(k.engines)}." if k.engines and _group(k) != LEARNED else ""
    default = "" if k.default is None else f"default {plain(k.default) if k.low is not None else k.default}"
    bounds = "; ".join(filter(None, ("" if k.choices else k.range, default)))
    return f"{k.doc[0].upper()}{k.doc[1:]}.{engines}" + (f"  [{bounds}]" if bounds else "")


def _machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a learned engine runs on; handed on as one dictionary of what was typed in."""
    for name, choices, text in reversed(MACHINE_OPTIONS):
        kind = click.Choice(choices) if choices else str
        command = option("--" + name, type=kind, help=text, group=LEARNED)(command)

    @functools.wraps(command)
    def gathered(**options: Any) -> Any:
        machine = {name: value for name, _, _ in MACHINE_OPTIONS if (value := options.pop(name)) is not None}
        if "approximate" in machine:
            machine["approximate"] = tuple(word.strip() for word in machine["approximate"].split(","))
        return command(**options, machine=machine)

    return gathered


def _run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    command = option(
        "--threads", type=click.IntRange(1), metavar="N", help="Threads to use at most (default: one a core)."
    )(command)
    return option("-q", "--quiet", is_flag=True, help="No bar, no summary.")(command)


def _prepare(threads: int | None) -> None:
    if threads is None:
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    from fourview.compute import set_threads

    set_threads(threads)


def _recipe(given: dict[str, Any], file_type: str) -> Recipe:
    return Recipe.of(**{name: value for name, value in given.items() if value is not None}, file_type=file_type)


@app.command(cls=Command, context_settings={"allow_extra_args": True})
@click.argument("front", required=False, type=FILE)
@option("--left", group=PICTURES, type=FILE, help="The subject's own left side: the nose points to the picture's left.")
@option("--back", group=PICTURES, type=FILE, help="The back.")
@option("--right", group=PICTURES, type=FILE, help="The subject's own right: the nose points to the picture's right.")
@option("-o", "--output", group=RESULT, type=FILE, help="The model: .glb, .obj, .zip (OBJ), .ply or .stl.  [required]")
@option("--preview", group=RESULT, type=FILE, help="Also draw the model to this PNG.")
@option("--report", group=RESULT, type=FILE, help="Also write mesh measures, timings and warnings to this JSON.")
@option("--save-mattes", group=RESULT, type=FOLDER, help="Also write each picture's matte and cut-out to this folder.")
@_recipe_options
@_machine_options
@_run_options
def generate(
    front: str | None, left: str | None, back: str | None, right: str | None, output: str | None,
    preview: str | None, report: str | None, save_mattes: str | None, machine: dict[str, Any], threads: int | None,
    quiet: bool, **given: Any,
) -> None:  # fmt: skip
    """Make a model from FRONT and up to three more pictures."""
    if front is None:
        raise PictureError(f"the front picture is missing; usage: {USAGE}")
    if others := click.get_current_context().args:
        raise PictureError(_more_pictures(front, others))
    if output is None:
        raise OutputError(f"the output is missing: say with -o where the model goes; usage: {USAGE}")
    _prepare(threads)
    from fourview.formats.write import check_folder, check_place, file_type_of

    recipe = _recipe(given, file_type_of(output))
    check_place(output)
    for side_file, suffix in ((preview, ".png"), (report, ".json")):
        if side_file is not None:
            _check_side_file(side_file, suffix)
    if save_mattes is not None:
        check_folder(save_mattes)
    pictures = {"front": front, "left": left, "back": back, "right": right}
    engine = _engine(recipe, machine)
    result = _generate(
        {side: path for side, path in pictures.items() if path}, recipe, engine, Path(output).name, quiet
    )
    _write(result, output, preview, report, save_mattes)
    if not quiet:
        _summary(result, [p for p in (output, preview, report, save_mattes) if p])


@app.command(cls=Command)
@option("-o", "--output", group=RESULT, type=FOLDER, default="fourview-demo", show_default=True, help="For the models.")
@_run_options
def demo(output: str, threads: int | None, quiet: bool) -> None:
    """Make the example models: a robot cut out already, and the same robot in a photographed room."""
    _prepare(threads)
    from fourview.formats.write import check_folder

    examples = Path(__file__).parent.parent / "examples"
    folder = Path(output)
    check_folder(folder)
    for name in ("robot", "robot_photo"):
        result = _generate(_case_pictures(examples / name), Recipe(), _engine(Recipe(), {}), name, quiet)
        model, preview, report, mattes = (str(folder / f"{name}{end}") for end in (".glb", ".png", ".json", "_mattes"))
        _write(result, model, preview, report, mattes)
        _summary(result, [model, preview, report, mattes])


@app.command(cls=Command)
@click.argument("cases", type=click.Path(file_okay=False, exists=True))
@option("-o", "--output", required=True, type=FOLDER, help="Folder for the models.", group=RESULT)
@option(
    "--format", "file_type", **one_of(("glb", "obj", "ply", "stl")), default="glb", show_default=True,
    help="Of the models; obj makes .zip files.", group=RESULT,
)  # fmt: skip
@option("--force", is_flag=True, help="Make models again that are there already.", group=RESULT)
@_recipe_options
@_machine_options
@_run_options
def batch(
    cases: str, output: str, file_type: str, force: bool, machine: dict[str, Any], threads: int | None, quiet: bool,
    **given: Any,
) -> int:  # fmt: skip
    """Make a model of every folder in CASES that holds a front picture.

    Writes OUTPUT/NAME.glb, its preview OUTPUT/NAME.png and its report OUTPUT/NAME.json. A model is skipped when it is
    there and its report says that it was made from the same pictures with the same recipe: a run that was stopped goes
    on where it was.
    """
    _prepare(threads)
    recipe = _recipe(given, file_type)
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
            click.echo(f"{title}: is there")
            continue
        try:
            result = _generate(pictures, recipe, engine, title, quiet)
            _write(result, model, preview, report, None, made_from)
            click.echo(f"{title}: {result.report.mesh.faces} faces, {sum(result.report.timings_s.values()):.1f} s")
        except FourviewError as error:
            failed += 1
            click.echo(f"{title}: error: {error}", err=True)
    return 3 if failed else 0


@app.command(cls=Command)
@click.argument("mesh", type=FILE)
@option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(mesh: str, as_json: bool) -> None:
    """Measure MESH (GLB, OBJ, PLY, STL): faces, closed, 2-manifold, parts, volume, bounds."""
    _check_mesh(mesh)
    from dataclasses import asdict

    from fourview.formats.read import read_mesh
    from fourview.mesh.measure import measure

    model = read_mesh(mesh)
    _echo_notices(model.notices)
    health = asdict(measure(model.mesh))
    if as_json:
        click.echo(json.dumps(health))
        return
    for name, value in health.items():
        click.echo(f"{name:<12} {value}")


@app.command(cls=Command)
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
    _check_mesh(mesh)
    _check_side_file(output, ".png")
    from fourview.formats.read import read_mesh
    from fourview.render.sheet import sheet

    model = read_mesh(mesh)
    _echo_notices(model.notices)
    _save_png(sheet(model.mesh, size=size, light=model.light), output)


def _case_pictures(folder: Path) -> dict[str, str]:
    """The pictures of a case by side, empty where there is no front; their names may have capitals, as of cameras."""
    files = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_file()}
    found = {side: files[name] for side in SIDES for suffix in SUFFIXES[::-1] if (name := side + suffix) in files}
    return {side: str(path) for side, path in found.items()} if "front" in found else {}


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


def _more_pictures(front: str, others: list[str]) -> str:
    """The error of pictures without names, with the line that was meant: by the names of their files, else in order."""
    if len(others) > len(SIDES) - 1:
        return f"{len(others) + 1} pictures came without names; one to four are taken; usage: {USAGE}"
    named = [next((side for side in SIDES[1:] if side in Path(other).stem.lower()), None) for other in others]
    free = [side for side in SIDES[1:] if side not in named]
    words = [f"--{side or free.pop(0)} {other}" for side, other in zip(named, others, strict=True)]
    return (
        f"only the front is given without a name, and {', '.join(others)} came too; name the sides: "
        f"fourview generate {' '.join([front, *words])} -o model.glb"
    )


def _check_mesh(path: str) -> None:
    from fourview.views.load import is_url

    if is_url(path):
        raise MeshError(f"{path} is a URL; files are read here: download it first")
    if Path(path).is_dir():
        raise MeshError(f"{path} is a folder; name a GLB, OBJ, PLY or STL file in it")


def _check_side_file(path: str, suffix: str) -> None:
    from fourview.formats.write import check_place

    if not path.lower().endswith(suffix):
        raise OutputError(f"'{path}' does not end in {suffix}, which is what is written there; name it so")
    check_place(path)


def _write(
    result: "Result", output: str, preview: str | None, report: str | None, mattes: str | None, made_from: str = ""
) -> None:
    from fourview.formats.write import save
    from fourview.pipeline import write
    from fourview.render.sheet import preview as draw
    from fourview.views.load import save_mattes

    write(result, output)
    if preview:
        _save_png(draw(result.mesh, result.texture), preview)
    if report:
        text = json.dumps({**result.report.as_dict(), "made_from": made_from or None}, indent=2)
        save(report, text.encode())
    if mattes:
        save_mattes(mattes, result.views)


def _echo_notices(notices: Iterable["Notice"]) -> None:
    for notice in notices:
        click.echo(f"warning: {notice.code}: {notice.message}", err=True)


def _save_png(image: Any, path: str) -> None:
    import io

    from fourview.formats.write import save

    buffer = io.BytesIO()
    image.save(buffer, "png")
    save(path, buffer.getvalue())


def _summary(result: "Result", paths: list[str]) -> None:
    """What came out and how long it took; only the paths when the output is piped."""
    if not sys.stdout.isatty():
        for path in paths:
            click.echo(path)
    else:
        health, times = result.report.mesh, result.report.timings_s
        closed = "closed and 2-manifold" if health.watertight and health.manifold else "NOT closed"
        click.echo(f"{health.faces} faces, {closed}, {sum(times.values()):.1f} s: "
                   + ", ".join(f"{stage} {s:.1f}" for stage, s in times.items() if s >= 0.05))  # fmt: skip
        for path in paths:
            click.echo(f"  {path}")
    _echo_notices(result.report.warnings)
