# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The normal and position maps that tell the network the shape it paints.

Owns      the colours of the maps. Not here: cameras (`cameras`), which face a pixel shows (`raster`).

The normal of a vertex is the unweighted mean of its faces' unit normals. Interpolated normals are not renormalised;
colours are cut to 8 bits, not rounded. Both follow the official maps, on which the network was trained. Normals of the
render frame point inward (it is a reflection), which the colours take into account.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fourview.arrays import Byte, Float, Int
from fourview.progress import Tick, no_tick
from fourview.texture.paint.cameras import FIT, PaintCamera, clip_space, view_matrix
from fourview.texture.paint.raster import Drawn, draw, interpolate


@dataclass(frozen=True)
class Maps:
    """`normals` and `positions`, `(n, side, side, 3) uint8` each, row 0 on top."""

    normals: Byte
    positions: Byte


def render_maps(
    points: Float, faces: Int, cameras: Sequence[PaintCamera], render_size: int, side: int, tick: Tick = no_tick
) -> Maps:
    """The maps of a mesh in the render frame, drawn at `render_size` px and reduced to `side` px (bicubic)."""
    normals, positions = [], []
    smooth = vertex_normals(points, faces)
    for number, camera in enumerate(cameras):
        tick(number / len(cameras))
        drawn = draw(clip_space(points, view_matrix(camera.azimuth, camera.elevation)), faces, (render_size,) * 2)
        normals.append(resized(codes(normal_map(drawn, faces, smooth)), side))
        positions.append(resized(codes(position_map(drawn, faces, points)), side))
    return Maps(np.stack(normals), np.stack(positions))


def normal_map(drawn: Drawn, faces: Int, normals: Float) -> Float:
    """Normals `(v, 3)` of the render frame as colours 0..1, white where nothing is."""
    seen = np.where(drawn.face[..., None] > 0, interpolate(drawn, faces, normals), np.float32(1))
    colours: Float = (seen + 1) * np.float32(0.5)
    return colours


def position_map(drawn: Drawn, faces: Int, points: Float) -> Float:
    """Points `(v, 3)` of the render frame as colours 0..1, white where nothing is."""
    values = np.float32(0.5) - points / np.float32(FIT)
    colours: Float = np.where(drawn.face[..., None] > 0, interpolate(drawn, faces, values), np.float32(1))
    return colours


def vertex_normals(points: Float, faces: Int) -> Float:
    """The unit mean of the unit normals of each vertex's faces, `(v, 3) float32`."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    normal = _unit(np.cross(b - a, c - a))
    total = np.zeros((len(points), 3), np.float64)
    for k in range(3):
        np.add.at(total, faces[:, k], normal)
    return _unit(total).astype(np.float32)


def codes(colours: Float) -> Byte:
    """8-bit codes of 0..1, cut off as the official maps are."""
    return (np.clip(colours, 0, 1) * np.float32(255)).astype(np.uint8)


def resized(picture: Byte, side: int) -> Byte:
    """`picture` resized to a square of `side` px as Pillow does (bicubic)."""
    if picture.shape[:2] == (side, side):
        return picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def _unit(vectors: Float) -> Float:
    unit: Float = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit
