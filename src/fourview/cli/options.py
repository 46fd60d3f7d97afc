# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share: recipe parameters, the machine, sides, threads.

Owns      making options from the recipe and the sides, so that names, ranges and texts are those of every interface.
Not here  the commands (`generate`, `meshes`, `preview`), how help looks and what a misspelt word means (`words`).
"""

import functools
import os
from collections.abc import Callable
from typing import Any

import click

from fourview.cli.words import RUN, number, one_of, option, usage
from fourview.engines import ENGINES
from fourview.errors import PictureError
from fourview.file_types import FILE_TYPES
from fourview.kinds import KINDS
from fourview.recipe import Parameter, Recipe, parameters, plain
from fourview.sides import FRONT, SIDES

PICTURES, RESULT = "Pictures", "Result"  # headings of help
LEARNED = "Engine " + ", ".join(engine.name for engine in ENGINES.values() if engine.extra)
FILE, FOLDER = click.Path(), click.Path()  # the shell completes them; the reader of a file names what is wrong with it
OTHER_SIDES = tuple(side for side in SIDES if side != FRONT)
# Name, choices (none: any word) and meaning of each field of `compute.Machine`.
MACHINE_OPTIONS = (
    ("weights", (), "Folder with weights in the official layout (default: where `fourview weights pull` puts them)."),
    ("device", (), "auto, cpu, cuda, cuda:N or mps."),
    ("precision", ("auto", "float16", "bfloat16", "float32"), "Of weights and rows; auto: float16 on a GPU."),
    ("memory", ("auto", "full", "offload", "low"), "What stays on the device; auto: the fastest that fits."),
    ("noise", ("cpu", "device"), "Where the first noise is drawn; cpu draws the same everywhere."),
    ("approximate", (), "Shortcuts that change the result a little, by comma (docs/how/hunyuan2mv_memory.md)."),
)

MODEL = f"The model: {', '.join(f'.{name}' for name in FILE_TYPES)}, or .zip for OBJ.  [required]"  # help of -o

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def recipe_options(kind: str) -> Decorator:
    """One option for each parameter that `kind` of work reads; the file type follows from the output's suffix."""
    names = KINDS[kind].parameters

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for k in reversed(list(parameters())):
            if k.name == "file_type" or (names is not None and k.name not in names):
                continue
            # The recipe checks ranges and choices: one text for every interface.
            name, group = "--" + k.name.replace("_", "-"), _group(k)
            value = one_of(k.choices) if k.choices else number(k.type)
            command = option(name, k.name, help=_help(k), group=group, **value)(command)
        return command

    return decorate


def _group(k: Parameter) -> str:
    if k.path.startswith("views."):
        return PICTURES
    if k.engines:
        return LEARNED if all(ENGINES[name].extra for name in k.engines) else RUN
    return RESULT


def _help(k: Parameter) -> str:
    engines = f" Used by {', '.join(k.engines)}." if k.engines and _group(k) != LEARNED else ""
    default = "" if k.default is None else f"default {plain(k.default) if k.low is not None else k.default}"
    bounds = "; ".join(filter(None, ("" if k.choices else k.range, default)))
    return f"{k.doc[0].upper()}{k.doc[1:]}.{engines}" + (f"  [{bounds}]" if bounds else "")


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a learned engine runs on, handed on as one dictionary `machine` of the options that were given."""
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


def side_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """FRONT and one option for each other side, handed on as `pictures`, side -> path.

    Raises `PictureError` where the front is missing or pictures come without a name.
    """

    @functools.wraps(command)
    def gathered(front: str | None, **options: Any) -> Any:
        context = click.get_current_context()
        others = {side: path for side in OTHER_SIDES if (path := options.pop(side))}
        if front is None:
            raise PictureError(f"the front picture is missing; usage: {usage(context)}")
        if context.args:
            raise PictureError(_more_pictures(context, front))
        return command(pictures={FRONT: front, **others}, **options)

    made: Callable[..., Any] = gathered
    for side in reversed(OTHER_SIDES):
        made = option(f"--{side}", group=PICTURES, type=FILE, help=SIDES[side].help)(made)
    return click.argument("front", required=False, type=FILE)(made)


def _more_pictures(context: click.Context, front: str) -> str:
    """The error for pictures without a side, with the line that was probably meant: by file name, else in order."""
    from pathlib import Path

    others = context.args
    if len(others) > len(OTHER_SIDES):
        return f"{len(others) + 1} pictures came without names; one to {len(SIDES)} are taken; usage: {usage(context)}"
    named = [next((side for side in OTHER_SIDES if side in Path(other).stem.lower()), None) for other in others]
    free = [side for side in OTHER_SIDES if side not in named]
    words = [f"--{side or free.pop(0)} {other}" for side, other in zip(named, others, strict=True)]
    return (
        f"only the front is given without a name, and {', '.join(others)} came too; name the sides: "
        f"{context.command_path} {' '.join([front, *words])} -o model.glb"
    )


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Threads and silence."""
    command = option(
        "--threads", type=click.IntRange(1), metavar="N", help="Threads to use at most (default: one a core)."
    )(command)
    return option("-q", "--quiet", is_flag=True, help="No bar, no summary.")(command)


def prepare(threads: int | None) -> None:
    """Limit the threads of this process; it must come before numpy loads."""
    if threads is None:
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    from fourview.compute import set_threads

    set_threads(threads)


def recipe_of(given: dict[str, Any], file_type: str = "glb") -> Recipe:
    """The recipe of the options that were given."""
    return Recipe.of(**{name: value for name, value in given.items() if value is not None}, file_type=file_type)
