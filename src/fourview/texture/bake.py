# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Paint a mesh with its views: the steps, in order.

Owns      the order, the texels and their gutter. Not here: the work of the steps.

Every texel collects the colours that the views show at its point of the surface, so there are no pinholes, and the cost
is texels x views. Two rings of texels around a chart are painted too, as if its last face went on, so that a renderer
that blends neighbouring texels finds the same colour on both sides of a seam.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from fourview.arrays import Bool, Float, Int
from fourview.mesh.mesh import Mesh, face_areas, face_normals, vertex_normals
from fourview.notice import Notice
from fourview.progress import Tick, no_tick
from fourview.texture.inpaint import fill_surface, grow
from fourview.texture.mirror import mirrored_sources, mix_all
from fourview.texture.project import prepare
from fourview.texture.rasterize import barycentric_at, nearest_faces
from fourview.texture.texture import Texture
from fourview.texture.unseen import much_unseen, sides_not_shown
from fourview.texture.unwrap import unwrap
from fourview.views.view import View

See = Callable[[Float, Float, Float], tuple[Float, Float, Bool]]  # points, normals, slopes: light, sureness, seen

PASS_TEXELS = 1 << 18  # painted between two ticks: about 0.3 s, 100 MB
RINGS = 2  # of texels beyond a chart that are painted as if it went on
FILL_FACES = 4000  # least number of faces on which unseen colours are spread: a box of 12 has no vertices inside a side
FILLED_SHARE = 0.35  # of the surface: more unseen gives a notice; four views of a solid leave 10 to 30 %


@dataclass(frozen=True)
class Baked:
    """`mesh` has `uv`; `covered_fraction` is the share of its area that a view saw; `silhouette_iou` by view name."""

    mesh: Mesh
    texture: Texture
    notices: list[Notice]
    covered_fraction: float
    silhouette_iou: dict[str, float]


def bake(mesh: Mesh, views: Sequence[View], texture_size: int, tick: Tick = no_tick) -> Baked:
    """`mesh` unwrapped and painted with all `views`; texture of `texture_size` texels a side."""
    flat, _, notices = unwrap(mesh, texture_size, lambda done: tick(0.3 * done))
    fine = refine(flat, FILL_FACES)
    xy = texel_positions(fine, texture_size)
    texels_per_unit = texel_density(fine, xy)
    sources = []
    for number, view in enumerate(views):
        tick(0.3 + 0.2 * number / len(views))
        sources.append(prepare(view, mesh, texels_per_unit))

    normals = vertex_normals(fine)
    mirrored = mirrored_sources(sources, fine.vertices, normals)
    see = partial(mix_all, sources, mirrored)
    light, sure, _ = see(fine.vertices, normals, normals)
    spread = fill_surface(fine, light, sure, lambda done: tick(0.5 + 0.15 * done))

    face = nearest_faces(xy, None, fine.faces, (texture_size, texture_size), lambda done: tick(0.65 + 0.05 * done))
    ringed = with_rings(face, RINGS)
    albedo, covered = paint_texels(fine, xy, ringed, normals, spread, see, lambda done: tick(0.7 + 0.25 * done))
    albedo = grow(albedo, ringed >= 0, lambda _: tick(0.95))
    covered &= face >= 0

    unseen = _unseen_area(fine, face, covered)
    fraction = 1 - float(unseen.sum())
    notices = [*notices, *sides_not_shown(fine, views, unseen, {source.name for source in mirrored})]
    if 1 - fraction > FILLED_SHARE:
        notices.append(much_unseen(fraction, views))
    return Baked(flat, Texture(albedo, covered), notices, fraction, {s.name: s.silhouette_iou for s in sources})


def texel_positions(mesh: Mesh, texture_size: int) -> Float:
    """Column and row `(v, 2)` of each vertex in the texture, row 0 on top."""
    if mesh.uv is None:
        raise ValueError("the mesh has no uv; unwrap it first")
    uv = mesh.uv.astype(np.float64)
    return np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1) * texture_size


def refine(mesh: Mesh, faces_min: int) -> Mesh:
    """The same surface with each face cut in four, until it has `faces_min` faces."""
    while len(mesh.faces) < faces_min:
        edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        ends, edge = np.unique(edges, axis=0, return_inverse=True)
        middle = edge.reshape(-1, 3) + len(mesh.vertices)
        (a, b, c), (ab, bc, ca) = mesh.faces.T, middle.T
        corners = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        faces = np.stack([np.stack(three, axis=1) for three in corners], axis=1).reshape(-1, 3)
        vertices = np.concatenate([mesh.vertices, mesh.vertices[ends].mean(axis=1)])
        uv = None if mesh.uv is None else np.concatenate([mesh.uv, mesh.uv[ends].mean(axis=1)])
        mesh = Mesh(vertices, faces.astype(np.int32), uv)
    return mesh


def paint_texels(
    mesh: Mesh, xy: Float, face: Int, normals: Float, spread: Float, see: See, tick: Tick
) -> tuple[Float, Bool]:
    """Albedo `(t, t, 3)`, 0 where `face (t, t)` is -1, and what a view saw; `spread (v, 3)` fills in for the rest."""
    side = face.shape[1]
    albedo, covered = np.zeros((face.size, 3), np.float32), np.zeros(face.size, bool)
    slopes = face_normals(mesh)
    slopes /= np.maximum(np.linalg.norm(slopes, axis=1, keepdims=True), 1e-30)
    texels = np.flatnonzero(face >= 0)
    for start in range(0, len(texels), PASS_TEXELS):
        tick(start / len(texels))
        at = texels[start : start + PASS_TEXELS]
        of = face.ravel()[at]
        weight = barycentric_at(xy, mesh.faces[of], np.stack([at % side, at // side], axis=1) + 0.5)
        point, normal, fill = (_mean(weight, values[mesh.faces[of]]) for values in (mesh.vertices, normals, spread))
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        light, sure, covered[at] = see(point, normal, slopes[of])
        albedo[at] = np.clip(fill + sure[:, None] * (light - fill), 0, 1)
    return albedo.reshape(side, side, 3), covered.reshape(side, side)


def _unseen_area(mesh: Mesh, face: Int, covered: Bool) -> Float:
    """The area of each face that no view saw `(f,)`, shares of the surface; a texel counts for its area."""
    texels = np.bincount(face[face >= 0], minlength=len(mesh.faces))
    seen = np.bincount(face[covered], minlength=len(mesh.faces))
    area = face_areas(mesh) * (texels > 0)
    unseen: Float = area * (1 - seen / np.maximum(texels, 1)) / max(float(area.sum()), 1e-12)
    return unseen


def with_rings(face: Int, rings: int) -> Int:
    """`face (t, t)` grown by `rings` texels into what is -1."""
    for _ in range(rings):
        grown = face.copy()
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            shifted = np.roll(face, step, axis)
            grown = np.where(grown < 0, shifted, grown)
        face = grown
    return face


def _mean(weight: Float, values: Float) -> Float:
    """Values `(n, 3, c)` of the corners of faces, weighted with `(n, 3)`: `(n, c)`."""
    return weight[:, 0, None] * values[:, 0] + weight[:, 1, None] * values[:, 1] + weight[:, 2, None] * values[:, 2]


def texel_density(mesh: Mesh, xy: Float) -> float:
    """How many texels a box unit has, on the average over the surface."""
    one, other = (xy[mesh.faces[:, k]] - xy[mesh.faces[:, 0]] for k in (1, 2))
    texels = np.abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]).sum() / 2
    return float(np.sqrt(texels / max(float(face_areas(mesh).sum()), 1e-12)))
