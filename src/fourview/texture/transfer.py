# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Carry the colours of one surface over to another that lies close to it.

Owns      a texture for a mesh without one: simplified, or read from a file whose colours have no atlas.
Not here  where the old colours come from (the caller), pictures (`bake`).

Where the surface is the same, each texel is a place on an old face and takes the colour there. Where it is not, the old
surface becomes points with colours, spread evenly, which are averaged in grids of ever larger cells. A texel
looks up the plane of the points around it in the finest grid that has any, moves onto that plane, and takes its colour
from the finest grid there (one step of the projection of M. Alexa et al., "Point set surfaces", 2001).
Points that face another side are left out while there are better ones, so the two faces of a thin wall keep their own
colours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fourview.arrays import Bool, Float, Int
from fourview.mesh.mesh import Mesh, face_areas, face_normals, vertex_normals
from fourview.notice import Notice
from fourview.progress import Tick, no_tick
from fourview.texture.bake import PASS_TEXELS, RINGS, paint_texels, texel_density, texel_positions, with_rings
from fourview.texture.inpaint import grow
from fourview.texture.rasterize import barycentric_at, nearest_faces
from fourview.texture.texture import Texture
from fourview.texture.unwrap import unwrap

POINTS_MAX = 2_000_000  # 0.2 GB; a texture of 2048 texels needs about so many
STRIDE = 1.5  # edge of the small triangle around a point, in sides of the square that has its area
ONE_SIDED = 4  # grids that separate sides; the largest has cells of 8 texels, coarser ones mix all sides
ENOUGH = 0.05  # share of a texel's weight that must fall on cells with points
SIDES = 6  # which a point may face

Light = Callable[[Int, Float], Float]  # faces (n,), weights of their corners (n, 3) -> linear light (n, 3)


def transfer(
    mesh: Mesh, old: Mesh, light: Light, texture_size: int, tick: Tick = no_tick
) -> tuple[Mesh, Texture, list[Notice]]:
    """`mesh` with `uv` and a texture that shows the `light` of the surface of `old`. Any unit, the same for both."""
    flat, _, notices = unwrap(mesh, texture_size, lambda done: tick(0.3 * done))
    xy = texel_positions(flat, texture_size)
    face = nearest_faces(xy, None, flat.faces, (texture_size, texture_size), lambda done: tick(0.3 + 0.1 * done))
    area = float(face_areas(old).sum())
    spacing = max(1 / max(texel_density(flat, xy), 1e-30), float(np.sqrt(area / POINTS_MAX)))
    cloud = _spread(old, light, spacing, tick)
    tick(0.6)
    grids = [_Grid.of(cloud, spacing, is_one_sided=True)]

    def see(points: Float, normals: Float, slopes: Float) -> tuple[Float, Float, Bool]:
        return _ask(grids, cloud, points, _sides(slopes)), np.ones(len(points), np.float32), np.ones(len(points), bool)

    ringed = with_rings(face, RINGS)
    nothing = np.zeros(flat.vertices.shape, np.float32)
    albedo, _ = paint_texels(flat, xy, ringed, vertex_normals(flat), nothing, see, lambda done: tick(0.6 + 0.35 * done))
    albedo = grow(albedo, ringed >= 0, lambda _: tick(0.95))
    return flat, Texture(albedo, face >= 0), notices


def repaint(mesh: Mesh, light: Light, texture_size: int, tick: Tick = no_tick) -> tuple[Mesh, Texture, list[Notice]]:
    """`mesh` with `uv` and a texture that shows its own `light`, each texel the colour of its own place."""
    flat, _, notices = unwrap(mesh, texture_size, lambda done: tick(0.3 * done))
    xy = texel_positions(flat, texture_size)
    face = nearest_faces(xy, None, flat.faces, (texture_size, texture_size), lambda done: tick(0.3 + 0.2 * done))
    ringed = with_rings(face, RINGS)
    albedo = np.zeros((face.size, 3), np.float32)
    texels = np.flatnonzero(ringed >= 0)
    for start in range(0, len(texels), PASS_TEXELS):
        tick(0.5 + 0.45 * start / len(texels))
        at = texels[start : start + PASS_TEXELS]
        of = ringed.ravel()[at]
        middle = np.stack([at % texture_size, at // texture_size], axis=1) + 0.5
        # The old picture ends with the face: texels of the gutter take the colour of its nearest edge.
        weight = np.clip(barycentric_at(xy, flat.faces[of], middle), 0, 1)
        albedo[at] = light(of, (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32))
    albedo = grow(albedo.reshape(*face.shape, 3), ringed >= 0, lambda _: tick(0.95))
    return flat, Texture(albedo, face >= 0), notices


@dataclass(frozen=True)
class _Cloud:
    """Points of a surface: `values (n, 9) float32` are light, position and normal; `side (n,)` 0..5, what they face."""

    values: Float
    side: Int
    spacing: float


def _spread(mesh: Mesh, light: Light, spacing: float, tick: Tick) -> _Cloud:
    """About one point a square of side `spacing`: the middles of equal triangles that each face is cut into."""
    corner = mesh.vertices[mesh.faces].astype(np.float64)
    edge = np.linalg.norm(corner - corner[:, [1, 2, 0]], axis=2).max(axis=1)
    area = face_areas(mesh)
    # A long thin face would be cut as finely across as along: its area bounds how often.
    cuts = np.rint(np.minimum(edge, 4 * np.sqrt(area)) / (STRIDE * spacing)).astype(np.int64).clip(1)
    face = np.repeat(np.arange(len(cuts)), cuts**2)
    of = np.arange(len(face)) - np.repeat(np.cumsum(cuts**2) - cuts**2, cuts**2)  # the number within the face
    n = cuts[face]
    row = np.sqrt(of).astype(np.int64)  # row r holds 2 r + 1 triangles, every other one upside down
    place = of - row**2
    third = np.where(place % 2 == 0, 1 / 3, 2 / 3)
    b, c = (row - place // 2 - np.where(place % 2 == 0, 0, 1) + third) / n, (place // 2 + third) / n
    weight = np.stack([1 - b - c, b, c], axis=1)
    tick(0.45)
    normal = face_normals(mesh)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    points = np.einsum("nk,nkx->nx", weight, corner[face])
    tick(0.5)
    values = np.concatenate([light(face, weight.astype(np.float32)), points, normal[face]], axis=1).astype(np.float32)
    return _Cloud(values, _sides(normal)[face], spacing)


def _sides(normals: Float) -> Int:
    """Which of the six sides of the box each of `normals (n, 3)` faces most, `(n,)`."""
    axis = np.abs(normals).argmax(axis=1)
    side: Int = 2 * axis + (np.take_along_axis(normals, axis[:, None], 1)[:, 0] > 0)
    return side


@dataclass(frozen=True)
class _Grid:
    """Means of a cloud over cells of side `cell`: `values (m, 9)` at the ascending `keys (m,)`."""

    low: Float
    cell: float
    is_one_sided: bool
    keys: Int
    values: Float

    @classmethod
    def of(cls, cloud: _Cloud, cell: float, is_one_sided: bool) -> "_Grid":
        low = cloud.values[:, 3:6].min(axis=0).astype(np.float64) - cell
        at = np.floor((cloud.values[:, 3:6] - low) / cell).astype(np.int64)
        keys, inverse = np.unique(_keys(at, cloud.side, is_one_sided), return_inverse=True)
        count = np.bincount(inverse)
        means = [np.bincount(inverse, column) / count for column in cloud.values.T]
        return cls(low, cell, is_one_sided, keys, np.stack(means, axis=1))

    def ask(self, points: Float, side: Int) -> tuple[Float, Float]:
        """Means `(n, 9)` around `points (n, 3)`, weighted by nearness; the share of the weight on cells with points."""
        place = (points - self.low) / self.cell - 0.5
        base = np.floor(place).astype(np.int64)
        share = place - base
        total, sums = np.zeros(len(points)), np.zeros((len(points), self.values.shape[1]))
        for k in range(8):
            step = np.array([k & 1, k >> 1 & 1, k >> 2 & 1])
            weight = np.where(step, share, 1 - share).prod(axis=1)
            key = _keys(base + step, side, self.is_one_sided)
            found = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
            weight[self.keys[found] != key] = 0
            total += weight
            sums += weight[:, None] * self.values[found]
        return sums / np.maximum(total, 1e-30)[:, None], total


def _keys(at: Int, side: Int, is_one_sided: bool) -> Int:
    """One number for a cell `at (n, 3)`, and for the side where that counts; 20 bits an axis."""
    at = np.clip(at, -1, 2**20 - 3) + 1
    place = (at[:, 0] << 40 | at[:, 1] << 20 | at[:, 2]).astype(np.int64)
    return place * (SIDES if is_one_sided else 1) + (side if is_one_sided else 0)


def _ask(grids: list[_Grid], cloud: _Cloud, points: Float, side: Int) -> Float:
    """The light `(n, 3)` of the cloud near `points (n, 3)`; grids are added to `grids` as they are needed."""
    light = np.zeros((len(points), 3))
    left = np.arange(len(points))
    level = 0
    while len(left):
        if level == len(grids):
            grids.append(_Grid.of(cloud, cloud.spacing * 2**level, is_one_sided=level < ONE_SIDED))
        values, total = grids[level].ask(points[left], side[left])
        met = total > ENOUGH
        values, at = values[met], left[met]
        light[at] = values[:, :3]
        if level > 0:
            normal = values[:, 6:] / np.maximum(np.linalg.norm(values[:, 6:], axis=1, keepdims=True), 1e-30)
            off = np.einsum("nx,nx->n", points[at] - values[:, 3:6], normal)
            finer, weight = grids[0].ask(points[at] - off[:, None] * normal, side[at])
            sure = weight > ENOUGH
            light[at[sure]] = finer[sure, :3]
        left = left[~met]
        level += 1
    return light
