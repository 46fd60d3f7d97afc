# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`generate`, on one page: pictures -> views -> field -> mesh -> texture -> file.

Owns      the order of the steps of `generate`. Not here: the work of any step, what else can be done (`operations`).
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from fourview import __version__
from fourview.compute import Machine
from fourview.engines import stages_of
from fourview.formats.write import encode
from fourview.mesh.crumbs import drop_crumbs, part_volumes
from fourview.mesh.measure import measure
from fourview.mesh.mesh import Mesh, merge_vertices
from fourview.mesh.simplify import simplify
from fourview.mesh.topology import label_parts
from fourview.notice import Notice
from fourview.progress import CancelToken, Event, RunProgress
from fourview.recipe import SEED_MAX, Recipe, flat, parameters
from fourview.report import Health, Report
from fourview.result import Result
from fourview.shape.engine import Engine, find
from fourview.shape.fit_to_views import fit_to_views
from fourview.surface.bridge import bridge
from fourview.surface.extract import extract
from fourview.surface.octree import sample
from fourview.texture.bake import bake
from fourview.texture.lost import thin_parts_lost
from fourview.views.framing import frame
from fourview.views.load import Source, read_pictures
from fourview.views.matting import cut_out
from fourview.views.outline import pieces
from fourview.views.view import View


def generate(
    pictures: Mapping[str, Source] | Source,
    recipe: Recipe | None = None,
    *,
    machine: Machine | None = None,
    engine: Engine | None = None,
    progress: Callable[[Event], None] | None = None,
    cancel: CancelToken | None = None,
) -> Result:
    """One model from 1-4 pictures named `front` (required), `left`, `back`, `right`.

    A picture is a path, the bytes of a file, or a PIL image; one alone is the front. `machine`: device and weights of a
    learned engine. `engine`: from `fourview.shape.engine.find`; it replaces the recipe's and keeps its network between
    runs. `progress` is called with an `Event` several times a second. `cancel` stops the run with `CanceledError`
    within a second, or within a step of the network. Raises the errors of `fourview.errors`; those about pictures,
    parameters and weights come before any heavy work.
    """
    recipe = recipe or Recipe()
    engine = engine or find(recipe.shape.engine, machine)
    engine.check(recipe)
    asked = flat(recipe)
    seed = secrets.randbelow(SEED_MAX) if recipe.shape.seed == -1 else recipe.shape.seed
    recipe = replace(recipe, shape=replace(recipe.shape, seed=seed))
    run = RunProgress(stages_of(engine.name), progress, cancel)
    notices = _idle_parameters(recipe, engine)

    with run.stage("fetch"):
        loaded = read_pictures(pictures if isinstance(pictures, Mapping) else {"front": pictures})
    with run.stage("matte") as tick:
        mattes, found = cut_out(loaded, recipe.views.remove_background, tick, recipe.views.matting_network)
        views, disagreements = frame(loaded, mattes)
        notices += [*found, *disagreements]
    shape = engine.shape(views, recipe, run)
    notices += shape.notices
    with run.stage("decode") as tick:
        samples = sample(shape.field, recipe.surface.octree_resolution, recipe.surface.num_chunks, tick)
    with run.stage("extract") as tick:
        mesh = extract(samples, tick)
        if shape.is_framed:
            mesh, found = bridge(shape.field, samples, mesh, views, tick)
            notices += found
        faces_extracted = len(mesh.faces)
    with run.stage("clean") as tick:
        mesh, crumbs = drop_crumbs(mesh)
        mesh = mesh if shape.is_framed else fit_to_views(mesh, views)
        if crumbs:
            notices.append(Notice("crumbs_dropped", f"{crumbs} small loose or hidden parts were dropped"))
    with run.stage("simplify") as tick:
        mesh, found = simplify(mesh, recipe.mesh.target_face_num, tick)
        notices += found
        notices += thin_parts_lost(mesh, views, 2 / recipe.surface.octree_resolution) if shape.is_framed else []
    texture, seen, silhouette_iou = None, None, {}
    if recipe.texture.texture == "project":
        with run.stage("texture") as tick:
            baked = bake(mesh, views, recipe.texture.texture_size, tick)
            mesh, texture = baked.mesh, baked.texture
            seen, silhouette_iou = baked.covered_fraction, baked.silhouette_iou
            notices += baked.notices
    with run.stage("export") as tick:
        made_by = {"engine": engine.name, "licence": engine.licence, "seed": seed}
        file = encode(mesh, texture, recipe.export, made_by, tick)

    health = measure(mesh)
    notices += _pieces(mesh, health, views)
    about = {"name": engine.name, "version": engine.version, "licence": engine.licence, "device": "cpu", **shape.facts}
    report = Report(
        "generate", __version__, asked, about, seed, run.timings_s, health, faces_extracted, seen, silhouette_iou,
        tuple(notices),
    )  # fmt: skip
    return Result(mesh, texture, file, report, tuple(views))


def _pieces(mesh: Mesh, health: Health, views: Sequence[View]) -> list[Notice]:
    """A notice where the model is in several pieces, and how many the outlines show."""
    if health.components < 2:
        return []
    volume = part_volumes(mesh, label_parts(merge_vertices(mesh)[0].faces, len(mesh.vertices)))
    shown = ", ".join(f"{view.name} {pieces(view.matte)}" for view in views)
    message = (
        f"the model is in {health.components} pieces, the largest has {volume.max() / volume.sum():.1%} of its volume;"
        f" pieces in the outlines: {shown}"
    )
    return [Notice("model_in_pieces", message)]


def _idle_parameters(recipe: Recipe, engine: Engine) -> list[Notice]:
    """A notice for each parameter that the caller set and this engine does not read."""
    return [
        Notice("parameter_unused", f"the engine '{engine.name}' has no use for {k.name}", k.name)
        for k in parameters()
        if k.name in recipe.given and k.engines and engine.name not in k.engines
    ]
