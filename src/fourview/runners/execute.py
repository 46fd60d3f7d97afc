# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A `Work` becomes an `Outcome`: its operation is called, its files are written.

Owns      the engines that are kept between pieces of work, the files of each result, what the runner can do.
Not here  the operations (`pipeline`, `operations`), the process around this (`runners.process`).

Meshes are read as bytes and never by path, so that nothing they refer to is looked for on this machine.
"""

import importlib
import io
import os
import platform
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fourview import __version__
from fourview.compute import Machine
from fourview.engines import ENGINES, EngineEntry
from fourview.errors import CheckpointError, MeshError, MissingExtraError
from fourview.formats.obj import is_zip
from fourview.formats.write import encode, save
from fourview.kinds import KINDS, MESH, Kind
from fourview.progress import CancelToken, Event, RunProgress, Tick, part
from fourview.recipe import Recipe
from fourview.render.sheet import preview
from fourview.result import Result
from fourview.shape.engine import Engine, find
from fourview.views.load import save_mattes
from fourview.weights import catalogue
from fourview.work import Ability, MadeFile, Outcome, Work

RUN_SHARE = 0.96  # of the progress that the operation takes; the rest is writing files
HEAVY = ("onnxruntime",)  # modules that steps import when they need them: 0.3 s

Watch = Callable[[Event], None]


class Executor:
    """What the process of a runner on this machine does."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._engines: dict[str, Engine] = {}  # with their networks

    def ability(self) -> Ability:
        """The engines that are ready here."""
        about = {name: self._about(engine) for name, engine in ENGINES.items()}
        ready = tuple(name for name in ENGINES if about[name]["installed"])
        host = {"device": self._machine.device, "host": platform.node(), "pid": os.getpid(), "version": __version__}
        return Ability(ready, {**host, "engines": about})

    def warm_up(self) -> None:
        """Load in the background what the first piece of work may need and the start does not."""
        threading.Thread(target=lambda: [*map(importlib.import_module, HEAVY)], daemon=True).start()

    def execute(self, work: Work, watch: Watch, cancel: CancelToken) -> Outcome:
        """Do the work; raises what the operation raises."""
        kind, recipe = KINDS[work.kind], Recipe.of(**work.parameters)
        module, _, name = kind.operation.partition(":")
        given: list[Any] = [_bytes_of(work.inputs[MESH])] if MESH in kind.needs else []
        if kind.accepts != (MESH,):
            given.append({side: path for side, path in work.inputs.items() if side != MESH})
        engine = {"engine": self._engine(recipe.shape.engine)} if kind.has_engine else {}
        result: Result = getattr(importlib.import_module(module), name)(
            *given, recipe, cancel=cancel, **engine,
            progress=lambda event: watch(replace(event, done=RUN_SHARE * event.done)),
        )  # fmt: skip
        rest = RunProgress({"export": 1.0}, lambda event: watch(replace(event, done=_after(event.done))), cancel)
        with rest.stage("export") as tick:
            files = _files(kind, result, recipe, work.folder, tick)
        timings = dict(result.report.timings_s)
        timings["export"] = timings.get("export", 0.0) + rest.timings_s["export"]
        report = replace(result.report, timings_s=timings)
        return Outcome("done", tuple(files), report.to_json(), report.seed_used)

    def _engine(self, name: str) -> Engine:
        if name not in self._engines:
            self._engines[name] = find(name, self._machine)
        return self._engines[name]

    def _about(self, entry: EngineEntry) -> dict[str, Any]:
        """What discovery shows of an engine. Anyone may read it, so details of a failure go to stderr alone."""
        about: dict[str, Any] = {"installed": False, "version": None, "licence": entry.licence, "lacks": None}
        try:
            if entry.weights is not None and self._machine.weights is None:
                _check_weights(entry.weights)  # costs nothing; loading torch takes seconds
            engine = self._engine(entry.name)
            engine.check(Recipe.of(engine=entry.name))
            return about | {"installed": True, "version": engine.version}
        except MissingExtraError:
            return about | {"lacks": "a part that is not installed"}
        except CheckpointError:
            return about | {"lacks": "its weights"}
        except Exception as error:  # one broken engine must not disable the others
            print(f"the engine '{entry.name}' cannot be used: {type(error).__name__}: {error}", file=sys.stderr)
            return about | {"lacks": "it cannot be used on this machine"}


def _after(done: float) -> float:
    return min(RUN_SHARE + (1 - RUN_SHARE) * done, 0.999)


def _check_weights(repository: str) -> None:
    """Raise `CheckpointError` where no weights of `repository` are on this machine."""
    entries = [entry for entry in catalogue.ENTRIES.values() if entry.repository == repository]
    if not any(map(catalogue.found, entries)):
        catalogue.path(entries[0])


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MeshError(f"the mesh cannot be read ({error.strerror}); send it again") from error


def _files(kind: Kind, result: Result, recipe: Recipe, folder: Path, tick: Tick) -> list[MadeFile]:
    """Mattes and cut-outs of a preview; the file of a model and, for a job, also `model.glb` and `preview.png`."""
    if result.mesh is None:
        return [MadeFile(path.name, "png", path) for path in save_mattes(folder, result.views)]
    file_type = recipe.export.file_type
    made = [_put(folder, result.file, file_type)]
    if not kind.is_job:
        return made
    if file_type != "glb":
        about, made_by = result.report.engine, None
        if about is not None:
            made_by = {"engine": about["name"], "licence": about["licence"], "seed": result.report.seed_used}
        as_glb = replace(recipe.export, file_type="glb")
        made.append(_put(folder, encode(result.mesh, result.texture, as_glb, made_by, part(tick, 0, 0.5)), "glb"))
    tick(0.5)
    png = io.BytesIO()
    preview(result.mesh, result.texture).save(png, "png")
    made.append(_put(folder, png.getvalue(), "png", "preview"))
    return made


def _put(folder: Path, data: bytes, file_format: str, name: str = "model") -> MadeFile:
    """The file in `folder`. An OBJ with a texture is a zip, and is named so."""
    suffix = "zip" if is_zip(data) else file_format
    path = folder / f"{name}.{suffix}"
    save(path, data)
    return MadeFile(path.name, suffix, path)
