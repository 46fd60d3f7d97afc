# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Triangles become pixels: a z-buffer in plain array arithmetic, for pictures and for texture space alike.

Owns      which face each pixel shows, and where on that face it lies.
Not here  cameras (`views.camera.project` makes the pixel positions), colours and light (the callers).

Every row that a triangle crosses becomes one span, every span its pixels; nothing is tried and thrown away, as the
usual test of a bounding box does. A pixel belongs to a triangle when its centre lies in the half-open span between
two edges. The crossing of an edge with a row is computed from the edge's upper end for both triangles that share it,
so it is the same number to the last bit: neighbours leave no crack and share no pixel.
Nearest wins, and among equals the lowest face index: depth and face are packed into one integer whose maximum is kept
(the 64-bit atomic z-buffer of software rasterisers; cf. Schütz et al., "Software Rasterization of 2 Billion Points in
Real Time", 2022), so the order of work does not matter.

Why our own code: nvdiffrast, PyTorch3D and moderngl need a GPU, a compiler or a display; `skimage.draw` draws one
polygon a call.
"""

from dataclasses import dataclass

import numpy as np

from fourview.arrays import Float, Int
from fourview.progress import Tick, no_tick

PASS_PIXELS = 1 << 20  # pixels tried at once: bounds the scratch memory at about 60 MB
MIN_AREA_PX2 = 1e-9  # twice the area below which a face is edge-on: its plane has no usable slope
DEPTH_STEPS = (1 << 31) - 1


@dataclass(frozen=True)
class Fragments:
    """What each pixel shows: `face (h, w) int32`, -1 for none; `barycentric (h, w, 3) float32`, 0 there."""

    face: Int
    barycentric: Float


def rasterize(xy_px: Float, depth: Float | None, faces: Int, size: tuple[int, int]) -> Fragments:
    """The nearest face at each pixel of a picture of `size` (width, height).

    `xy_px (v, 2)` column and row of each vertex, row 0 on top, the middle of the first pixel at (0.5, 0.5);
    `depth (v,)`, greater is nearer, or None for a flat layout, where the lowest face index wins; `faces (f, 3)`,
    either winding.
    """
    width, height = size
    shown = nearest_faces(xy_px, depth, faces, size)
    barycentric = np.zeros((width * height, 3), np.float32)
    at = np.flatnonzero(shown >= 0)
    middle = np.stack([at % width, at // width], axis=1) + 0.5
    weight = np.clip(barycentric_at(xy_px, faces[shown.ravel()[at]], middle), 0, 1)
    barycentric[at] = weight / weight.sum(axis=1, keepdims=True)
    return Fragments(shown, barycentric.reshape(height, width, 3))


def nearest_faces(xy_px: Float, depth: Float | None, faces: Int, size: tuple[int, int], tick: Tick = no_tick) -> Int:
    """Only the face at each pixel `(h, w) int32`, -1 for none; arguments as for `rasterize`."""
    width, height = size
    corner = xy_px.astype(np.float64)[faces]  # (f, 3, 2)
    nearness = _depth_steps(depth)[faces] if depth is not None else None  # (f, 3) 0..DEPTH_STEPS
    best = np.full(width * height, -1, np.int64)

    face, row, left, right = _spans(corner, width, height)
    ends = np.cumsum(right - left)
    start = 0
    while start < len(face):
        tick(start / len(face))
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + PASS_PIXELS, side="right")))
        part = slice(start, stop)
        widths = right[part] - left[part]
        column = np.arange(widths.sum()) - np.repeat(ends[part] - done - right[part], widths)
        pixel = np.repeat(row[part] * width, widths) + column
        key = np.repeat(DEPTH_STEPS - face[part], widths)
        if nearness is not None:
            at_zero, per_column = _depth_along(corner, nearness, face[part], row[part])
            steps = np.repeat(at_zero, widths) + np.repeat(per_column, widths) * column
            key += np.clip(steps, 0, DEPTH_STEPS).astype(np.int64) << 32
        np.maximum.at(best, pixel, key)
        start = stop

    shown = np.where(best >= 0, DEPTH_STEPS - (best & DEPTH_STEPS), -1).astype(np.int32)
    return shown.reshape(height, width)


def interpolate(fragments: Fragments, faces: Int, values: Float) -> Float:
    """Vertex `values (v, c)` at each pixel, `(h, w, c) float32`; 0 where no face is."""
    out = np.zeros((*fragments.face.shape, values.shape[1]), np.float32)
    seen = fragments.face >= 0
    corners = faces[fragments.face[seen]]  # (n, 3)
    weight = fragments.barycentric[seen]  # (n, 3)
    out[seen] = sum(weight[:, k, None] * values[corners[:, k]].astype(np.float32) for k in range(3))
    return out


def barycentric_at(xy_px: Float, corners: Int, point: Float) -> Float:
    """Weights `(n, 3)` with which the vertices `corners (n, 3)` make `point (n, 2)`; beyond 0..1 outside the face."""
    a, b, c = (xy_px.astype(np.float64)[corners[:, k]] for k in range(3))
    ab, ac, ap = b - a, c - a, point - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    at_b = (ap[:, 0] * ac[:, 1] - ap[:, 1] * ac[:, 0]) / area
    at_c = (ab[:, 0] * ap[:, 1] - ab[:, 1] * ap[:, 0]) / area
    return np.stack([1 - at_b - at_c, at_b, at_c], axis=1)


def _spans(corner: Float, width: int, height: int) -> tuple[Int, Int, Int, Int]:
    """Face, row, first column and end column `(s,)` of every row piece of every triangle, within the picture."""
    usable = np.isfinite(corner).all((1, 2)) & (np.abs(_double_area(corner)) > MIN_AREA_PX2)
    index = np.flatnonzero(usable)
    order = np.argsort(corner[index, :, 1], axis=1, kind="stable")
    x = np.take_along_axis(corner[index, :, 0], order, axis=1)  # (f, 3) upper, middle, lower corner
    y = np.take_along_axis(corner[index, :, 1], order, axis=1)
    first = np.ceil(np.clip(y[:, 0], 0, height) - 0.5).astype(np.int64)
    end = np.ceil(np.clip(y[:, 2], 0, height) - 0.5).astype(np.int64)

    rows = end - first
    local = np.repeat(np.arange(len(index)), rows)  # (s,)
    row = np.arange(len(local)) - np.repeat(np.cumsum(rows) - rows - first, rows)
    middle = row + 0.5
    below = (middle >= y[local, 1]).astype(np.int64)  # the short side below the middle corner, not the one above
    one = _crossing(x, y, local, 0, 2, middle)
    other = _crossing(x, y, local, below, 1 + below, middle)
    left = np.ceil(np.clip(np.minimum(one, other), 0, width) - 0.5).astype(np.int64)
    right = np.ceil(np.clip(np.maximum(one, other), 0, width) - 0.5).astype(np.int64)
    kept = right > left
    return index[local][kept], row[kept], left[kept], right[kept]


def _crossing(x: Float, y: Float, face: Int, upper: Int | int, lower: Int | int, middle: Float) -> Float:
    """Column where the edge from the `upper` to the `lower` corner crosses the row through `middle`, `(s,)`."""
    x0, y0, x1, y1 = x[face, upper], y[face, upper], x[face, lower], y[face, lower]
    crossing: Float = x0 + (middle - y0) * ((x1 - x0) / np.maximum(y1 - y0, 1e-300))
    return crossing


def _depth_along(corner: Float, nearness: Float, face: Int, row: Int) -> tuple[Float, Float]:
    """Depth of a span at the middle of column 0, and its change a column, `(s,)` each, in depth steps."""
    (x0, y0), (x1, y1), (x2, y2) = (corner[face, k].T for k in range(3))
    z0, z1, z2 = nearness[face].T
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    per_column = ((z1 - z0) * (y2 - y0) - (z2 - z0) * (y1 - y0)) / area
    per_row = ((z2 - z0) * (x1 - x0) - (z1 - z0) * (x2 - x0)) / area
    return z0 + per_column * (0.5 - x0) + per_row * (row + 0.5 - y0), per_column


def _depth_steps(depth: Float) -> Float:
    """`depth (v,)` spread over 0..DEPTH_STEPS."""
    if len(depth) == 0:
        return depth
    steps: Float = (depth.astype(np.float64) - depth.min()) * (DEPTH_STEPS / max(float(np.ptp(depth)), 1e-30))
    return steps


def _double_area(corner: Float) -> Float:
    """Twice the signed area of each triangle `(f, 3, 2)`."""
    one, other = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area: Float = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    return area
