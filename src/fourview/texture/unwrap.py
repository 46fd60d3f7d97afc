# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The surface is cut into charts and laid flat.

Owns      which faces form a chart, how a chart becomes flat, the seams. Not here: where charts lie (`pack`).

A chart is a connected piece of surface that looks toward one of the six sides of the box, and it is flattened by
looking at it from there: the polycube idea with the cheapest flattening there is. For pictures taken from the sides of
the box it is also the sharpest one, since texels line up with pixels. Sides are chosen face by face, then smoothed, as
in Potts's model: a face gives up a little facing for having the side of its neighbours (iterated conditional modes,
Besag 1986). Charts too small to be worth a seam go to a neighbour. A chart that covers itself (a spiral stair) is cut.
All of it is bounded work on arrays, so no mesh can make it run for minutes.

Why our own code: `xatlas` minimises stretch, not blur of pictures from six sides, and its time has no bound
(docs/how/texture.md compares them); the unwrapping of Blender and CGAL is GPL.
"""

import numpy as np

from fourview.arrays import Bool, Float, Int
from fourview.mesh.mesh import Mesh, face_normals, merge_vertices
from fourview.mesh.topology import connected, half_edges, number, pair_half_edges
from fourview.notice import Notice
from fourview.progress import Tick, no_tick
from fourview.texture.pack import CHARTS_MAX, Layout, pack, turned
from fourview.texture.rasterize import nearest_faces

# Six sides, and the two axes of the plane each is seen in: right x up = toward the viewer.
TOWARD = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float64)
RIGHT = np.array([[0, 0, -1], [0, 0, 1], [1, 0, 0], [1, 0, 0], [1, 0, 0], [-1, 0, 0]], np.float64)
UP = np.cross(TOWARD, RIGHT)

LOYALTY = 0.6  # how much cosine a face gives up to share the side of all its neighbours
ROUNDS = 16  # of smoothing; sides hardly change after ten
MIN_FACING = 0.25  # least cosine between a face and its side: four times stretched at worst
SMALL_CHART = 2e-3  # of the surface: below it a seam costs more than a stretch
MERGE_ROUNDS = 6
CUT_ROUNDS = 4  # a chart that lies over itself more often than this keeps the overlap
CUT_CHECK_PX = 512  # finest raster on which overlaps are looked for


def unwrap(mesh: Mesh, texture_size: int, tick: Tick = no_tick) -> tuple[Mesh, Int, list[Notice]]:
    """The mesh with `uv`, the chart of each face `(f,) int`, and notices.

    Faces keep their order and winding, vertices their positions; a vertex on a seam stands once for each chart.
    """
    welded, _ = merge_vertices(mesh)
    one, other, _ = pair_half_edges(welded.faces)
    start, end = half_edges(welded.faces)
    length = np.linalg.norm(welded.vertices[start[one]] - welded.vertices[end[one]], axis=1).astype(np.float64)
    pairs = np.stack([one // 3, other // 3], axis=1)  # (e, 2) faces that share an edge
    facing = _facing(mesh)  # (f, 6)
    side = _smooth(facing, pairs, length)
    tick(0.2)
    side = _merge_small(facing, side, pairs, length, mesh)
    piece = _pieces(pairs, side[pairs[:, 0]] == side[pairs[:, 1]], len(side))
    tick(0.4)

    corner = mesh.vertices[mesh.faces].astype(np.float64)  # (f, 3, 3)
    flat = np.stack([np.einsum("fkx,fx->fk", corner, axes[side]) for axes in (RIGHT, UP)], axis=-1)
    height = np.einsum("fkx,fx->fk", corner, TOWARD[side])
    across, along = flat[:, [1, 2, 0]] - flat, flat[:, [2, 0, 1]] - flat
    area = float(np.abs(across[:, 0, 0] * along[:, 0, 1] - across[:, 0, 1] * along[:, 0, 0]).sum() / 2)
    for cut in range(CUT_ROUNDS):

        def tick_pack(done: float, cut: int = cut) -> None:
            tick(0.4 + 0.5 * (cut + done) / CUT_ROUNDS)

        together = piece[pairs[:, 0]] == piece[pairs[:, 1]]
        outline = np.ones(len(start), bool)
        outline[one[together]] = outline[other[together]] = False
        edges = np.stack([flat, flat + across], axis=2).reshape(-1, 2, 2)[outline]
        layout = pack(edges, np.repeat(piece, 3)[outline], area, texture_size, tick_pack)
        texel = turned(flat, layout.quarter[piece]) * layout.scale + layout.offset_px[piece][:, None]
        buried = _buried_faces(texel, height, texture_size)
        if not buried.any():
            break
        piece = _pieces(pairs, together & (buried[pairs[:, 0]] == buried[pairs[:, 1]]), len(side))

    tick(0.9)
    notices = _notices(piece, layout, texture_size)
    return _split(mesh, welded.faces, piece, texel / texture_size), piece, notices


def _pieces(pairs: Int, together: Bool, count: int) -> Int:
    """Which piece each of `count` faces belongs to, `(count,)` 0.., where `pairs (e, 2)` hold `together (e,)`."""
    one, other = pairs[together].T
    return number(connected(one, other, count), count)


def _facing(mesh: Mesh) -> Float:
    """Cosine between each face's normal and each side, `(f, 6)`."""
    normal = face_normals(mesh)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    facing: Float = np.where(length > 0, normal / np.maximum(length, 1e-30), TOWARD[2]) @ TOWARD.T
    return facing


def _smooth(facing: Float, pairs: Int, length: Float) -> Int:
    """A side for each face, `(f,) 0..5`: what it faces, bent toward what its neighbours have."""
    count = len(facing)
    usable = (facing >= MIN_FACING) | (facing == facing.max(axis=1, keepdims=True))
    merit = np.where(usable, facing, -np.inf)
    side: Int = np.argmax(merit, axis=1)
    one, other = np.concatenate([pairs, pairs[:, ::-1]]).T
    border = np.bincount(one, np.tile(length, 2), count)
    share = LOYALTY * np.tile(length, 2) / np.maximum(border, 1e-30)[one]
    # Half of the faces move at a time, chosen by a hash of their index, or neighbours would swap sides for ever.
    half = (np.arange(count) * 2654435761 >> 7) & 1
    for turn in range(ROUNDS):
        votes = np.bincount(one * 6 + side[other], share, count * 6).reshape(count, 6)
        side = np.where(half == turn & 1, np.argmax(merit + votes, axis=1), side)
    return side


def _merge_small(facing: Float, side: Int, pairs: Int, length: Float, mesh: Mesh) -> Int:
    """`side`, with every small chart given to the neighbour it shares most border with, where it faces that side."""
    area = np.linalg.norm(face_normals(mesh), axis=1)
    for _ in range(MERGE_ROUNDS):
        piece = _pieces(pairs, side[pairs[:, 0]] == side[pairs[:, 1]], len(side))
        count = int(piece.max()) + 1
        least = np.full((count, 6), np.inf)
        np.minimum.at(least, piece, facing)
        one, other = np.concatenate([pairs, pairs[:, ::-1]]).T
        at_border = side[one] != side[other]
        one, other, shared = one[at_border], other[at_border], np.tile(length, 2)[at_border]
        border = np.bincount(piece[one] * 6 + side[other], shared, count * 6).reshape(count, 6)
        border = np.where(least >= MIN_FACING, border, 0)
        small = np.bincount(piece, area, count) < SMALL_CHART * area.sum()
        # Of two small neighbours only the one with the lower number moves in a round, or they would swap.
        both = small[piece[one]] & small[piece[other]]
        waits = np.zeros(count, bool)
        waits[np.maximum(piece[one], piece[other])[both]] = True
        moves = small & (border.max(axis=1) > 0) & ~waits
        if not moves.any():
            break
        side = np.where(moves[piece], np.argmax(border, axis=1)[piece], side)
    return side


def _buried_faces(texel: Float, height: Float, texture_size: int) -> Bool:
    """Faces `(f,)` that lie under another one in the atlas."""
    size = min(texture_size, CUT_CHECK_PX)
    points, faces = texel.reshape(-1, 2) * (size / texture_size), np.arange(texel.shape[0] * 3).reshape(-1, 3)
    above = nearest_faces(points, height.ravel(), faces, (size, size))
    below = nearest_faces(points, -height.ravel(), faces, (size, size))
    buried = np.zeros(len(texel), bool)
    buried[below[above != below]] = True
    return buried


def _notices(piece: Int, layout: Layout, texture_size: int) -> list[Notice]:
    count = int(piece.max()) + 1
    if count <= CHARTS_MAX and layout.gap_px:
        return []
    return [
        Notice(
            "unwrap_budget_exceeded",
            f"the surface breaks into {count} charts, {CHARTS_MAX} are packed well: expect seams and a coarse texture; "
            f"ask for fewer faces or for more than {texture_size} texels",
            "texture_size",
        )
    ]


def _split(mesh: Mesh, welded_faces: Int, piece: Int, uv: Float) -> Mesh:
    """The mesh with one vertex a chart and position; `uv (f, 3, 2)` holds the corners' places."""
    key = np.repeat(piece, 3).astype(np.int64) * (int(welded_faces.max()) + 1) + welded_faces.ravel()
    _, first, vertex = np.unique(key, return_index=True, return_inverse=True)
    faces = vertex.reshape(-1, 3).astype(np.int32)
    return Mesh(mesh.vertices[mesh.faces.ravel()[first]], faces, uv.reshape(-1, 2)[first].astype(np.float32))
