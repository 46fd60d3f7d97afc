# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""One subject in a picture: which parts of a silhouette are kept, and what is refused.

Owns      dropping specks and small parts, filling pinholes; the errors where there is no subject, or more than one.
Not here  where the silhouette comes from (`matting`).
"""

import numpy as np

from fourview.arrays import Bool, Float
from fourview.errors import PictureError
from fourview.notice import Notice
from fourview.views import edges
from fourview.views.outline import SPECK

_NEAR_SHARE = 0.05  # of the picture's longer side: parts closer than this are one subject
_SECOND_SUBJECT_SHARE = 0.4  # of the main part's area
_PART_LEAST_SHARE = 0.03  # smaller ones are dropped
_PINHOLE_SHARE = 0.0003  # of the subject's area
_SUBJECT_LEAST_SHARE = 0.001  # of the picture
# Share of an uncertain subject that lies in strokes of some width, at least; noise has 0.05, real subjects 0.8..1.
_BODY_LEAST_SHARE = 0.2
_STROKE_SHARE = 0.01  # of the picture's longer side: half the width of such a stroke


def no_subject(name: str, why: str) -> str:
    return (
        f"no subject was found in the '{name}' picture ({why}); one that stands out is needed: send it on a "
        "transparent or plain background"
    )


def check_body(name: str, solid: Bool) -> None:
    """Raise `PictureError` where what was found are scattered pixels, as in a picture of noise among good ones."""
    stroke = max(1.5, _STROKE_SHARE * max(solid.shape))
    core = edges.depth(solid) > stroke
    body = int(np.count_nonzero(solid & (edges.depth(~core) <= stroke))) if core.any() else 0
    share = body / max(int(np.count_nonzero(solid)), 1)
    if share < _BODY_LEAST_SHARE:
        raise PictureError(no_subject(name, f"{1 - share:.0%} of what was found is dust"))


def one_subject(name: str, matte: Float, weight: Float, is_cut: bool) -> tuple[Float, list[Notice]]:
    """The matte `(h, w) float32` without specks and pinholes; raises `PictureError` if there is no subject, or two.

    `weight (h, w)` 0..1 says how much each pixel counts when parts are compared. In a picture that `is_cut` out
    already, parts are real, however far apart: all but specks stay.
    """
    solid = matte >= 0.5
    _, areas = edges.parts(solid)
    if areas.max() < _SUBJECT_LEAST_SHARE * solid.size:
        raise PictureError(no_subject(name, f"the largest thing in it covers {areas.max()} pixels"))
    reach = _NEAR_SHARE * max(solid.shape) / 2
    groups, _ = edges.parts(edges.depth(~solid) <= reach)
    weights = np.bincount(groups[solid], weight[solid])  # (groups + 1,)
    order = np.argsort(-weights, kind="stable")
    main = weights[order[0]]
    if not is_cut and len(order) > 1 and weights[order[1]] >= _SECOND_SUBJECT_SHARE * main:
        first, second = np.bincount(groups[solid])[order[:2]]
        raise PictureError(
            f"the '{name}' picture shows two subjects, of {first} and {second} pixels; one is needed: crop to the "
            "one you mean, or cut it out and use remove_background never"
        )
    kept = (weights >= (SPECK if is_cut else _PART_LEAST_SHARE) * main)[groups] & solid
    left = solid & ~kept
    matte = np.where(edges.flood((matte > 0) & ~left, kept), matte, 0).astype(np.float32)
    holes, hole_areas = edges.parts(matte < 0.5)
    area = np.count_nonzero(kept)
    matte[(hole_areas < _PINHOLE_SHARE * area)[holes] & (matte < 0.5)] = 1
    share = np.count_nonzero(left) / area
    if share < 0.001:
        return matte, []
    message = f"parts beside the '{name}' picture's subject were dropped, {share:.1%} of its area"
    return matte, [Notice("small_parts_dropped", message, name)]
