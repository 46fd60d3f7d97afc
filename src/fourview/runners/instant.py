# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for all engines: it answers with a small box after a given number of seconds, whatever the pictures show.

Owns      the devices `instant` and `instant:SECONDS`, and its files in `instant_files`, which the real exporter wrote.
Not here  the process around it, which is the real one (`runners.process`).

Tests and benchmarks of the interfaces use it. It refuses unknown parameters and missing or wrong files with the errors
of a real engine. It starts without numpy, in a tenth of a second.
"""

import json
import os
import platform
import secrets
import time
from collections.abc import Callable
from importlib import resources
from typing import Any

from fourview import __version__
from fourview.engines import ENGINES
from fourview.errors import MeshError, PictureError
from fourview.kinds import KINDS, MESH, Kind
from fourview.progress import STAGES, CancelToken, Event, RunProgress, Tick
from fourview.recipe import SEED_MAX, Recipe, flat
from fourview.report import Report
from fourview.sides import FRONT
from fourview.work import Ability, MadeFile, Outcome, Work

LICENCE = "Apache-2.0"
TICK_S = 0.05
STEPS = 5  # of the stage `denoise`
PICTURE_HEADS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")
_FILES = resources.files("fourview.runners").joinpath("instant_files")


class Instant:
    """What a process of the device `instant` does."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._seconds = float(device.partition(":")[2] or 0)

    def ability(self) -> Ability:
        """Every engine."""
        engine = {"installed": True, "version": __version__, "licence": LICENCE, "lacks": None}
        about = {"device": self._device, "host": platform.node(), "pid": os.getpid(), "version": __version__}
        return Ability(tuple(ENGINES), {**about, "engines": dict.fromkeys(ENGINES, engine)})

    def warm_up(self) -> None:
        """Nothing has to be loaded."""

    def execute(self, work: Work, watch: Callable[[Event], None], cancel: CancelToken) -> Outcome:
        """The box, or plain pictures for a preview."""
        kind, recipe = KINDS[work.kind], Recipe.of(**work.parameters)
        shares = dict.fromkeys(STAGES, 1 / len(STAGES)) if kind.stages is None else kind.stages
        run = RunProgress(shares, watch, cancel)
        files: list[MadeFile] = []
        for stage in shares:
            with run.stage(stage, STEPS if stage == "denoise" else 0) as tick:
                if stage == "fetch":
                    _check(kind, work)
                _spend(self._seconds / len(shares), tick)
                if stage == [*shares][-1]:
                    files = _write(kind, work, recipe.export.file_type)
        seed, engine = None, None
        if kind.has_engine:
            seed = secrets.randbelow(SEED_MAX) if recipe.shape.seed == -1 else recipe.shape.seed
            engine = {"name": recipe.shape.engine, "version": "1", "licence": LICENCE, "device": self._device}
        about = Report(kind.name, __version__, flat(recipe), engine, seed, run.timings_s).to_json()
        if kind.is_job:
            about |= {"mesh": json.loads(_FILES.joinpath("health.json").read_bytes()), "faces_before": 12}
        return Outcome("done", tuple(files), about, seed)


def _spend(seconds: float, tick: Tick) -> None:
    began = time.monotonic()
    while (left := seconds - (time.monotonic() - began)) > 0:
        tick(1 - left / seconds)
        time.sleep(min(left, TICK_S))


def _check(kind: Kind, work: Work) -> None:
    """Raise what an engine would where the files are not of the right type."""
    if FRONT in kind.needs and FRONT not in work.inputs:
        raise PictureError("the 'front' picture is missing; it is required: give the object's front")
    for name, path in work.inputs.items():
        error: Any = MeshError if name == MESH else PictureError
        try:
            with open(path, "rb") as file:
                head = file.read(16)
        except OSError as fault:
            raise error(f"the '{name}' cannot be read ({fault.strerror}): check the path") from fault
        if name == MESH and (not head or (path.suffix == ".glb" and not head.startswith(b"glTF"))):
            raise MeshError(f"the mesh is no {path.suffix[1:]}: export it again as GLB, OBJ, PLY or STL")
        if name != MESH and not head.startswith(PICTURE_HEADS):
            raise PictureError(f"the '{name}' picture is of an unknown kind; PNG, JPEG or WebP is needed")


def _write(kind: Kind, work: Work, file_type: str) -> list[MadeFile]:
    """The files that a real runner writes for this kind of work."""
    if kind.name == "preview":
        return [_put(work, f"{side}_{what}.png", f"{what}.png") for side in work.inputs for what in ("matte", "cutout")]
    model = _put(work, f"model.{file_type}", f"box.{file_type}")
    if not kind.is_job:
        return [model]
    glb = [] if file_type == "glb" else [_put(work, "model.glb", "box.glb")]
    return [model, *glb, _put(work, "preview.png", "preview.png")]


def _put(work: Work, name: str, source: str) -> MadeFile:
    path = work.folder / name
    path.write_bytes(_FILES.joinpath(source).read_bytes())
    return MadeFile(name, path.suffix[1:], path)
