# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The colour of a textured surface at any place.

Owns      looking up uv, also that of foreign files. Not here: pixels (`texture.project.sample`).
"""

import numpy as np

from fourview.arrays import Float
from fourview.texture.project import sample
from fourview.texture.texture import Texture


def colours_at(texture: Texture, uv: Float) -> Float:
    """Linear colours `(n, 3)` at `uv (n, 2)`, between the four nearest texels; beyond 0..1 the texture repeats."""
    uv = np.where((uv < 0) | (uv > 1), uv - np.floor(uv), uv)
    rows, columns = texture.albedo.shape[:2]
    return sample(texture.albedo, np.stack([uv[:, 0] * columns, (1 - uv[:, 1]) * rows], axis=1))
