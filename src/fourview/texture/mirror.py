# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A side that is in no picture is painted like the other side, where the object is symmetric.

Owns      whether left mirrors right, and what a mirrored view shows. Not here: filling the rest (`inpaint`).

Most objects with a front have a left that mirrors their right. Whether this one has is measured in the front picture:
the mirror image of each point that it shows must be in the picture too, with about the same colour.
"""

from collections.abc import Sequence

import numpy as np

from fourview.arrays import Bool, Float
from fourview.texture.blend import CLEAR, mix
from fourview.texture.project import Source, look

MIRROR = np.array([-1.0, 1.0, 1.0])
SAME_SHAPE = 0.85  # share of the points seen from the front whose mirror image is seen as well
SAME_LIGHT = 0.08  # mean difference of linear light between the two; a badge on one breast is well below it


def mirrored_sources(sources: Sequence[Source], points: Float, normals: Float) -> list[Source]:
    """The side view whose opposite is missing, if points `(n, 3)` show that the object is symmetric; else none."""
    side = [s for s in sources if s.name in ("left", "right")]
    front = [s for s in sources if s.name == "front"]
    if len(side) != 1 or not front:
        return []
    light, facing, trust = look(front[0], points, normals, normals)
    there, facing_there, trust_there = look(front[0], points * MIRROR, normals * MIRROR, normals * MIRROR)
    seen = (facing > CLEAR) & (trust > 0)
    both = seen & (facing_there > 0) & (trust_there > 0)
    if both.sum() < SAME_SHAPE * seen.sum() or not both.any():
        return []
    return side if np.abs(light - there)[both].mean() < SAME_LIGHT else []


def mix_all(
    sources: Sequence[Source], mirrored: Sequence[Source], points: Float, normals: Float, slopes: Float
) -> tuple[Float, Float, Bool]:
    """As `mix`, and where no source sees a point, what those `mirrored` show at its mirror image.

    Light `(n, 3)`, sureness `(n,)`, and whether a source itself saw the point `(n,)`.
    """
    light, sure = mix(sources, points, normals, slopes)
    seen = sure > 0
    if mirrored:
        guess, sure_guess = mix(mirrored, points * MIRROR, normals * MIRROR, slopes * MIRROR)
        added = (1 - sure) * sure_guess
        both = sure + added
        light += (added / np.maximum(both, 1e-6))[:, None] * (guess - light)
        sure = both
    return light, sure, seen
