# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Several views of one point become one colour.

Owns      how much each view counts, and how sure the result is. Not here: what a view sees (`project`).

The view that faces a point best decides. Others count as their facing comes near to the best one's, so two views
cross-fade around the line where they face the surface alike, and a view that is clearly best counts alone. Plain
cosines as weights would reproduce the given pictures with the least squared error, since a texel fills pixels by its
cosine; high powers of it keep lettering sharpest. The weight of docs/how/texture.md lies between the two. Brightness is
not adjusted: a colour that a picture shows straight on is kept.
"""

from collections.abc import Sequence

import numpy as np

from fourview.arrays import Float
from fourview.texture.project import Source, look, smoothstep

JOIN = 0.1  # share of the best view's facing at which another begins to count
GRAZING, CLEAR = 0.03, 0.15  # cosines: below the first a view counts nothing, from the second on its sureness is 1
RIM_TRUST = 0.5  # factor of a view's weight at its very rim; without another view it still decides alone


def mix(sources: Sequence[Source], points: Float, normals: Float, slopes: Float) -> tuple[Float, Float]:
    """Linear light `(n, 3)` and sureness `(n,)` 0..1 of surface points, 0 where no view sees them. As for `look`."""
    seen = [look(source, points, normals, slopes) for source in sources]
    counts = [facing * (RIM_TRUST + (1 - RIM_TRUST) * trust) for _, facing, trust in seen]
    best = np.maximum(np.max(counts, axis=0), 1e-6)
    total, weight = np.zeros((len(points), 3), np.float32), np.full(len(points), 1e-12, np.float32)
    for (light, _, _), count in zip(seen, counts, strict=True):
        share = count * smoothstep((count / best - JOIN) / (1 - JOIN))
        total += share[:, None] * light
        weight += share
    sure = [smoothstep((facing - GRAZING) / (CLEAR - GRAZING)) for _, facing, _ in seen]
    return total / weight[:, None], np.max(sure, axis=0)
