# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Which triangle is seen at each pixel, by the rules that Hunyuan3D-Paint's conditioning pictures follow.

Owns      coverage, depth and ties by those rules. Not here: the house's own rasteriser (`texture.rasterize`).

NDC -1 and +1 fall on the middles of the first and last pixel; row 0 is NDC y = -1. A pixel is covered where all three
barycentric coordinates lie in 0..1, both included; both faces of a triangle are drawn. Depth is cut to DEPTH_LEVELS;
the smallest (level, face) wins, so the result does not depend on the order of drawing.
"""

from dataclasses import dataclass

import numpy as np

from fourview.arrays import Bool, Float, Int

DEPTH_LEVELS = 2**18
PASS_PIXELS = 1 << 21  # candidate pixels that are tested at once: about 200 MB
EMPTY = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Drawn:
    """`face (h, w)`: 1-based, 0 where nothing is; `weight (h, w, 3)`: perspective-correct barycentrics, 0 there."""

    face: Int
    weight: Float


def draw(clip: Float, faces: Int, size: tuple[int, int]) -> Drawn:
    """Draw triangles `faces (f, 3)` of clip-space vertices `clip (v, 4)` on a picture of `size` (height, width)."""
    height, width = size
    screen = _screen(np.asarray(clip, np.float32), height, width)
    best = np.full(height * width, EMPTY, np.int64)
    low, span = _boxes(screen[faces][..., :2], height, width)
    count = span.prod(axis=1)
    for chosen in _passes(count):
        of = np.repeat(chosen, count[chosen])
        nth = np.arange(len(of)) - np.repeat(np.cumsum(count[chosen]) - count[chosen], count[chosen])
        column, row = low[of, 0] + nth % span[of, 0], low[of, 1] + nth // span[of, 0]
        weight, inside = barycentric(screen, faces[of], column, row)
        depth = _sum(weight * screen[faces[of], 2])
        kept = inside & (depth >= 0)
        token = (depth[kept] * np.float32(DEPTH_LEVELS)).astype(np.int64) * (2**31 - 1) + of[kept] + 1
        np.minimum.at(best, row[kept] * width + column[kept], token)
    face = np.where(best == EMPTY, 0, (best - 1) % (2**31 - 1) + 1).astype(np.int32)
    return Drawn(face.reshape(height, width), _weights(clip, screen, faces, face, width).reshape(height, width, 3))


def barycentric(screen: Float, corners: Int, column: Int, row: Int) -> tuple[Float, Bool]:
    """Screen-linear coordinates `(n, 3)` of pixel middles in triangles, and whether each lies inside, `(n,)`."""
    p = np.stack([column, row], axis=1).astype(np.float32) + np.float32(0.5)
    a, b, c = (screen[corners[:, k], :2] for k in range(3))
    area = _area(a, b, c)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = (1.0 / area.astype(np.float64)).astype(np.float32)
        beta, gamma = _area(a, p, c) * inverse, _area(a, b, p) * inverse
        alpha = (1.0 - beta.astype(np.float64) - gamma.astype(np.float64)).astype(np.float32)
    weight = np.stack([alpha, beta, gamma], axis=1)
    inside = (area != 0) & ((weight >= 0) & (weight <= 1)).all(axis=1)
    return np.where(inside[:, None], weight, 0), inside


def interpolate(drawn: Drawn, faces: Int, values: Float) -> Float:
    """Values of vertices `(v, c)` at each pixel, `(h, w, c) float32`; 0 where nothing is."""
    corner = values[faces[np.maximum(drawn.face, 1) - 1]]
    mixed: Float = (drawn.weight[..., None] * corner).sum(axis=2, dtype=np.float32)
    return mixed


def _screen(clip: Float, height: int, width: int) -> Float:
    """Pixel columns, rows and depth of clip-space vertices, `(v, 3) float32`."""
    x, y, z, w = clip.T
    half = np.float32(0.5)
    column = (x / w * half + half) * np.float32(width - 1) + half
    row = (y / w * half + half) * np.float32(height - 1) + half
    return np.stack([column, row, z / w * np.float32(0.49999) + half], axis=1)


def _boxes(corner: Float, height: int, width: int) -> tuple[Int, Int]:
    """First (column, row) of each triangle's box of pixels, and its (width, height), `(f, 2)`; 0 where outside."""
    last = np.array([width - 1, height - 1])
    finite = np.isfinite(corner).reshape(len(corner), -1).min(axis=1)
    corner = np.where(finite.reshape(-1, 1, 1), corner, -2.0)
    low = np.clip(np.floor(corner.min(axis=1)) - 1, 0, last).astype(np.int64)
    high = np.clip(np.ceil(corner.max(axis=1)), -1, last).astype(np.int64)
    return low, np.maximum(high - low + 1, 0)


def _passes(count: Int) -> list[Int]:
    """The triangles that have pixels, in groups of about PASS_PIXELS."""
    drawn = np.flatnonzero(count)
    group = np.cumsum(count[drawn]) // PASS_PIXELS
    return [part for part in np.split(drawn, np.flatnonzero(np.diff(group)) + 1) if len(part)]


def _weights(clip: Float, screen: Float, faces: Int, face: Int, width: int) -> Float:
    """Perspective-correct barycentrics `(pixels, 3)`."""
    found = np.zeros((len(face), 3), np.float32)
    at = np.flatnonzero(face)
    corners = faces[face[at] - 1]
    linear, _ = barycentric(screen, corners, at % width, at // width)
    weight = linear / np.asarray(clip, np.float32)[corners, 3]
    found[at] = weight / _sum(weight)[:, None]
    return found


def _area(a: Float, b: Float, c: Float) -> Float:
    """Twice the signed area, float32, without fused multiply-add."""
    area: Float = (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1]) - (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1])
    return area


def _sum(values: Float) -> Float:
    total: Float = values[:, 0] + values[:, 1] + values[:, 2]
    return total
