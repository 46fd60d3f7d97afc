"""Several pictures of one object agree: what is uncertain in one view is settled by the colours of the others.

Owns      turning the network's beliefs into silhouettes that fit the pictures' colours and each other.
Not here  the network (`saliency`), edges finer than the working size (`edges`), which parts are kept (`matting`).

The network misses parts in one view that it finds in another, and takes in backdrop that shows through. The
backgrounds differ from picture to picture, the object's colours do not. So each view's beliefs are updated, a few
rounds, by three votes: the network's own, that of nearby pixels of like colour (mean field with bilateral kernels:
Kraehenbuehl and Koltun, "Efficient inference in fully connected CRFs with Gaussian edge potentials", 2011, on a
sparse bilateral grid: Barron and Poole, "The fast bilateral solver", 2016), and whether this colour is commoner in
the *other* views' subjects than in this view's background. A view's own subject has no vote in the last: it would
only confirm its mistakes (mean IoU on composites of the training pack 0.875 instead of 0.911).
"""

from collections.abc import Sequence

import numpy as np

from fourview.arrays import Byte, Float, Int

WORKING_SIDE_PX = 256

# Chosen on composites made by `benchmarks/mattes.py` (pack, seed 1); each may be halved or doubled for <= 0.01 IoU.
_ROUNDS = 6
_DOUBT = 0.07  # the network is never believed beyond 1 - this
_NEAR_PX, _NEAR_LEVELS = 16.0, 10.0  # pixels this near and this alike vote together
_LIKE_LEVELS = 8.0  # colours of two views this alike are the same colour
_NEAR_VOTE, _COLOUR_VOTE = 2.0, 4.0  # log odds
_ALONE_VOTE = 2.0  # log odds of the colour vote when there is no other view and the subject must speak for itself
_FEW_PX = 50.0  # a subject of fewer pixels does not get the full word
_RARE = 1e-5  # a share of the pixels below which a colour says nothing


def settle(images: Sequence[Byte], beliefs: Sequence[Float], trust: Sequence[float]) -> list[Float]:
    """Beliefs `(h, w) float32` 0..1 that fit the colours, for small `images (h, w, 3)` and the network's `beliefs`.

    `trust` 0..1 says how much each view's subject may tell the others.
    """
    colours = [_opponent(image) for image in images]
    near = [_BilateralGrid(np.hstack([_positions(i.shape) / _NEAR_PX, c / _NEAR_LEVELS]))
            for i, c in zip(images, colours, strict=True)]  # fmt: skip
    like = _BilateralGrid(np.concatenate(colours) / _LIKE_LEVELS)
    cells = np.split(like.cell, np.cumsum([len(c) for c in colours])[:-1])
    given = [_log_odds(b.reshape(-1).astype(np.float64)) for b in beliefs]
    now = [_sigmoid(g) for g in given]
    weights = np.asarray(trust, float)
    for _ in range(_ROUNDS):
        subject = np.stack([like.shares(c, np.where(b > 0.5, b, 0)) for c, b in zip(cells, now, strict=True)])
        ground = [like.shares(c, np.where(b < 0.5, 1 - b, 0)) for c, b in zip(cells, now, strict=True)]
        pooled = (weights[:, None] * subject).sum(axis=0)  # (cells,)
        for k, cell in enumerate(cells):
            others = weights.sum() - weights[k]
            share, vote = (pooled - weights[k] * subject[k], _COLOUR_VOTE) if others > 0 else (subject[k], _ALONE_VOTE)
            share = share / (others if others > 0 else 1.0)
            like_subject = (share - ground[k]) / (share + ground[k] + _RARE)  # -1..1 a cell
            now[k] = _sigmoid(given[k] + _NEAR_VOTE * (2 * near[k].average(now[k]) - 1) + vote * like_subject[cell])
    return [b.reshape(i.shape[:2]).astype(np.float32) for b, i in zip(now, images, strict=True)]


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
        """How the weights of pixels in cells `cell (n,)` spread over all cells, `(cells,)`, summing to about 1."""
        return self._blur(np.bincount(cell, weight, self.count)) / max(float(weight.sum()), _FEW_PX)

    def average(self, value: Float) -> Float:
        """The mean of `value (n,)` around each of the n points."""
        total = self._blur(np.bincount(self.cell, value, self.count))
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
