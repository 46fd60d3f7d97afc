# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Mattes of several pictures of one object: what is uncertain in one view is decided by the colours of the others.

Owns      turning the network's beliefs into silhouettes that fit the pictures' colours and each other.
Not here  the network (`saliency`), edges finer than the working size (`edges`), which parts are kept (`matting`).

The network misses parts in one view that it finds in another, and takes backdrop between parts for subject. The
backgrounds differ from picture to picture, the object does not. So the beliefs of each view are updated in a few
rounds, by the votes of
- the network itself;
- nearby pixels of like colour: mean field with bilateral kernels (Kraehenbuehl and Koltun, "Efficient inference in
  fully connected CRFs with Gaussian edge potentials", 2011) on a sparse bilateral grid (Barron and Poole, "The fast
  bilateral solver", 2016);
- colour: is it commoner in the *other* views' subjects than in this view's background? A view's own subject does not
  vote here, because it would confirm its own mistakes (mean IoU on composites 0.875 with it, 0.911 without). What the
  subject encloses does not vote as background either: a window without the background's colours is no hole;
- the opposite view, whose silhouette is the mirror image of this one's.
"""

from collections.abc import Sequence

import numpy as np

from fourview.arrays import Bool, Byte, Float, Int
from fourview.sides import SIDES
from fourview.views.edges import flood
from fourview.views.saliency import resized

WORKING_SIDE_PX = 256

# Chosen on composites (`benchmarks/mattes.py`, training pack), also with views that disagree in place, scale and slant.
_ROUNDS = 6
_DOUBT = 0.15  # the network is never believed beyond 1 - this
_NEAR_PX, _NEAR_LEVELS = 16.0, 10.0  # pixels this near and this alike vote together
_LIKE_LEVELS = 8.0  # colours of two views this alike are the same colour
_NEAR_VOTE, _COLOUR_VOTE, _OPPOSITE_VOTE = 2.0, 4.0, 3.0  # log odds
_ALONE_VOTE = 1.5  # log odds of the colour vote of a single view, where there are no others
_FEW_PX = 50.0  # the vote of a subject of fewer pixels counts less
# Share of the pixels: a colour rarer than this in both counts as background outside the subject, as subject inside it.
_RARE = 1e-4

_ALIGN_STEP = 4  # silhouettes are laid on each other at a quarter of the working size first


def settle(
    names: Sequence[str], images: Sequence[Byte], beliefs: Sequence[Float], trust: Sequence[float]
) -> list[Float]:
    """Beliefs `(h, w) float32` 0..1 that fit the colours, for small `images (h, w, 3)` and the network's `beliefs`.

    `trust` 0..1: the weight of each view's subject in the votes of the others.
    """
    colours = [_opponent(image) for image in images]
    near = [
        _BilateralGrid(np.hstack([_positions(image.shape) / _NEAR_PX, colour / _NEAR_LEVELS]))
        for image, colour in zip(images, colours, strict=True)
    ]
    like = _BilateralGrid(np.concatenate(colours) / _LIKE_LEVELS)
    cells = np.split(like.cell, np.cumsum([len(c) for c in colours])[:-1])  # per view (n,)
    opposite_names = [SIDES[name].opposite for name in names]
    opposite = [names.index(name) if name in names else None for name in opposite_names]
    given = [_log_odds(b.astype(np.float64)) for b in beliefs]  # per view (h, w), as all beliefs here
    now = [_sigmoid(g) for g in given]
    weights = np.asarray(trust, float) + 1e-3  # (views,)
    for _ in range(_ROUNDS):
        subject = np.stack([like.shares(c, np.where(b > 0.5, b, 0)) for c, b in zip(cells, now, strict=True)])
        outside = [_reaches_border(b < 0.5) for b in now]  # per view (h, w)
        ground = np.stack([like.shares(c, np.where(o, 1 - b, 0)) for c, b, o in zip(cells, now, outside, strict=True)])
        pooled = (weights[:, None] * subject).sum(axis=0)  # (cells,)
        for k, cell in enumerate(cells):
            shape = now[k].shape
            others = weights.sum() - weights[k]
            share, weight = subject[k], _ALONE_VOTE
            if len(names) > 1:
                share, weight = (pooled - weights[k] * subject[k]) / others, _COLOUR_VOTE
            rare = np.where(outside[k] | (now[k] >= 0.5), _RARE, -_RARE)
            inside, against = (shares[cell].reshape(shape) for shares in (share, ground[k]))
            like_subject = (inside - against - rare) / (inside + against + _RARE)  # -1..1
            votes = _NEAR_VOTE * _vote(near[k].average(now[k]).reshape(shape)) + weight * like_subject
            other = opposite[k]
            if other is not None:
                votes = votes + _OPPOSITE_VOTE * weights[other] * _vote(_laid_on(now[other][:, ::-1], now[k]))
            now[k] = _sigmoid(given[k] + votes)
    return [b.astype(np.float32) for b in now]


def _reaches_border(region: Bool) -> Bool:
    """The parts of `region (h, w)` that touch the picture's border."""
    border = np.ones_like(region)
    border[1:-1, 1:-1] = False
    return flood(region, border)


def _vote(belief: Float) -> Float:
    return 2 * belief - 1


def _laid_on(belief: Float, target: Float) -> Float:
    """`belief (h, w)`, shifted and perhaps scaled so that it covers `target (h', w')` best; 0 beyond its picture."""
    zooms = {1.0} if belief.shape == target.shape else set()
    reach = _height(target) / max(_height(belief), 1)
    if 0.25 < reach < 4:
        zooms.add(reach)
    best, best_fit = np.zeros_like(target), -1.0
    for zoom in sorted(zooms):
        size = (max(1, round(belief.shape[0] * zoom)), max(1, round(belief.shape[1] * zoom)))
        laid = _best_shift(belief if zoom == 1 else resized(belief, size).astype(np.float64), target)
        fit = float(np.minimum(laid, target).sum() / max(np.maximum(laid, target).sum(), 1))
        if fit > best_fit:
            best, best_fit = laid, fit
    return best


def _height(belief: Float) -> int:
    rows = np.flatnonzero((belief > 0.5).any(axis=1))
    return int(rows[-1] - rows[0] + 1) if len(rows) else 0


def _best_shift(belief: Float, target: Float) -> Float:
    """`belief` moved in whole pixels to where its product with `target` is greatest, in the target's picture."""
    a, b = _shrunk(belief), _shrunk(target)
    size = (a.shape[0] + b.shape[0], a.shape[1] + b.shape[1])
    match = np.fft.irfft2(np.fft.rfft2(b, size) * np.conj(np.fft.rfft2(a, size)), size)
    peak = np.unravel_index(np.argmax(np.round(match, 6)), size)
    row, column = (int(p if p < n else p - s) * _ALIGN_STEP for p, n, s in zip(peak, b.shape, size, strict=True))
    moved = [_shifted(belief, row + r, column + c, target.shape) for r in (-2, 0, 2) for c in (-2, 0, 2)]
    return max(moved, key=lambda m: float((m * target).sum()))


def _shrunk(belief: Float) -> Float:
    """`belief` averaged over squares of `_ALIGN_STEP` pixels; 0 stands beyond its edge."""
    step = _ALIGN_STEP
    padded = np.pad(belief, [(0, -side % step) for side in belief.shape])
    rows, columns = padded.shape[0] // step, padded.shape[1] // step
    means: Float = padded.reshape(rows, step, columns, step).mean(axis=(1, 3))
    return means


def _shifted(belief: Float, down: int, right: int, shape: tuple[int, ...]) -> Float:
    """`belief` with its first pixel at (`down`, `right`) of a picture of `shape`, cut off and filled with 0."""
    out = np.zeros(shape)
    height, width = min(belief.shape[0], shape[0] - down), min(belief.shape[1], shape[1] - right)
    top, left = max(0, -down), max(0, -right)
    if height > top and width > left:
        out[down + top : down + height, right + left : right + width] = belief[top:height, left:width]
    return out


def _opponent(image: Byte) -> Float:
    """Brightness, red-blue and green-magenta `(n, 3)`, in levels."""
    red, green, blue = image.reshape(-1, 3).astype(np.float64).T
    return np.stack([(red + green + blue) / 3, 0.7 * (red - blue), 0.7 * (green - (red + blue) / 2)], axis=1)


def _positions(shape: tuple[int, ...]) -> Float:
    row, column = np.mgrid[: shape[0], : shape[1]]
    return np.stack([row.ravel(), column.ravel()], axis=1).astype(np.float64)


def _log_odds(belief: Float) -> Float:
    belief = np.clip(belief, _DOUBT, 1 - _DOUBT)
    return np.log(belief / (1 - belief))


def _sigmoid(x: Float) -> Float:
    return 1 / (1 + np.exp(-x))


class _BilateralGrid:
    """The occupied cells of a grid over features `(n, d)`, cell width 1, and how they neighbour each other."""

    def __init__(self, features: Float) -> None:
        place = np.floor(features - features.min(axis=0)).astype(np.int64) + 1  # (n, d), a free cell on either side
        stride = np.cumprod(np.r_[1, place.max(axis=0) + 2])[:-1]
        keys, self.cell = np.unique(place @ stride, return_inverse=True)  # (cells,), (n,)
        self.count = len(keys)
        self._next = [np.stack([self._find(keys, keys - s), self._find(keys, keys + s)]) for s in stride]

    def shares(self, cell: Int, weight: Float) -> Float:
        """How the weights `(h, w)` of pixels in cells `cell (n,)` spread over all `(cells,)`, summing to about 1."""
        return self._blur(np.bincount(cell, weight.ravel(), self.count)) / max(float(weight.sum()), _FEW_PX)

    def average(self, value: Float) -> Float:
        """The mean of `value`, n in any shape, around each of the n points, `(n,)`."""
        total = self._blur(np.bincount(self.cell, value.ravel(), self.count))
        count = self._blur(np.bincount(self.cell, minlength=self.count))
        means: Float = (total / count)[self.cell]
        return means

    @staticmethod
    def _find(keys: Int, wanted: Int) -> Int:
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[at] == wanted, at, len(keys))  # the last, an empty cell, where there is none

    def _blur(self, values: Float | Int) -> Float:
        for before, after in self._next:
            padded = np.append(values, 0.0)
            values = (2 * values + padded[before] + padded[after]) / 4
        return values.astype(np.float64)
