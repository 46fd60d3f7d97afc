# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The network's values at points become a field: its second half.

Owns      value.onnx, the field far from the surface, the field's box.
Not here  what points look up (`encoder`).

The network tells distances up to one truncation. Farther away it says +-1, and the hull's distance takes over: values
are multiplied by the hull's where that is more than 1. Signs stay the network's own, also where it overrules the hull.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from fourview.arrays import Float
from fourview.shape.hull import Hull
from fourview.shape.mini.encoder import Rows
from fourview.shape.mini.frame import CELLS, LIMIT, TRUNCATION, cells, hull_parts
from fourview.surface.field import Field

TILE = 8192  # points of a call: the graph's shapes are fixed


def corrected(session: Any, rows: Rows, hull: Hull, fill: float, is_deep_known: bool) -> Field:
    """The field of `hull` as the network corrects it."""

    def value(points: Float) -> Float:
        asked = points * np.float32(fill)
        parts = hull_parts(hull, asked, fill)
        asks = {**rows, "points": np.clip(asked, -1, 1), "hull": np.clip(parts, -LIMIT, LIMIT)}
        says: Float = session.run(None, asks)[0]
        return says * np.maximum(np.abs(np.minimum(*parts.T)), 1) * np.float32(TRUNCATION / fill)

    field = Field(value, hull.bounds, TILE)
    return field if is_deep_known else replace(field, bounds=_deepened(field, fill))


def _deepened(field: Field, fill: float) -> Float:
    """The bounds `(2, 3)` of a field whose depth the hull guessed: a coarse look tells how far it reaches."""
    inside = np.abs(cells()[field(cells() / np.float32(fill)) > 0, 2])  # (k,) depths, network frame
    bounds = field.bounds.copy()
    bounds[1, 2] = max(bounds[1, 2], (inside.max(initial=0) + 2 / CELLS) / fill)
    bounds[0, 2] = -bounds[1, 2]
    return bounds
