# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The network's first half: views become the rows that points look up, once for each object.

Owns      framed views -> the network's pictures; encode.onnx.
Not here  the values at points (`field`), the frame (`frame`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from fourview.arrays import Float
from fourview.shape.hull import Hull
from fourview.shape.mini.frame import CELLS, LIMIT, PIXELS, cells, hull_parts
from fourview.sides import SIDES
from fourview.views.view import View

Rows = dict[str, Float]  # maps (4 * side^2, c), volume (32^3, c), present (4,): a row for each pixel or cell


def encode(session: Any, views: Sequence[View], hull: Hull, fill: float) -> Rows:
    """The rows that points look up, from the views and their hull."""
    coarse = np.clip(hull_parts(hull, cells(), fill), -LIMIT, LIMIT).reshape(CELLS, CELLS, CELLS, 2)
    rows = session.run(None, {"pictures": network_pictures(views, fill), "coarse": coarse})
    return dict(zip(("maps", "volume", "present"), rows, strict=True))


def network_pictures(views: Sequence[View], fill: float) -> Float:
    """`(4, 4, 256, 256) float32`: straight colours and matte of the square that spans +-1 / `fill` box units.

    Views in the order of CONVENTIONS.md; a missing one is empty.
    """
    pictures = np.zeros((4, 4, PIXELS, PIXELS), np.float32)
    for view in views:
        h, w = view.matte.shape
        half_w, half_h = view.camera.half_extent
        right, up = view.camera.view_from_world[:2, 3]  # where the world's middle is, from the picture's
        sides = [((s / fill + right) / half_w + 1) * w / 2 for s in (-1, 1)]
        ends = [(1 - (s / fill + up) / half_h) * h / 2 for s in (1, -1)]
        pad = int(np.ceil(max(0, -sides[0], sides[1] - w, -ends[0], ends[1] - h)))
        span = (float(sides[0]) + pad, float(ends[0]) + pad, float(sides[1]) + pad, float(ends[1]) + pad)
        colours = view.image.astype(np.float32) / 255 * view.matte[..., None]
        planes = np.pad(np.dstack([colours, view.matte]).astype(np.float32), ((pad, pad), (pad, pad), (0, 0)))
        small = [
            np.asarray(Image.fromarray(plane).resize((PIXELS, PIXELS), Image.Resampling.BILINEAR, box=span))
            for plane in np.moveaxis(planes, 2, 0)
        ]
        matte = np.clip(small[3], 0, 1)
        straight = [np.clip(c / np.maximum(matte, 1e-3), 0, 1) for c in small[:3]]
        pictures[list(SIDES).index(view.name)] = np.stack([*straight, matte])
    return pictures
