# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Write a mesh as another file type."""

from dataclasses import replace

import numpy as np

from fourview.formats.model import Model
from fourview.formats.read import read_mesh
from fourview.operations.shared import MeshSource, Watch, begin, finish, has_atlas, read_source, repainted
from fourview.progress import CancelToken, RunProgress
from fourview.recipe import Recipe
from fourview.result import Result


def convert(
    mesh: MeshSource, recipe: Recipe | None = None, *, progress: Watch | None = None, cancel: CancelToken | None = None
) -> Result:
    """`mesh` as `file_type`, in the size, place and axes that the recipe asks for. Raises `MeshError`."""
    recipe, run = recipe or Recipe(), begin("convert", progress, cancel)
    with run.stage("fetch"):
        model = read_source(mesh, recipe)
    return unchanged("convert", run, recipe, model)


def unchanged(kind: str, run: RunProgress, recipe: Recipe, model: Model) -> Result:
    """The model with its own faces; its colours are painted on one picture where they are not on one yet."""
    mesh, texture, notices = model.mesh, model.texture, [*model.notices]
    if recipe.texture.texture == "off":
        mesh, texture = replace(mesh, uv=None), None
    elif model.light is not None and not has_atlas(model):
        mesh, texture, found = repainted(model, recipe, run)
        notices += found
    return finish(kind, run, recipe, mesh, texture, notices, len(model.mesh.faces))


def change_format(
    mesh: MeshSource, recipe: Recipe | None = None, *, progress: Watch | None = None, cancel: CancelToken | None = None
) -> Result:
    """A `model.glb` that this program wrote under `recipe.export`, as another `file_type`; its size is kept."""
    recipe, run = recipe or Recipe(), begin("format", progress, cancel)
    with run.stage("fetch"):
        model = read_mesh(mesh, "glb", recipe.export.up or "y")
    height = float(np.ptp(model.mesh.vertices[:, 1].astype(np.float64)))
    keeps_size = recipe.export if height == 0 else replace(recipe.export, height_m=height)
    recipe = replace(recipe, export=keeps_size)
    return finish("format", run, recipe, model.mesh, model.texture, model.notices, len(model.mesh.faces))
