# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A field: how far inside the object a point lies.

Owns      what an engine promises (`Field`), and batches of equal size for fields that need them.
Not here  where the points come from (`octree`), what is done with the values (`extract`), numpy or torch
          (`array_backend`).

Positive inside, 0 on the surface, negative outside; points and values in box units (CONVENTIONS.md). Values far
from the surface may be any number of the right sign. Near it they should change about linearly, because the surface is
placed between samples by linear interpolation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fourview.arrays import Float
from fourview.surface.array_backend import Array, ArrayBackend


@dataclass(frozen=True)
class Field:
    """What every engine returns.

    `value` maps points `(n, 3) float32` to `(n,) float32`. It must be pure and *pointwise*: the value at a point may
    not depend, to the last bit, on which other points are asked in the same call. Matrix products round differently
    for different batch sizes; a field made of them sets `tile`, and is then asked for exactly `tile` points at a time.
    `bounds` `(2, 3)`, always numpy's, holds the least and the greatest corner of a box that contains the surface.

    The arrays are numpy's by default. A network sets `xp=torch` and its `device`: sampling and extraction then run on
    that device, and only the mesh leaves it. Values of torch carry no gradient (`torch.inference_mode`).
    """

    value: Callable[[Array], Array]
    bounds: Float
    tile: int = 1  # 1: any number of points
    xp: Any = np  # the module: numpy or torch
    device: Any = None  # one of torch's; None is the host

    @property
    def backend(self) -> ArrayBackend:
        """Where the points are made and the values stay."""
        return ArrayBackend(self.xp, self.device)

    def __call__(self, points: Array) -> Array:
        """The values `(n,)` at `points (n, 3)`; the last tile is padded with copies of the last point."""
        if self.tile == 1:
            return self.value(points)
        out = self.xp.empty_like(points[:, 0])
        for start in range(0, len(points), self.tile):
            batch = points[start : start + self.tile]
            filler = self.xp.broadcast_to(batch[-1:], (self.tile - len(batch), 3))
            out[start : start + self.tile] = self.value(self.xp.concatenate([batch, filler]))[: len(batch)]
        return out
