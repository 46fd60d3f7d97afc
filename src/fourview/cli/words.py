# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Options in groups, numbers as people write them, and what a misspelled word probably means.

Owns      the layout of help; the names that other programs use for our options and commands.
Not here  the options themselves (`options`).
"""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

import click

RUN = "Run"
# What else people call an option, word by word: after other programs, the hosted endpoint and common speech.
MEANINGS = {
    "--target-face-num": "faces polygons polygon polys poly polycount triangles tris count decimate simplify",
    "--octree-resolution": "resolution res grid voxels voxel cells depth detail",
    "--num-chunks": "chunk batch",
    "--texture-size": "resolution res pixels texels px map",
    "--texture": "paint material bake",
    "--texture-format": "image",
    "--height-m": "metres meters scale tall",
    "--origin": "pivot centre",
    "--up": "axis orientation upright",
    "--remove-background": "bg rembg matting cutout alpha segment transparent",
    "--matting-network": "segmentation u2net birefnet",
    "--engine": "model backend method generator",
    "--variant": "turbo fast base version",
    "--seed": "random rng",
    "--steps": "num inference iterations iters sampling",
    "--guidance-scale": "cfg",
    "--box-v": "bounds bound extent",
    "--level": "iso isovalue threshold mc",
    "--weights": "checkpoint ckpt path",
    "--device": "gpu cuda cpu mps",
    "--precision": "dtype half fp16 float16 bf16",
    "--memory": "vram lowvram offload cpu",
    "--approximate": "shortcuts flashvdm quick",
    "--output": "out outfile outdir file filename destination dest to type ext",
    "--format": "type ext extension",
    "--force": "overwrite redo again clobber",
    "--preview": "thumbnail image render picture turntable png",
    "--report": "log stats metrics",
    "--save-mattes": "masks mask mattes matte cutouts debug",
    "--threads": "jobs cores cpus parallel workers nproc",
    "--quiet": "silent",
    "--json": "machine",
    "--size": "resolution width height pixels px",
    "--host": "bind address listen",
    "--port": "bind",
    "--database": "db url",
    "--workers": "processes jobs",
    "--set": "option config",
    "--settings": "config file conf",
    "FRONT": "front image picture input",
    "CASES": "input folder dir",
    "MESH": "input file model",
}  # fmt: skip
COMMANDS = {
    "generate": "make create new build run reconstruct model",
    "batch": "folder many all bulk",
    "retexture": "texture paint bake colour color project",
    "simplify": "decimate reduce remesh lowpoly",
    "convert": "export transform save",
    "preview": "matte mattes cutout cutouts background",
    "inspect": "measure info stats check analyse analyze validate show",
    "render": "view draw sheet image",
    "demo": "example examples try test",
    "serve": "server start api http web",
    "work": "worker runner",
    "doctor": "diagnose diagnostics health status version",
    "weights": "download pull models checkpoints",
    "keys": "key token auth",
    "credits": "balance ledger billing",
}


class Option(click.Option):
    """An option that help shows in `group`."""

    def __init__(self, *names: Any, group: str = RUN, **more: Any) -> None:
        super().__init__(*names, **more)
        self.group = group


class Command(click.Command):
    """A command whose help has a heading for each group of options, in the order of the first of each."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What click calls to print the options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx)) is not None:
                groups.setdefault(getattr(param, "group", RUN), []).append(record)
        groups[RUN] = groups.pop(RUN, [])  # last
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records)


class Group(click.Group):
    """The commands; the error for an unknown one names the one that is probably meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """What click calls to find the command of `args`."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"there is no command '{args[0]}'{_hint(args[0], self.commands, COMMANDS, ctx)}")
        return super().resolve_command(ctx, args)


def usage(ctx: click.Context) -> str:
    """How the command of `ctx` is called, as one line: its arguments, then [OPTIONS]."""
    arguments = [param.human_readable_name for param in ctx.command.params if isinstance(param, click.Argument)]
    return " ".join([ctx.command_path, *arguments, "[OPTIONS]"])


def no_such_option(error: click.NoSuchOption) -> str:
    """The line that answers an option which the command does not have."""
    shown = f"there is no option '{error.option_name}'"
    if error.ctx is None:
        return shown
    params = error.ctx.command.params
    names = [p.human_readable_name if isinstance(p, click.Argument) else max(p.opts, key=len) for p in params]
    return shown + _hint(error.option_name, names, MEANINGS, error.ctx)


def _hint(word: str, names: Iterable[str], meanings: dict[str, str], ctx: click.Context) -> str:
    meant = closest(word, names, meanings)
    if meant is None:
        return f"; `{ctx.command_path} --help` lists them"
    return f"; {meant} stands without an option: {usage(ctx)}" if meant.isupper() else f"; did you mean {meant}?"


def closest(word: str, names: Iterable[str], meanings: dict[str, str]) -> str | None:
    """Which of `names` a `word` probably means: by the words in it, else by its letters; None where none is near."""
    names = list(names)
    words = set(re.split(r"[-_]", word.strip("-").lower()))

    def likeness(name: str) -> float:
        """A word of the name's own counts a little more than one that means the same."""
        own = set(name.strip("-").lower().split("-"))
        return 1.1 * len(words & own) + len((words - own) & set(meanings.get(name, "").split()))

    best = max(names, key=likeness, default=None)
    if best is not None and likeness(best) > 0:
        return best
    return next(iter(get_close_matches(word, names, n=1)), None)


def one_of(words: Iterable[str]) -> dict[str, Any]:
    """The choices of an option, for help and for the shell; the recipe checks the value, as in every interface."""
    return {
        "metavar": f"[{'|'.join(words)}]",
        "shell_complete": lambda ctx, param, typed: [word for word in words if word.startswith(typed)],
    }


def number(kind: type) -> dict[str, Any]:
    """An option's number, which may be written as help shows it: 10,000."""
    plain = click.INT if kind is int else click.FLOAT

    def read(text: Any) -> Any:
        is_grouped = isinstance(text, str) and re.fullmatch(r"-?\d{1,3}(,\d{3})+", text)
        return plain.convert(text.replace(",", "") if is_grouped else text, None, None)

    return {"type": read, "metavar": "N"}


def option(*names: str, group: str = RUN, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`click.option` in a group."""
    return click.option(*names, cls=Option, group=group, **more)
