# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Bring a mesh to a number of faces; its colours are carried over."""

from fourview.mesh.simplify import simplify as simplify_mesh
from fourview.operations.convert import unchanged
from fourview.operations.shared import COLOURS_TRANSFERRED, MeshSource, Watch, begin, finish, read_source, welded
from fourview.progress import CancelToken
from fourview.recipe import Recipe
from fourview.result import Result
from fourview.texture.transfer import transfer


def simplify(
    mesh: MeshSource, recipe: Recipe | None = None, *, progress: Watch | None = None, cancel: CancelToken | None = None
) -> Result:
    """`mesh` with at most `target_face_num` faces; one that has no more stays as it is. Raises `MeshError`."""
    recipe, run = recipe or Recipe(), begin("simplify", progress, cancel)
    with run.stage("fetch"):
        model = read_source(mesh, recipe)
    if len(model.mesh.faces) <= recipe.mesh.target_face_num:
        return unchanged("simplify", run, recipe, model)
    with run.stage("simplify") as tick:
        simplified, found = simplify_mesh(welded(model.mesh)[0], recipe.mesh.target_face_num, tick)
    notices, texture = [*model.notices, *found], None
    light = model.for_texture(recipe.texture.texture_size).light
    if light is not None and recipe.texture.texture != "off":
        with run.stage("texture") as tick:
            simplified, texture, found = transfer(simplified, model.mesh, light, recipe.texture.texture_size, tick)
        notices += [*found, COLOURS_TRANSFERRED]
    return finish("simplify", run, recipe, simplified, texture, notices, len(model.mesh.faces))
