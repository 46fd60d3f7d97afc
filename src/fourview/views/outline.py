# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Measures of an outline: where a matte ends, which parts of it count, what it covers of coarser cells.

Owns      facts about one matte. Not here: how mattes compare (`framing`, `swaps`), how they are made (`matting`).
"""

from dataclasses import dataclass

import mahotas
import numpy as np

from fourview.arrays import Bool, Float, Int
from fourview.errors import PictureError

SPECK = 0.002  # share of the outline: parts smaller than this are ignored where the object's ends are measured
THIN = 0.012  # share of the outline's larger side: strokes thinner than twice this may be missing in other views
LEAST_PX = 0.5  # thinner outlines count as this thick, because sizes are divided by


@dataclass(frozen=True)
class Outline:
    """Where the object ends in a picture: crossings of 0.5, in pixels with fractions."""

    left: float
    right: float
    top: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


def main_parts(name: str, matte: Float) -> Float:
    """The matte without specks, so that a stray pixel does not move the object's end."""
    if not (matte >= 0.5).any():
        raise PictureError(f"the '{name}' picture shows no object; its matte never reaches one half: check the cut-out")
    labels, is_speck = _parts(matte)
    return np.where(is_speck[labels], np.float32(0), matte)


def pieces(matte: Float) -> int:
    """How many parts of the outline are no specks; pixels that touch at a corner are connected."""
    return int(np.count_nonzero(~_parts(matte)[1])) - 1


def _parts(matte: Float) -> tuple[Int, Bool]:
    """The connected parts of an outline: labels `(h, w)`, 0 outside; which are specks `(parts + 1,)`."""
    labels, count = mahotas.label(matte >= 0.5, np.ones((3, 3), bool))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    is_speck = (sizes < SPECK * sizes.sum()) & (sizes < sizes.max())
    is_speck[0] = False
    return labels, is_speck


def outline(matte: Float) -> Outline:
    """Where the matte crosses one half, to a fraction of a pixel."""
    left, right = _ends(matte.max(axis=0))
    top, bottom = _ends(matte.max(axis=1))
    return Outline(left, right, top, bottom)


def _ends(profile: Float) -> tuple[float, float]:
    """First and last crossing of one half along a profile whose samples lie at +0.5, outside it 0."""
    padded = np.concatenate([[0.0], profile.astype(np.float64), [0.0]])
    inside = np.flatnonzero(padded >= 0.5)
    first, last = int(inside[0]), int(inside[-1])
    low = first - 0.5 - (padded[first] - 0.5) / (padded[first] - padded[first - 1])
    high = last - 0.5 + (padded[last] - 0.5) / (padded[last] - padded[last + 1])
    short = max(0.0, LEAST_PX - (high - low)) / 2
    return float(low - short), float(high + short)


def without_strokes(matte: Float) -> Float:
    """The matte where it is wider than a stroke: an opening by a disc. An object of strokes alone is kept whole."""
    whole = outline(matte)
    radius = THIN * max(whole.width, whole.height)
    inside = np.pad(matte >= 0.5, 1)
    core = mahotas.distance(inside) > radius**2
    if not core.any():
        return matte
    opened: Bool = (mahotas.distance(~core) <= (radius + 1) ** 2)[1:-1, 1:-1]
    return np.where(opened, matte, np.float32(0))


def averages(values: Float, edges: Float) -> Float:
    """Mean of `values (n, ...)` between neighbours of ascending `edges (m + 1,)`, `(m, ...)`; 0 beyond the ends.

    Differences of cumulated sums, no matrix product: faster, and equal to the last bit for any number of threads.
    """
    size = len(values)
    flat = values.reshape(size, -1).astype(np.float64)
    below = np.concatenate([np.zeros((1, flat.shape[1])), np.cumsum(flat, axis=0)])
    at = np.clip(edges, 0, size)
    whole = np.minimum(at.astype(int), size - 1)
    sums = below[whole] + (at - whole)[:, None] * flat[whole]
    means: Float = np.diff(sums, axis=0) / np.diff(edges)[:, None]
    return means.reshape(-1, *values.shape[1:])


def resampled(picture: Float, rows: Float, columns: Float) -> Float:
    """The picture `(h, w, ...)` averaged over the cells between edges `rows` and `columns`, pixels, `(r, c, ...)`."""
    return averages(averages(picture, rows).swapaxes(0, 1), columns).swapaxes(0, 1)
