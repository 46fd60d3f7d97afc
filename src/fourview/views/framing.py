# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Frame the pictures together: one object, one box, a camera for each picture.

Owns      the scale, the offset and the stretch of every picture's camera; the warnings about pictures that disagree.
Not here  the matte (`matting`); measuring one outline (`outline`); the order of the pictures (`swaps`); no pixel moves.

Orthographic pictures of one object obey three rules: all show the same height, opposite outlines are mirror images of
each other, and all have one scale. Rendered sets obey them to a fraction of a pixel and get exactly one scale. Drawn or
photographed sets obey them roughly: then each picture is scaled to the common height, opposite outlines are laid on
each other, and a small stretch corrects the rest. Without it, parts that miss each other by a little would be lost:
an engine keeps only what every outline contains.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fourview.arrays import Float, Int
from fourview.errors import PictureError
from fourview.notice import Notice
from fourview.sides import FRONT, SIDES
from fourview.views.camera import side_camera
from fourview.views.holes import fill_holes
from fourview.views.outline import Outline, averages, main_parts, outline, without_strokes
from fourview.views.swaps import find_swaps
from fourview.views.view import Picture, View

OPPOSITE_PAIRS = tuple((n, s.opposite) for n, s in SIDES.items() if s.azimuth_deg < 180)  # front, back; left, right

SAME_SCALE = 0.012  # heights within this are one scale: half the error of a careful drawing, ten times a rendering's
SAME_SCALE_PX = 2.0  # heights within this are one scale too
SAME_PLACE_PX = 1.5  # centres within this lie on one axis: the uncertainty of an outline's soft rim
SCALE_PRIOR = 0.1  # expected spread of the pictures' scales, natural logarithm
EXTENT_ERROR = 0.01  # error of an outline's height, share of the outline's larger side
STRETCH_MAX = 0.08  # most that either fit (heights, opposite outlines) stretches; 5 degrees of yaw widen a cube by 8 %
MISMATCH = 0.04  # heights that differ by more give a notice
STRETCHED = 0.03  # pixels further from square than this give a notice
AGREE = 0.98  # opposite outlines that overlap by this much are left as they lie
CELLS = 96  # of the grid on which outlines are compared
SEARCH_STEPS = (0.04, 0.02, 0.01, 0.005, 0.0025)  # of half the width, and of the stretch
STRETCH_COST = 0.1  # overlap that a unit of stretch must gain; without it noise would stretch pictures
DISAGREE = 0.85  # opposite outlines that overlap by less give a notice; clean sets reach 0.98


@dataclass(frozen=True)
class Place:
    """Where a picture lies in the frame: units a pixel across and down, and the pixel that looks at the origin."""

    across: float
    down: float
    column: float
    row: float


def frame(pictures: Sequence[Picture], mattes: Sequence[Float]) -> tuple[list[View], list[Notice]]:
    """Views whose cameras agree, and notices about what does not fit.

    `mattes` `(h, w)` float32 0..1, one a picture, in the pictures' order; a front must be among them. The box of the
    object is centred at the origin and its longest known side reaches from -1 to 1.
    """
    parts = {p.name: main_parts(p.name, m) for p, m in zip(pictures, mattes, strict=True)}
    if FRONT not in parts:
        raise PictureError(f"the pictures are {', '.join(parts) or 'none'}; a front picture is needed: add one")
    places, notices = place_heights(parts)
    overlap = {p: lay_on_each_other(parts, places, p) for p in OPPOSITE_PAIRS if p[0] in parts and p[1] in parts}
    whole, whole_mattes, filled = _without_holes(pictures, mattes, places)
    if filled:  # the places were found before the holes were filled: find them again
        views, found = frame(whole, whole_mattes)
        return views, [*filled, *found]
    notices += _overlap_notices(overlap)
    places = centre_box(parts, places)
    notices += _stretch_notices(places)
    views = []
    for picture, matte in zip(pictures, mattes, strict=True):
        place, (h, w) = places[picture.name], matte.shape
        half_extent = (w / 2 * place.across, h / 2 * place.down)
        centre = ((w / 2 - place.column) * place.across, (place.row - h / 2) * place.down)
        camera = side_camera(SIDES[picture.name].azimuth_deg, half_extent, centre)
        views.append(View(picture.name, picture.image, matte, camera))
    images = {p.name: p.image for p in pictures}
    return views, [*notices, *find_swaps(images, parts, min(overlap.values(), default=1.0))]


def _without_holes(
    pictures: Sequence[Picture], mattes: Sequence[Float], places: dict[str, Place]
) -> tuple[list[Picture], list[Float], list[Notice]]:
    """Pictures and mattes without the holes that the opposite picture contradicts, and notices; see `holes`."""
    given = {p.name: (p, m) for p, m in zip(pictures, mattes, strict=True)}
    found = []
    for picture, matte in given.values():
        other = SIDES[picture.name].opposite
        if other in given:
            here, there = places[picture.name], places[other]

            def opposite(rows: Int, columns: Int, here: Place = here, there: Place = there) -> tuple[Int, Int]:
                row = there.row + (rows + 0.5 - here.row) * here.down / there.down
                column = there.column - (columns + 0.5 - here.column) * here.across / there.across
                return np.floor(row).astype(int), np.floor(column).astype(int)

            found.append(fill_holes(picture, matte, *given[other], opposite))
        else:
            found.append((picture, matte, []))
    return [p for p, _, _ in found], [m for _, m, _ in found], [notice for _, _, n in found for notice in n]


def place_heights(parts: dict[str, Float]) -> tuple[dict[str, Place], list[Notice]]:
    """A scale and a middle row for each picture, so that all show one height; columns by the outlines' middles."""
    picture_h = {n: m.shape[0] for n, m in parts.items()}
    whole = {n: outline(m) for n, m in parts.items()}
    unit, spread, is_one_scale = _common_unit(whole, picture_h)
    ends = whole
    if not is_one_scale:
        solid = {n: outline(without_strokes(m)) for n, m in parts.items()}
        found = _common_unit(solid, picture_h)
        if found[1] < spread / 2:  # most of the difference is in strokes, such as an antenna, that some pictures lack
            (unit, _, is_one_scale), ends = found, solid
    scale = {n: 1 / unit[n] for n in parts}
    row = {n: (o.top + o.bottom) / 2 for n, o in ends.items()}
    column = {n: (o.left + o.right) / 2 for n, o in whole.items()}
    if is_one_scale:
        off = {n: (row[n] - picture_h[n] / 2) * scale[n] for n in parts}
        axis = float(np.median(list(off.values())))
        if all(abs(off[n] - axis) * unit[n] <= SAME_PLACE_PX for n in parts):
            row = {n: picture_h[n] / 2 + axis * unit[n] for n in parts}
        return {n: Place(scale[n], scale[n], column[n], row[n]) for n in parts}, []

    height = float(np.median([ends[n].height / unit[n] for n in parts]))
    places = {}
    for n, o in ends.items():
        error = EXTENT_ERROR * max(o.width, o.height) / o.height
        trust = SCALE_PRIOR**2 / (SCALE_PRIOR**2 + error**2)  # a flat thing's height says little about its scale
        across = float((height * unit[n] / o.height) ** trust / unit[n])
        down = across * float(np.clip(height / (across * o.height), 1 / (1 + STRETCH_MAX), 1 + STRETCH_MAX))
        places[n] = Place(across, down, column[n], row[n])
    return places, _scale_notices({n: o.height / unit[n] / height for n, o in ends.items()})


def _common_unit(ends: dict[str, Outline], picture_h: dict[str, int]) -> tuple[dict[str, float], float, bool]:
    """The unit of the heights (pixels or shares of the picture); how far they differ; whether they agree."""
    answers = []
    for unit in (dict.fromkeys(ends, 1.0), {n: h / picture_h[FRONT] for n, h in picture_h.items()}):
        heights = [o.height / unit[n] for n, o in ends.items()]
        spread = max(heights) / min(heights) - 1
        answers.append((unit, spread, spread <= max(SAME_SCALE, SAME_SCALE_PX / min(o.height for o in ends.values()))))
    return min(answers, key=lambda answer: answer[1])


def lay_on_each_other(parts: dict[str, Float], places: dict[str, Place], pair: tuple[str, str]) -> float:
    """Shift and stretch the pair's `places` sideways until one outline lies on the other's mirror image.

    Both pictures take half of the correction. Outlines that disagree anyway are only shifted: a stretch is a guess.
    Returns the overlap that is reached, intersection over union.
    """
    start = [places[n] for n in pair]
    ends = [outline(parts[n]) for n in pair]
    half = 0.55 * max(o.width * p.across for o, p in zip(ends, start, strict=True))
    high = max((p.row - o.top) * p.down for o, p in zip(ends, start, strict=True))
    low = min((p.row - o.bottom) * p.down for o, p in zip(ends, start, strict=True))
    x, y = np.linspace(-half, half, CELLS + 1), np.linspace(high, low, CELLS + 1)
    strips = [averages(parts[n], p.row - y / p.down).T for n, p in zip(pair, start, strict=True)]  # (w, CELLS) each

    def moved(shift: float, stretch: float) -> list[Place]:
        factors = np.exp(stretch / 2), np.exp(-stretch / 2)
        return [
            replace(p, across=p.across * f, column=p.column + shift / 2 / (p.across * f))
            for p, f in zip(start, factors, strict=True)
        ]

    def overlap(shift: float, stretch: float) -> float:
        a, b = moved(shift, stretch)
        one = averages(strips[0], a.column + x / a.across)
        other = averages(strips[1], b.column + x / b.across)[::-1]
        return float(np.minimum(one, other).sum() / np.maximum(one, other).sum())

    best, reached = (0.0, 0.0), overlap(0.0, 0.0)
    if reached >= AGREE:
        return reached
    gain = reached
    for step in SEARCH_STEPS:
        moves = [(best[0] + i * step * half, best[1] + j * step) for i in (-2, -1, 0, 1, 2) for j in (-2, -1, 0, 1, 2)]
        for move in moves:
            if abs(move[1]) <= 2 * np.log(1 + STRETCH_MAX):
                value = overlap(*move)
                if value - STRETCH_COST * abs(move[1]) > gain:
                    best, reached, gain = move, value, value - STRETCH_COST * abs(move[1])
    shift, stretch = best
    places.update(zip(pair, moved(shift, stretch if reached >= DISAGREE else 0.0), strict=True))
    return reached


def centre_box(parts: dict[str, Float], places: dict[str, Place]) -> dict[str, Place]:
    """The places, moved and scaled so that the box of the object is centred and its longest side is 2.

    The box is the intersection of the pictures' extents: an engine keeps nothing that one of them lacks.
    """
    low, high = np.full(3, -np.inf), np.full(3, np.inf)
    for n, place in places.items():
        o = outline(parts[n])
        axis, sign = SIDES[n].right_axis, SIDES[n].right_sign
        span = sorted(sign * (c - place.column) * place.across for c in (o.left, o.right))
        low[axis], high[axis] = max(low[axis], span[0]), min(high[axis], span[1])
        low[1] = max(low[1], (place.row - o.bottom) * place.down)
        high[1] = min(high[1], (place.row - o.top) * place.down)
    known = np.isfinite(low)
    scale = float(2 / (high - low)[known].max())
    middle = np.zeros(3)
    middle[known] = (low[known] + high[known]) / 2
    centred = {}
    for n, p in places.items():
        axis, sign = SIDES[n].right_axis, SIDES[n].right_sign
        column, row = p.column + sign * middle[axis] / p.across, p.row - middle[1] / p.down
        centred[n] = Place(p.across * scale, p.down * scale, float(column), float(row))
    return centred


def _scale_notices(heights: dict[str, float]) -> list[Notice]:
    """A notice where heights differ; `heights` are shares of the common one."""
    differs = max(heights.values()) / min(heights.values()) - 1
    if differs < MISMATCH:
        return []
    odd = max(heights, key=lambda n: abs(np.log(heights[n])))
    shares = ", ".join(f"{n} {share:.0%}" for n, share in heights.items())
    message = (
        f"the object's heights differ by {differs:.0%} ({shares} of the common one); the pictures were scaled to agree"
    )
    return [Notice("view_scale_mismatch", message, odd)]


def _overlap_notices(overlaps: dict[tuple[str, str], float]) -> list[Notice]:
    notices = []
    for (one, other), overlap in overlaps.items():
        if overlap < DISAGREE:
            message = (
                f"the '{one}' outline and the mirrored '{other}' outline overlap by {overlap:.0%}, {DISAGREE:.0%} are"
                " expected: check that both show the same object in the same pose"
            )
            notices.append(Notice("views_disagree", message, other))
    return notices


def _stretch_notices(places: dict[str, Place]) -> list[Notice]:
    notices = []
    for n, p in places.items():
        stretch = p.across / p.down - 1
        if abs(stretch) > STRETCHED:
            way = "widened" if stretch > 0 else "narrowed"
            message = f"the '{n}' picture was {way} by {abs(stretch):.0%} to agree with the others"
            notices.append(Notice("view_stretched", message, n))
    return notices
