# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Paint pictures on a mesh that is there already; its shape stays."""

from collections.abc import Mapping

from fourview.operations.shared import MeshSource, Painted, Watch, begin, finish, read_source, welded
from fourview.progress import CancelToken
from fourview.recipe import Recipe
from fourview.result import Result
from fourview.shape.fit_to_views import fit_to_views
from fourview.texture.bake import bake
from fourview.views.framing import frame
from fourview.views.load import Source, read_pictures
from fourview.views.matting import cut_out


def retexture(
    mesh: MeshSource, pictures: Mapping[str, Source] | Source, recipe: Recipe | None = None, *,
    progress: Watch | None = None, cancel: CancelToken | None = None,
) -> Result:  # fmt: skip
    """`mesh` with the colours of 1-4 `pictures`, as `fourview.generate` takes them.

    The mesh is scaled and shifted to fit the outlines, never turned: it must face +Z as in CONVENTIONS.md. Raises the
    errors of `fourview.errors`.
    """
    recipe, run = recipe or Recipe(), begin("retexture", progress, cancel)
    with run.stage("fetch"):
        model = read_source(mesh, recipe)
        loaded = read_pictures(pictures if isinstance(pictures, Mapping) else {"front": pictures})
    with run.stage("matte") as tick:
        mattes, notices = cut_out(loaded, recipe.views.remove_background, tick, recipe.views.matting_network)
        views, disagreements = frame(loaded, mattes)
    with run.stage("texture") as tick:
        fitted = fit_to_views(welded(model.mesh)[0], views)
        baked = bake(fitted, views, recipe.texture.texture_size, tick)
    notices = [*model.notices, *notices, *disagreements, *baked.notices]
    painted = Painted(baked.covered_fraction, baked.silhouette_iou, views)
    return finish("retexture", run, recipe, baked.mesh, baked.texture, notices, len(fitted.faces), painted)
