# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Fringes: remains of an old backdrop under a soft alpha.

Owns      finding a fringe, and the alpha without it.
Not here  the colours of the rim, which are grown from inside when the picture is painted on the model
          (`texture.project`).

A picture that was cut out on black and saved without dividing by its alpha fades to black where its alpha falls; one
that was cut out on white fades to white. The fringe has one colour F all around. The object's own colour, the mean of
what lies deeper inside, is another one. The place of a pixel on the line between the two is its share of backdrop. A
drawn outline has one colour all around too, but also where the picture is opaque: it is no fringe.
"""

import numpy as np

from fourview.arrays import Byte, Float
from fourview.notice import Notice
from fourview.views.edges import depth, local_mean

BAND_SHARE = 0.012  # of the picture's longer side: how deep a fringe reaches from the edge,
BAND_LEAST_PX = 6.0  # at least
FAINT, SOFT, SOLID = 0.05, 0.6, 0.98  # alpha: between the first two a colour is mostly F, from the third the object's
ONE_COLOUR = 20.0  # levels: median distance of faint pixels from F
OTHER_COLOUR = 40.0  # levels: median distance of the object's colours from F, at least
ALONG = 0.9  # share of the faint pixels that lie along the rim
# Share of F above which a pixel is fringe. Beside a fringe, most faint pixels have more and most solid ones less.
MIXED = 0.35


def without_fringe(name: str, image: Byte, alpha: Float) -> tuple[Float, list[Notice]]:
    """`alpha (h, w)` of `image (h, w, 3)` without a fringe, and a notice with its colour and its pixels."""
    faint = (alpha > FAINT) & (alpha < SOFT)
    inside = depth(alpha >= 0.5)
    band_px = max(BAND_LEAST_PX, BAND_SHARE * max(alpha.shape))
    rim = (alpha >= SOLID) & (inside <= band_px)
    if np.count_nonzero(faint) < np.count_nonzero((inside > 0) & (inside <= 1)) or not rim.any():
        return alpha, []  # a hard edge
    if np.mean(depth(alpha < 0.5)[faint] <= band_px) < ALONG:
        return alpha, []  # glass, or a shadow
    light = image.astype(np.float32)
    colour = np.median(light[faint], axis=0)
    if np.median(np.linalg.norm(light[faint] - colour, axis=1)) > ONE_COLOUR:
        return alpha, []
    own, is_known = local_mean(light, inside > band_px, int(2 * band_px))
    line = colour - own
    length = np.where(is_known, (line * line).sum(axis=2), 0)
    share = np.clip(((light - own) * line).sum(axis=2) / np.maximum(length, OTHER_COLOUR**2), 0, 1)
    is_other = np.median(np.append(length[faint & is_known], 0)) > OTHER_COLOUR**2
    if not (is_other and np.median(share[faint]) > MIXED > np.median(share[rim])):
        return alpha, []
    fringe = (share > MIXED) & (inside <= band_px) & (alpha > 0) & is_known
    message = (
        f"the rim of the '{name}' cut-out fades to the colour {tuple(int(c) for c in colour)} of an old backdrop;"
        f" {np.count_nonzero(fringe)} pixels were made clearer"
    )
    return np.where(fringe, alpha * (1 - share), alpha).astype(np.float32), [Notice("fringe_removed", message, name)]
