# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Soft edges: how much of each pixel along a silhouette belongs to the subject.

Owns      un-mixing colours in a narrow band along a silhouette; distances, connected parts and means of pixels.
Not here  where the silhouette runs (`backdrop`, `agreement`).

A pixel on the edge mixes the colours of subject and backdrop. Each of these is measured on its side of the band, and
the pixel's place on the line between them is its opacity.
"""

import mahotas
import numpy as np

from fourview.arrays import Bool, Float, Int

_TEXTURE_LEVELS = 25.0  # where the two colours differ by less than this, opacity is not measured from them


def soften(image: Float, silhouette: Bool, width_px: float, backdrop: Float | None = None) -> Float:
    """The matte `(h, w) float32` of a silhouette whose true edge lies within `width_px` of it.

    `image (h, w, 3)` in levels; `backdrop (h, w, 3)`: its colours, if known; else they are taken from nearby pixels.
    """
    matte = silhouette.astype(np.float32)
    if silhouette.all() or not silhouette.any():
        return matte
    inside, outside = depth(silhouette), depth(~silhouette)  # (h, w) px, one of them 0 everywhere
    band = np.maximum(inside, outside) <= width_px
    rows, columns = (np.flatnonzero(band.any(axis=axis)) for axis in (1, 0))
    margin = int(3 * width_px) + 2
    window = tuple(slice(max(k[0] - margin, 0), k[-1] + margin + 1) for k in (rows, columns))
    image, band, inside, outside = image[window], band[window], inside[window], outside[window]
    radius = int(np.ceil(2 * width_px)) + 1
    subject, has_subject = local_mean(image, inside > width_px, radius)
    if backdrop is None:
        ground, has_ground = local_mean(image, outside > width_px, radius)
    else:
        ground, has_ground = backdrop[window], np.ones_like(has_subject)
    line = subject - ground
    contrast = (line * line).sum(axis=2)
    share = np.clip(((image - ground) * line).sum(axis=2) / np.maximum(contrast, 1), 0, 1)
    ramp = np.clip(0.5 + (inside - outside) / 2, 0, 1)  # the silhouette itself, one pixel soft
    known = contrast / (contrast + _TEXTURE_LEVELS**2) * (has_subject & has_ground)
    if backdrop is not None:  # strokes without an inside: the strongest pixel nearby counts as opaque
        away = np.sqrt(((image - ground) ** 2).sum(axis=2))
        strongest = _dilated(away, 2)
        ramp = np.where(has_subject, ramp, np.clip(away / np.maximum(strongest, _TEXTURE_LEVELS), 0, 1))
    matte[window] = np.where(band, known * share + (1 - known) * ramp, matte[window])
    return matte


def depth(region: Bool) -> Float:
    """How far each pixel of `region (h, w)` is from the nearest pixel outside it, px; 0 outside."""
    if region.all():
        return np.full(region.shape, float(max(region.shape)))
    away: Float = np.sqrt(mahotas.distance(region))
    return away


def flood(region: Bool, seed: Bool) -> Bool:
    """The connected parts of `region` that hold a pixel of `seed`; pixels are connected by their sides."""
    labels, count = mahotas.label(region)
    reached = np.zeros(count + 1, bool)
    reached[labels[seed & region]] = True
    reached[0] = False
    joined: Bool = reached[labels]
    return joined


def parts(region: Bool) -> tuple[Int, Int]:
    """Labels `(h, w)` of the connected parts, also connected by corners, 0 outside; their areas `(parts + 1,)` px."""
    labels, count = mahotas.label(region, np.ones((3, 3), bool))
    areas: Int = np.bincount(labels.ravel(), minlength=count + 1)
    areas[0] = 0
    return labels, areas


def local_mean(values: Float, where: Bool, radius: int) -> tuple[Float, Bool]:
    """The mean of `values (h, w, c)` over the pixels `where` in a square around each pixel; whether there were any."""
    count = box_sum(where, radius)
    means = np.empty(values.shape, np.float32)
    for c in range(values.shape[2]):  # one at a time: the sums are float64
        means[..., c] = box_sum(np.where(where, values[..., c], 0), radius) / np.maximum(count, 1)
    return means, count > 0.5


def box_sum(values: Float | Bool, radius: int) -> Float:
    """Sums of `values (h, w)` over squares of side `2 radius + 1`, cut at the border, float64."""
    total = values.astype(np.float64)
    for axis in (0, 1):
        side = total.shape[axis]
        run = np.insert(np.cumsum(total, axis=axis), 0, 0, axis=axis)
        high = np.minimum(np.arange(side) + radius + 1, side)
        low = np.maximum(np.arange(side) - radius, 0)
        total = run.take(high, axis) - run.take(low, axis)
    return total


def _dilated(values: Float, radius: int) -> Float:
    """The greatest of `values (h, w)` in a square around each pixel."""
    for axis in (0, 1):
        side = values.shape[axis]
        padded = np.pad(values, [(radius, radius) if k == axis else (0, 0) for k in (0, 1)], mode="edge")
        for k in range(2 * radius + 1):
            values = np.maximum(values, padded.take(range(k, k + side), axis))
    return values
