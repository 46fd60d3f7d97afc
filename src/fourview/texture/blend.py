"""Several views of one point become one colour.

Owns      how much each view counts, and how sure the result is. Not here: what a view sees (`project`).

Every view that sees a point counts, by a high power of its cosine: the view that faces the surface decides, and where
two face it alike they cross-fade over a few degrees. No gains and no levelling: a colour that a picture shows
straight on is kept as it is.
"""

from collections.abc import Sequence

import numpy as np

from fourview.arrays import Float
from fourview.texture.project import Source, look, smoothstep

POWER = 6  # of the cosine: lower blurs where views disagree, higher shows the line where they meet
GRAZING, CLEAR = 0.1, 0.3  # cosines: below the first nothing is taken, from the second on a view is sure of itself
RIM_TRUST = 0.02  # what a view counts at its very rim: little where another sees the point, all where none does


def mix(sources: Sequence[Source], points: Float, normals: Float, slopes: Float) -> tuple[Float, Float]:
    """Linear light `(n, 3)` and sureness `(n,)` 0..1 of surface points, 0 where no view sees them. As for `look`."""
    total, weight = np.zeros((len(points), 3), np.float32), np.zeros(len(points), np.float32)
    sure = np.zeros(len(points), np.float32)
    for source in sources:
        light, facing, trust = look(source, points, normals, slopes)
        certain = smoothstep((facing - GRAZING) / (CLEAR - GRAZING))
        counts = certain * facing**POWER * (RIM_TRUST + (1 - RIM_TRUST) * trust)
        total += counts[:, None] * light
        weight += counts
        np.maximum(sure, certain * (0.5 + 0.5 * trust), out=sure)
    light = np.divide(total, weight[:, None], out=total, where=weight[:, None] > 0)
    return light, np.where(weight > 0, sure, 0)
