# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What training and use of the network share: its frame, its unit, and the hull that it corrects.

Owns      sizes, the frame and the unit; the cells of the coarse volume; the hull's parts as the network takes them.
Not here  the pictures (`encoder`), what becomes of the network's values (`field`), its layers (`training/network.py`).

Frame: pictures cover the square [-1, 1] x [-1, 1] across and up, points the cube [-1, 1]^3, +Y up, the object faces
+Z. The object fills about 0.85 of that, or half where neither left nor right is given, to leave room for unknown depth:
network frame = box units * fill. The unit of values is the truncation, TRUNCATION of the network's frame.
"""

from collections.abc import Iterable

import numpy as np

from fourview.arrays import Float
from fourview.shape.hull import Hull

PIXELS = 256  # side of a picture
CELLS = 32  # cells of the coarse volume along each axis
FILL_KNOWN, FILL_DEEP = 0.85, 0.5
TRUNCATION = 0.06
LIMIT = 4.0  # truncations at which the hull's parts are cut


def fill_of(names: Iterable[str]) -> float:
    """How much of the frame the object fills where the views `names` are given."""
    return FILL_KNOWN if {"left", "right"} & set(names) else FILL_DEEP


def cells() -> Float:
    """The middles of the coarse volume's cells `(32^3, 3) float32`, in the order z, y downward, x."""
    at = (np.arange(CELLS, dtype=np.float32) + 0.5) * np.float32(2 / CELLS) - 1
    z, y, x = np.meshgrid(at, -at, at, indexing="ij")
    return np.stack([x, y, z], axis=-1).reshape(-1, 3)


def hull_parts(hull: Hull, points: Float, fill: float) -> Float:
    """The parts `(n, 2)` of `hull`, truncations, at `points (n, 3) float32` of the network's frame."""
    parts: Float = hull.parts(points / np.float32(fill)) * np.float32(fill / TRUNCATION)
    return parts
