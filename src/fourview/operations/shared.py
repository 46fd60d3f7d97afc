# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Steps that operations share: a mesh file comes in, a result goes out.

Owns      reading a mesh of any program, cleaning it for painting, repainting its colours, the result and its report.
Not here  what each operation does with it (its own file), reading a format (`formats.read`).
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fourview import __version__
from fourview.arrays import Int
from fourview.errors import MeshError, RecipeError
from fourview.formats.colours import is_within
from fourview.formats.model import Model
from fourview.formats.read import read_mesh
from fourview.formats.sniff import mesh_type
from fourview.formats.write import encode
from fourview.kinds import KINDS
from fourview.mesh.measure import measure
from fourview.mesh.mesh import Mesh, keep_faces, merge_vertices
from fourview.notice import Notice
from fourview.progress import CancelToken, Event, RunProgress
from fourview.recipe import Recipe, flat
from fourview.report import Report
from fourview.result import Result
from fourview.texture.texture import Texture
from fourview.texture.transfer import repaint
from fourview.views.view import View

MeshSource = str | os.PathLike[str] | bytes
Watch = Callable[[Event], None]

COLOURS_TRANSFERRED = Notice(
    "colours_transferred", "the model's colours were painted on a new texture: they may be a little softer than before"
)


def begin(kind: str, progress: Watch | None, cancel: CancelToken | None) -> RunProgress:
    """The progress of one operation; its stages stand in `KINDS`."""
    stages = KINDS[kind].stages
    assert stages is not None  # only `generate` takes the stages of its engine
    return RunProgress(stages, progress, cancel)


def read_source(source: MeshSource, recipe: Recipe) -> Model:
    """The mesh in a file or in the bytes of one.

    Only a path finds files that the mesh refers to; bytes must hold everything, or be a zip. Raises `MeshError` for
    what is no mesh or has no extent, `RecipeError` where `height_m` cannot be reached.
    """
    if isinstance(source, bytes):
        file_type = mesh_type(source)
        if file_type is None:
            raise MeshError(f"these {len(source)} bytes are no mesh file; give a GLB, OBJ, PLY or STL: export it again")
        model = read_mesh(source, file_type)
    else:
        model = read_mesh(source)
    size = np.ptp(model.mesh.vertices.astype(np.float64), axis=0)
    if size.max() == 0:
        raise MeshError("all corners of the mesh lie at one point; a mesh with an extent is needed: export it again")
    if recipe.export.height_m is not None and size[1] == 0:
        raise RecipeError(f"height_m is {recipe.export.height_m:g}, but the mesh is flat: leave height_m unset")
    return model


def welded(mesh: Mesh) -> tuple[Mesh, Int]:
    """The mesh with one vertex a position and without faces that have no area; and which faces `(f,)` are left."""
    merged, _ = merge_vertices(mesh)
    a, b, c = merged.faces.T
    solid = (a != b) & (b != c) & (c != a)
    if not solid.any():
        raise MeshError("no face of the mesh has an area; at least one is needed: export it again")
    return keep_faces(merged, solid), np.flatnonzero(solid)


def has_atlas(model: Model) -> bool:
    """Whether one picture lies on the mesh and nowhere repeats: then every program shows it alike."""
    return model.texture is not None and model.mesh.uv is not None and is_within(model.mesh.uv)


def repainted(model: Model, recipe: Recipe, run: RunProgress) -> tuple[Mesh, Texture, list[Notice]]:
    """The model's surface with all its colours on one new texture."""
    mesh, kept = welded(model.mesh)
    light = model.for_texture(recipe.texture.texture_size).light
    assert light is not None
    with run.stage("texture") as tick:
        mesh, texture, notices = repaint(
            mesh, lambda face, weight: light(kept[face], weight), recipe.texture.texture_size, tick
        )
    return mesh, texture, [*notices, COLOURS_TRANSFERRED]


@dataclass(frozen=True)
class Painted:
    """What painting measured: `seen`, `silhouette_iou` as in `Report`, and the views."""

    seen: float
    silhouette_iou: Mapping[str, float]
    views: Sequence[View]


def finish(
    kind: str, run: RunProgress, recipe: Recipe, mesh: Mesh, texture: Texture | None, notices: Sequence[Notice],
    faces_before: int, painted: Painted | None = None,
) -> Result:  # fmt: skip
    """Encode the model and report on it."""
    with run.stage("export") as tick:
        file = encode(mesh, texture, recipe.export, tick=tick)
    report = Report(
        kind, __version__, flat(recipe), timings_s=run.timings_s, mesh=measure(mesh), faces_before=faces_before,
        seen=painted.seen if painted else None, silhouette_iou=dict(painted.silhouette_iou) if painted else {},
        warnings=tuple(notices),
    )  # fmt: skip
    return Result(mesh, texture, file, report, tuple(painted.views) if painted else ())
