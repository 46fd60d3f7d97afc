# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Keying: what stands before a backdrop of one colour is found without a network.

Owns      whether the border shows one colour (perhaps with a gentle gradient, a vignette, noise), what differs from it.
Not here  soft edges (`edges`), what is done where colour does not decide (`matting` asks the network there).
"""

from dataclasses import dataclass

import numpy as np

from fourview.arrays import Bool, Byte, Float
from fourview.views.edges import box_sum, depth, flood, parts

# The backdrop, as the border shows it.
_RIM_SHARE = 0.02  # of the shorter side
_RIM_SAMPLES = 4000
_RIM_PLAIN_SHARE = 0.8  # of the rim must be backdrop; the subject may leave the picture over the rest
_NOISE_MAX_LEVELS = 5.0  # standard deviation; sensor noise and JPEG have less, textures more
_SLOPE_MAX_LEVELS = 70.0  # how much a gradient may change over the picture; a wall in uneven light changes more

# What differs from it.
_TOLERANCE_LEVELS = 9.0  # at least; JPEG moves flat areas beside an edge by this much
_FAINT_LEVELS = 4.0  # contrast below the tolerance, but above noise: white china before white paper
_FAINT_LEAST_SHARE = 0.02  # of the subject
_SPECK_SHARE = 0.0002  # of the picture: smaller parts are no subject
_HOLE_SURE_SHARE = 0.015  # of the subject: an enclosed area of backdrop colour this large is a hole
_HOLE_LEAST_SHARE = 0.001  # of the subject: a smaller one is a highlight or an eye, and is kept solid

# Shadows darken the backdrop and begin without an edge.
_SHADOW_DARKEST = 0.3
_SHADOW_HUE_LEVELS = 12.0
_SHADOW_SLOPE_LEVELS = 14.0  # levels a pixel, in a picture of 512; edges of objects are steeper
_SHADOW_RING_PX = 4.0  # in a picture of 512


@dataclass(frozen=True)
class Keyed:
    """`silhouette (h, w)`; `doubtful (h, w)`: what may be shadow, hole or subject of the backdrop's colour;
    `backdrop (h, w, 3) float32` levels: what would be seen without the subject."""

    silhouette: Bool
    doubtful: Bool
    backdrop: Float


def key(image: Byte) -> Keyed | None:
    """What stands before the plain backdrop of `image (h, w, 3)`, or None where the backdrop is not plain."""
    pixels = image.astype(np.float32)
    found = _fit_backdrop(pixels)
    if found is None:
        return None
    backdrop, noise = found
    away = np.abs(pixels - backdrop).max(axis=2)
    tolerance = max(_TOLERANCE_LEVELS, 4 * noise)
    plain = away < tolerance
    if _interruptions(plain) > 1:
        return None
    ground = flood(plain, _rim(plain.shape))
    labels, areas = parts(~ground)
    ground |= (areas < _SPECK_SHARE * ground.size)[labels]
    area = max(int(np.count_nonzero(~ground)), 1)
    holes, hole_areas = parts(plain & ~ground & (depth(~ground) > 1))
    level = np.bincount(holes.ravel(), away.ravel()) / np.maximum(hole_areas, 1)  # (holes + 1,)
    like_backdrop = level < max(3.0, 1.5 * noise)
    through = like_backdrop & (hole_areas >= _HOLE_SURE_SHARE * area)
    unsure = like_backdrop & ~through & (hole_areas >= _HOLE_LEAST_SHARE * area)
    silhouette = ~ground & ~through[holes]
    shadow = _shadow(pixels, backdrop, ground, noise)
    doubtful = unsure[holes]
    if np.count_nonzero(shadow) > 0.003 * area:
        doubtful = doubtful | shadow
    else:
        silhouette &= ~shadow
    faint = ground & (box_sum(away > max(_FAINT_LEVELS, 3 * noise), 2) > 22)  # nearly all of 5 x 5 pixels
    is_pale = np.count_nonzero(faint) > _FAINT_LEAST_SHARE * area
    if is_pale or _has_weak_edge(silhouette & ~shadow, away, tolerance):
        doubtful = doubtful | (ground & _surroundings(silhouette | faint if is_pale else silhouette))
    return Keyed(silhouette, doubtful, backdrop)


def _rim(shape: tuple[int, ...]) -> Bool:
    rim = np.ones(shape[:2], bool)
    width = max(2, round(_RIM_SHARE * min(shape[:2])))
    rim[width:-width, width:-width] = False
    return rim


def _interruptions(plain: Bool) -> int:
    """How many runs of the picture's border are not backdrop: a subject makes one, clutter more."""
    around = np.concatenate([plain[0], plain[1:-1, -1], plain[-1, ::-1], plain[-2:0:-1, 0]]).astype(int)
    width = max(3, len(around) // 100)  # shorter ones are noise
    covered = np.cumsum(np.concatenate([1 - around, 1 - around[:width]]))
    other = covered[width:] - covered[:-width] > width // 2
    return int(np.count_nonzero(other & ~np.roll(other, 1)))


def _fit_backdrop(pixels: Float) -> tuple[Float, float] | None:
    """The backdrop `(h, w, 3)`, a quadratic fitted robustly to the border, and its noise, levels; None if not plain."""
    height, width = pixels.shape[:2]
    rows, columns = np.nonzero(_rim(pixels.shape))
    step = max(1, len(rows) // _RIM_SAMPLES)
    rows, columns = rows[::step], columns[::step]
    seen = pixels[rows, columns].astype(np.float64)  # (n, 3)
    at = np.stack(_terms(2 * rows / (height - 1) - 1, 2 * columns / (width - 1) - 1), axis=1)  # (n, 6)
    keep = np.abs(seen - np.median(seen, axis=0)).max(axis=1) < _SLOPE_MAX_LEVELS
    for _ in range(5):
        if np.mean(keep) < 0.5:
            return None
        terms, colours = at[keep], seen[keep]
        square = (terms[:, :, None] * terms[:, None, :]).sum(axis=0)  # sums, no matrix products: equal bits
        mixed = (terms[:, :, None] * colours[:, None, :]).sum(axis=0)  # for any number of threads
        weights = np.linalg.solve(square + 1e-6 * np.eye(6), mixed)  # (6, 3)
        fitted = (at[:, :, None] * weights).sum(axis=1)  # (n, 3)
        left = np.abs(seen - fitted).max(axis=1)
        noise = 1.48 * float(np.median(left[keep])) / 1.6  # the median of the greatest of three is 1.6 of one's
        keep = left < max(6.0, 4 * noise)
    slope = float((fitted.max(axis=0) - fitted.min(axis=0)).max())
    if np.mean(keep) < _RIM_PLAIN_SHARE or noise > _NOISE_MAX_LEVELS or slope > _SLOPE_MAX_LEVELS:
        return None
    row = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    column = np.linspace(-1, 1, width, dtype=np.float32)
    backdrop = np.zeros(pixels.shape, np.float32)
    for term, weight in zip(_terms(row, column), weights.astype(np.float32), strict=True):
        backdrop += np.asarray(term)[..., None] * weight
    return np.clip(backdrop, 0, 255), noise


def _terms(row: Float, column: Float) -> list[Float]:
    """The six terms of a quadratic in the place in the picture, -1..1 each way."""
    return [np.ones_like(row), row, column, row * row, column * column, row * column]


def _shadow(pixels: Float, backdrop: Float, ground: Bool, noise: float) -> Bool:
    """The pixels `(h, w)` that are darker backdrop and border on it without an edge."""
    bright = (backdrop * backdrop).sum(axis=2)
    share = (pixels * backdrop).sum(axis=2) / np.maximum(bright, 1)
    hue = np.abs(pixels - share[..., None] * backdrop).max(axis=2)
    smooth = box_sum(pixels.mean(axis=2), 1) / 9
    scale = float(np.max(pixels.shape)) / 512
    slope = np.hypot(*np.gradient(smooth)) * scale
    darker = (share > _SHADOW_DARKEST) & (share < 1) & (hue < max(_SHADOW_HUE_LEVELS, 4 * noise)) & (bright > 3 * 50**2)
    reached = flood(ground | (darker & (slope < _SHADOW_SLOPE_LEVELS + noise)), ground)
    rests, areas = parts(darker & ~reached)  # a shadow's steepest ring, between what is reached
    thickest = np.zeros(len(areas))
    np.maximum.at(thickest, rests.ravel(), depth(rests > 0).ravel())
    return (reached | ((thickest < _SHADOW_RING_PX * scale) & (areas > 0))[rests]) & ~ground


def _has_weak_edge(silhouette: Bool, away: Float, tolerance: float) -> bool:
    """Whether the subject's colour runs into the backdrop's along a part of its outline."""
    inner = depth(silhouette)
    outline = (inner > 1.5) & (inner <= 3)
    return bool(outline.any()) and float(np.mean(away[outline] < 2 * tolerance)) > 0.1


def _surroundings(silhouette: Bool) -> Bool:
    """The box around the silhouette, a tenth larger."""
    around = np.zeros_like(silhouette)
    rows, columns = (np.flatnonzero(silhouette.any(axis=axis)) for axis in (1, 0))
    if len(rows):
        pad = max(rows[-1] - rows[0], columns[-1] - columns[0]) // 10
        around[max(rows[0] - pad, 0) : rows[-1] + pad + 1, max(columns[0] - pad, 0) : columns[-1] + pad + 1] = True
    return around
