# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What a user should know about a matte: glass left out, an unsure subject, a subject that runs out of the picture.

Owns      these three notices. Not here: the mattes (`matting`).
"""

import numpy as np

from fourview.arrays import Float
from fourview.notice import Notice
from fourview.views import edges, saliency

CLEAR = 0.1  # alpha up to which a pixel counts as clear
_RIM_SHARE = 0.006  # of the picture's longer side: soft rims are no wider
_GLASS_LEAST_SHARE = 0.01  # of what is not clear; less gives no notice
_TOUCH_SHARE = 0.02  # of a side's length


def glass_notices(name: str, alpha: Float) -> list[Notice]:
    """A notice of half-transparent areas that the silhouette leaves out; soft rims of solid parts do not count."""
    faint = (alpha > CLEAR) & (alpha < 0.5)
    rim = max(2.0, _RIM_SHARE * max(alpha.shape))
    areas = faint & (edges.depth(alpha > CLEAR) > rim) & (edges.depth(alpha < 0.5) > rim)
    left = faint & (edges.depth(~areas) <= 2 * rim) if areas.any() else areas
    share = np.count_nonzero(left) / max(int(np.count_nonzero(alpha > CLEAR)), 1)
    if share < _GLASS_LEAST_SHARE:
        return []
    message = (
        f"{share:.0%} of the subject in the '{name}' picture is half-transparent (alpha {alpha[left].mean():.2f} on the"
        " average) and was left out; alpha of 0.5 and more counts as matter: raise it where glass or cloth must stay"
    )
    return [Notice("half_transparent_left_out", message, name)]


def unsure_notices(name: str, agreement: float | None) -> list[Notice]:
    """A notice where the network's looks agree less than usual; `agreement` 0..1, None where it was not asked."""
    if agreement is None or agreement >= saliency.SURE_AGREEMENT:
        return []
    message = (
        f"the '{name}' picture's subject is uncertain: looks at it agree over {agreement:.0%}, "
        f"{saliency.SURE_AGREEMENT:.0%} is usual; a plain or transparent background would settle it"
    )
    return [Notice("matte_unsure", message, name)]


def border_notices(name: str, matte: Float) -> list[Notice]:
    """One notice that names each side the subject runs out of."""
    solid = matte >= 0.5
    sides = {"top": solid[0], "bottom": solid[-1], "left": solid[:, 0], "right": solid[:, -1]}
    counts = {side: int(np.count_nonzero(row)) for side, row in sides.items()}
    touched = [f"{side} ({n} px)" for side, n in counts.items() if n >= max(2, _TOUCH_SHARE * len(sides[side]))]
    if not touched:
        return []
    message = f"the '{name}' picture's subject runs out of the picture: {', '.join(touched)}; leave a margin around it"
    return [Notice("matte_touches_border", message, name)]
