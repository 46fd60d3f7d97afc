# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Orders become steps of the journey: one function for each kind of work.

Owns      which steps each kind takes, the files it makes, what it says of itself; the engines, kept between orders.
Not here  the steps (`pipeline`, `formats`, `mesh`, `texture`, `views`), the process around it (`process`).

Foreign meshes are read from bytes and never from their path, so that what they refer to is not looked for on this
machine. They come in as `formats.read` says, and go out in the size, the place and the axes that `formats.place` gives.
"""

import importlib
import io
import os
import platform
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from fourview import __version__, pipeline
from fourview.arrays import Int
from fourview.compute import Machine
from fourview.errors import CheckpointError, MeshError, MissingExtraError, RecipeError
from fourview.formats.colours import is_within
from fourview.formats.obj import is_zip
from fourview.formats.read import Model, read_mesh
from fourview.formats.write import encode, save
from fourview.mesh.measure import measure
from fourview.mesh.mesh import Mesh, keep_faces, merge_vertices
from fourview.mesh.simplify import simplify
from fourview.notice import Notice
from fourview.progress import CancelToken, Event, Journey, Tick
from fourview.recipe import ExportRecipe, Recipe, flat, parameters
from fourview.render.sheet import preview
from fourview.shape.engine import Engine, find
from fourview.shape.fit_to_views import fit_to_views
from fourview.texture.bake import bake
from fourview.texture.texture import Texture
from fourview.texture.transfer import repaint, transfer
from fourview.views.framing import frame
from fourview.views.load import read_pictures, save_mattes
from fourview.views.matting import cut_out
from fourview.weights import catalogue
from fourview.work import Ability, MadeFile, Outcome, Work

MESH = "mesh"  # the input that is one, and what a runner is called that does things with meshes
LICENCES = {"mini": "Apache-2.0", "hull": "Apache-2.0", "hunyuan2mv": catalogue.TERMS[catalogue.MV].name}
RUN_SHARE = 0.96  # of the progress of a job that its run takes; the rest are further files
COLOURS_TRANSFERRED = Notice(
    "colours_transferred", "the model's colours were painted on a new texture: they may be a little softer than before"
)

HEAVY = ("onnxruntime",)  # modules that steps import when they need them: 0.3 s

Watch = Callable[[Event], None]


class Workshop:
    """What the process of a runner on this machine does."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._engines: dict[str, Engine] = {}  # with their networks

    def ability(self) -> Ability:
        """The engines that are ready here, and the operations on meshes."""
        names = next(k.choices for k in parameters() if k.name == "engine")
        about = {name: self._about(name) for name in names}
        ready = tuple(name for name in names if about[name]["installed"])
        host = {"device": self._machine.device, "host": platform.node(), "pid": os.getpid(), "version": __version__}
        return Ability((*ready, MESH), {**host, "engines": about})

    def warm_up(self) -> None:
        """Load in the background what the first order may need and starting does not."""
        threading.Thread(target=lambda: [*map(importlib.import_module, HEAVY)], daemon=True).start()

    def execute(self, work: Work, watch: Watch, cancel: CancelToken) -> Outcome:
        """Do it; raises what the steps raise."""
        recipe = Recipe.of(**work.parameters)
        if work.kind == "generate":
            return self._generate(work, recipe, watch, cancel)
        return _OPERATIONS[work.kind](work, recipe, Journey(watch, cancel, MESH))

    def _generate(self, work: Work, recipe: Recipe, watch: Watch, cancel: CancelToken) -> Outcome:
        engine = self._engine(recipe.shape.engine)
        result = pipeline.generate(
            work.inputs, recipe, engine=engine, cancel=cancel,
            progress=lambda event: watch(replace(event, done=RUN_SHARE * event.done)),
        )  # fmt: skip
        rest = Journey(lambda event: watch(replace(event, done=_after_run(event.stage_done))), cancel, MESH)
        with rest.stage("export") as tick:
            made_by = {"engine": engine.name, "licence": engine.licence, "seed": result.report.seed_used}
            files = _put_model(work.folder, result.file, result.mesh, result.texture, recipe.export, made_by, tick)
        report = result.report.as_dict()
        report["engine"].setdefault("device", "cpu")
        report["timings_s"]["export"] += rest.timings_s["export"]
        return Outcome("done", tuple(files), report, result.report.seed_used)

    def _engine(self, name: str) -> Engine:
        if name not in self._engines:
            self._engines[name] = find(name, self._machine)
        return self._engines[name]

    def _about(self, name: str) -> dict[str, Any]:
        """What discovery shows of an engine; what it lacks is for strangers, so details go to stderr."""
        about: dict[str, Any] = {"installed": False, "version": None, "licence": LICENCES[name], "lacks": None}
        try:
            if name == "hunyuan2mv" and self._machine.weights is None:
                _any_weights()  # costs nothing; torch takes seconds
            engine = self._engine(name)
            engine.check(Recipe.of(engine=name))
            return about | {"installed": True, "version": engine.version}
        except MissingExtraError:
            return about | {"lacks": "a part that is not installed"}
        except CheckpointError:
            return about | {"lacks": "its weights"}
        except Exception as error:  # one engine that is broken must not take the others along
            print(f"the engine '{name}' cannot be used: {type(error).__name__}: {error}", file=sys.stderr)
            return about | {"lacks": "it cannot be used on this machine"}


def _after_run(stage_done: float) -> float:
    return min(RUN_SHARE + (1 - RUN_SHARE) * stage_done, 0.999)


def _any_weights() -> None:
    """Raise `CheckpointError` where no weights of the engine hunyuan2mv are at hand."""
    entries = [entry for entry in catalogue.ENTRIES.values() if entry.repository == catalogue.MV]
    if not any(map(catalogue.found, entries)):
        catalogue.path(entries[0])


# Operations on meshes


def _retexture(work: Work, recipe: Recipe, journey: Journey) -> Outcome:
    with journey.stage("fetch"):
        model, read = _read(work, recipe)
        pictures = read_pictures({name: path for name, path in work.inputs.items() if name != MESH})
    with journey.stage("matte") as tick:
        mattes, notices = cut_out(pictures, recipe.views.remove_background, tick, recipe.views.matting_network)
        views, disagreements = frame(pictures, mattes)
    with journey.stage("texture") as tick:
        mesh = fit_to_views(_welded(model.mesh)[0], views)
        baked = bake(mesh, views, recipe.texture.texture_size, tick)
    notices = [*read, *notices, *disagreements, *baked.notices]
    return _finish(
        work, recipe, journey, baked.mesh, baked.texture, notices, len(mesh.faces),
        {"seen": baked.covered_fraction, "silhouette_iou": baked.silhouette_iou},
    )  # fmt: skip


def _simplify(work: Work, recipe: Recipe, journey: Journey) -> Outcome:
    with journey.stage("fetch"):
        model, notices = _read(work, recipe)
    if len(model.mesh.faces) <= recipe.mesh.target_face_num:
        return _keep(work, recipe, journey, model, notices)
    with journey.stage("simplify") as tick:
        mesh, found = simplify(_welded(model.mesh)[0], recipe.mesh.target_face_num, tick)
        notices += found
    texture = None
    light = model.for_texture(recipe.texture.texture_size).light
    if light is not None and recipe.texture.texture != "off":
        with journey.stage("texture") as tick:
            mesh, texture, found = transfer(mesh, model.mesh, light, recipe.texture.texture_size, tick)
        notices += [*found, COLOURS_TRANSFERRED]
    return _finish(work, recipe, journey, mesh, texture, notices, len(model.mesh.faces))


def _convert(work: Work, recipe: Recipe, journey: Journey) -> Outcome:
    with journey.stage("fetch"):
        model, notices = _read(work, recipe)
    return _keep(work, recipe, journey, model, notices)


def _keep(work: Work, recipe: Recipe, journey: Journey, model: Model, notices: list[Notice]) -> Outcome:
    """The model as it is, its colours brought into one picture where they are not."""
    mesh, texture = model.mesh, model.texture
    if recipe.texture.texture == "off":
        mesh, texture = replace(mesh, uv=None), None
    elif model.light is not None and not _has_atlas(model):
        mesh, texture, found = _repainted(model, recipe, journey)
        notices = [*notices, *found]
    return _finish(work, recipe, journey, mesh, texture, notices, len(model.mesh.faces))


def _format(work: Work, recipe: Recipe, journey: Journey) -> Outcome:
    """A `model.glb` of ours, which lies as `recipe.export` says, as another file type. Its size is kept."""
    with journey.stage("fetch"):
        data, file_type = _bytes_of(work.inputs[MESH])
        model = read_mesh(data, file_type, recipe.export.up or "y")
    with journey.stage("export") as tick:
        height = float(np.ptp(model.mesh.vertices[:, 1].astype(np.float64)))
        keeps_size = recipe.export if height == 0 else replace(recipe.export, height_m=height)
        file = encode(model.mesh, model.texture, keeps_size, tick=tick)
    return Outcome("done", (_put(work.folder, file, recipe.export.file_type),))


def _preview(work: Work, recipe: Recipe, journey: Journey) -> Outcome:
    with journey.stage("fetch"):
        pictures = read_pictures(work.inputs)
    with journey.stage("matte") as tick:
        mattes, notices = cut_out(pictures, recipe.views.remove_background, tick, recipe.views.matting_network)
        views, disagreements = frame(pictures, mattes)
        paths = save_mattes(work.folder, views)
    files = tuple(MadeFile(path.name, "png", path) for path in paths)
    return Outcome("done", files, {"warnings": [asdict(notice) for notice in (*notices, *disagreements)]})


_OPERATIONS: dict[str, Callable[[Work, Recipe, Journey], Outcome]] = {
    "retexture": _retexture,
    "simplify": _simplify,
    "convert": _convert,
    "format": _format,
    "preview": _preview,
}


# What they share


def _bytes_of(path: Path) -> tuple[bytes, str]:
    try:
        return path.read_bytes(), path.suffix.lower().lstrip(".")
    except OSError as error:
        raise MeshError(f"the mesh cannot be read ({error.strerror}); send it again") from error


def _read(work: Work, recipe: Recipe) -> tuple[Model, list[Notice]]:
    """The foreign mesh of an order; raises `MeshError` where it has no size that could be brought to another."""
    data, file_type = _bytes_of(work.inputs[MESH])
    model = read_mesh(data, file_type)
    size = np.ptp(model.mesh.vertices.astype(np.float64), axis=0)
    if size.max() == 0:
        raise MeshError("all corners of the mesh lie at one point; a mesh with an extent is needed: export it again")
    if recipe.export.height_m is not None and size[1] == 0:
        raise RecipeError(f"height_m is {recipe.export.height_m:g}, but the mesh is flat: leave height_m unset")
    return model, [*model.notices]


def _welded(mesh: Mesh) -> tuple[Mesh, Int]:
    """The mesh with one vertex a position, without faces that thereby shrank to a line, and which faces are left."""
    welded, _ = merge_vertices(mesh)
    a, b, c = welded.faces.T
    solid = (a != b) & (b != c) & (c != a)
    if not solid.any():
        raise MeshError("no face of the mesh has an area; at least one is needed: export it again")
    return keep_faces(welded, solid), np.flatnonzero(solid)


def _has_atlas(model: Model) -> bool:
    """Whether one picture lies on the mesh and nowhere repeats: then any program shows it as we do."""
    return model.texture is not None and model.mesh.uv is not None and is_within(model.mesh.uv)


def _repainted(model: Model, recipe: Recipe, journey: Journey) -> tuple[Mesh, Texture, list[Notice]]:
    """The model's surface, with all its colours on one new texture."""
    mesh, kept = _welded(model.mesh)
    light = model.for_texture(recipe.texture.texture_size).light
    assert light is not None
    with journey.stage("texture") as tick:
        mesh, texture, notices = repaint(
            mesh, lambda face, weight: light(kept[face], weight), recipe.texture.texture_size, tick
        )
    return mesh, texture, [*notices, COLOURS_TRANSFERRED]


def _finish(
    work: Work, recipe: Recipe, journey: Journey, mesh: Mesh, texture: Texture | None, notices: list[Notice],
    faces_before: int, more: dict[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """Write the model, and report on it in the words of `pipeline.Report`."""
    with journey.stage("export") as tick:
        file = encode(mesh, texture, recipe.export, tick=lambda done: tick(done / 2))
        files = _put_model(work.folder, file, mesh, texture, recipe.export, None, lambda done: tick((1 + done) / 2))
    report: dict[str, Any] = {
        "version": __version__,
        "engine": {"name": MESH, "version": __version__, "licence": "Apache-2.0", "device": "cpu"},
        "recipe": flat(recipe), "seed_used": None, "timings_s": journey.timings_s, "mesh": asdict(measure(mesh)),
        "faces_extracted": faces_before, "seen": None, "silhouette_iou": {},
        "warnings": [asdict(notice) for notice in notices],
    }  # fmt: skip
    return Outcome("done", tuple(files), report | (more or {}))


def _put_model(
    folder: Path, file: bytes, mesh: Mesh, texture: Texture | None, recipe: ExportRecipe,
    made_by: dict[str, Any] | None, tick: Tick,
) -> list[MadeFile]:  # fmt: skip
    """The model's `file` first, then `model.glb` where that is another one, and `preview.png`."""
    made = [_put(folder, file, recipe.file_type)]
    if recipe.file_type != "glb":
        as_glb = encode(mesh, texture, replace(recipe, file_type="glb"), made_by, lambda done: tick(done / 2))
        made.append(_put(folder, as_glb, "glb"))
    tick(0.5)
    png = io.BytesIO()
    preview(mesh, texture).save(png, "png")
    made.append(_put(folder, png.getvalue(), "png", "preview"))
    return made


def _put(folder: Path, data: bytes, file_format: str, name: str = "model") -> MadeFile:
    """The file in `folder`. An OBJ with a picture is a zip, and called one."""
    suffix = "zip" if is_zip(data) else file_format
    path = folder / f"{name}.{suffix}"
    save(path, data)
    return MadeFile(path.name, suffix, path)
