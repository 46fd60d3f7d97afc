"""A field: how far inside the object a point lies.

Owns      what an engine promises (`Field`), and batches of one size for fields that need them (`Tiled`).
Not here  where the points come from (`octree`), and what is done with the values (`extract`).

Positive inside, 0 on the surface, negative outside; points and values in box units (CONVENTIONS.md). Values far
from the surface may be any number of the right sign; near it they should grow about evenly, because the surface
is placed between samples by linear interpolation.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fourview.arrays import Float


@dataclass(frozen=True)
class Field:
    """What every engine returns.

    `value` maps points `(n, 3) float32` to `(n,) float32`. It must be pure and *pointwise*: the value at a point may
    not depend, to the last bit, on which other points are asked in the same call (see `tiled`).
    `bounds` `(2, 3)` holds the least and the greatest corner of a box that contains the surface.
    """

    value: Callable[[Float], Float]
    bounds: Float

    def __call__(self, points: Float) -> Float:
        return self.value(points)


def tiled(value: Callable[[Float], Float], tile: int) -> Callable[[Float], Float]:
    """`value`, asked in batches of exactly `tile` points, so that it is pointwise.

    Matrix products round differently for different batch sizes. The last batch is padded with copies of its last point.
    """

    def evaluate(points: Float) -> Float:
        count = len(points)
        out = np.empty(count, np.float32)
        for start in range(0, count, tile):
            batch = points[start : start + tile]
            short = tile - len(batch)
            padded = np.concatenate([batch, np.repeat(batch[-1:], short, axis=0)]) if short else batch
            out[start : start + tile] = value(padded)[: len(batch)]
        return out

    return evaluate
