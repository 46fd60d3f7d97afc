# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Notices where left and right, or front and back, are probably swapped.

Owns      the evidence for an order of the pictures. Not here: which picture shows which side (the caller names it).

Outlines tell when a front is in fact a left: opposite outlines are mirror images, neighbouring ones rarely are. They do
not tell when left and right are swapped: both orders make a solid, and one is the mirror image of the other in depth.
Colours tell then. What the left picture shows near its left edge lies at the front, so the front picture shows that
colour in the same rows, and the back picture need not. Every statistic here compares the given order with the swapped
one row by row, and changes its sign when the pictures are swapped. Only hues are compared, because light alone makes
one side darker than another.

Objects that look alike from front and back give no notice: a wrong warning is worse than none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fourview.arrays import Bool, Byte, Float
from fourview.notice import Notice
from fourview.sides import SIDES
from fourview.views.outline import outline, resampled, without_strokes

# Pairs of opposite pictures: as named, and where the front or the back was swapped with the left or the right.
PAIRINGS = (
    (("front", "back"), ("left", "right")),
    (("front", "left"), ("back", "right")),
    (("front", "right"), ("left", "back")),
)
UNMATCHED = 0.85  # overlap below which two outlines are hardly mirror images; drawn sets reach 0.88
MATCHED = 0.92  # overlap above which they probably are
CELLS = 32  # rows and columns of cells between an outline's ends
PIXELS_A_CELL = 8  # along a side; of larger pictures only every n-th pixel is looked at
BANDS = 8  # of rows: by chance one or two of them agree, in a true order most
FILLED = 0.6  # a cell this full of object has a colour
FARTHEST = 0.25  # greatest distance of hues that is counted
DARK = 0.2  # added to the sum of the channels, so that dark cells have little hue
NOISE = 1e-3  # mean difference of a cell that shading and compression cause
RIM = 4  # cells count by this power of their place in the row: those near its ends most
# Evidence above these warns: 5 of 1586 clean sets of four in the training pack do, 1 and 3 of as many sets of three
# with a left or a right; and 66 % of the swapped sets of characters, animals, vehicles and scanned household things
# (49 % of three), 21 % of all, for most of the pack looks alike from both ends. Chosen on half of the pack; the other
# half agrees. Weights fitted to the terms, or brightness beside hue, were no better at as few false warnings.
SURE_FOUR = 2.0
SURE_THREE = 1.8


@dataclass(frozen=True)
class _Cells:
    """One picture in `CELLS x CELLS` cells; columns run along world x (front, back) or z (left, right), ascending.

    `hue (r, c, 2)`; `filled (r, c)`; `place (r, c)` from -1 to 1 between the ends of the row's run.
    """

    hue: Float
    filled: Bool
    place: Float

    def half(self, sign: int) -> Bool:
        """The filled cells on one side of the middle of their row, `(r, c)`."""
        return self.filled & (sign * self.place > 0)


def find_swaps(images: Mapping[str, Byte], mattes: Mapping[str, Float], overlap: float) -> list[Notice]:
    """A notice where the order of the pictures is improbable.

    By name: `images (h, w, 3)`, `mattes (h, w)`. `overlap`: how well the worst pair of opposite outlines agrees, 0..1.
    """
    return _unmatched_outlines(mattes, overlap) or _unmatched_colours(images, mattes)


def _unmatched_outlines(mattes: Mapping[str, Float], given: float) -> list[Notice]:
    """A notice where other pictures are mirror images of each other than the names say, as when a front is a left."""
    if given >= UNMATCHED or len(mattes) < 3:
        return []
    solid = {n: without_strokes(m) for n, m in mattes.items()}
    pairings = [[(a, b) for a, b in pairing if a in mattes and b in mattes] for pairing in PAIRINGS]
    others = [min(_mirrored_overlap(solid[a], solid[b]) for a, b in pairing) for pairing in pairings[1:]]
    if max(others) < MATCHED:
        return []
    named, found = pairings[0], pairings[1 + others.index(max(others))]
    words = [" and ".join(f"'{a}' / '{b}'" for a, b in pairs) for pairs in (found, named)]
    message = (
        f"the outlines of {words[0]} are mirror images ({max(others):.0%} overlap), those of {words[1]} are not"
        f" ({given:.0%}): check which picture shows which side"
    )
    return [Notice("views_probably_swapped", message, named[0][0])]


def _mirrored_overlap(one: Float, other: Float) -> float:
    """Intersection over union of one outline and the other's mirror image, at one height, middle on middle."""
    ends = outline(one), outline(other)
    half = max(o.width / o.height for o in ends) / 2
    cells = []
    for o, m in zip(ends, (one, other), strict=True):
        columns = (o.left + o.right) / 2 + np.linspace(-half, half, CELLS + 1) * o.height
        cells.append(resampled(m, np.linspace(o.top, o.bottom, CELLS + 1), columns))
    a, b = cells[0], cells[1][:, ::-1]
    return float(np.minimum(a, b).sum() / np.maximum(a, b).sum())


def _unmatched_colours(images: Mapping[str, Byte], mattes: Mapping[str, Float]) -> list[Notice]:
    """A notice where left and right, or front and back, are swapped; none without a back or without left and right."""
    sides = [n for n in ("left", "right") if n in mattes]
    if "back" not in mattes or not sides:
        return []
    against = -evidence({n: _cells(n, images[n], mattes[n]) for n in mattes})
    sure = SURE_FOUR if len(sides) == 2 else SURE_THREE
    if against <= sure:
        return []
    what = "'left' and 'right'" if len(sides) == 2 else f"'{sides[0]}' and its opposite"
    message = (
        f"{what}, or 'front' and 'back', have probably changed places: colours fit the swapped order better (score"
        f" {against:.1f}, sure above {sure:.1f}); in the left picture the nose points to the picture's left edge"
    )
    return [Notice("views_probably_swapped", message, sides[0])]


def evidence(cells: dict[str, _Cells]) -> float:
    """How much better the given order fits than the swapped one, -4..4; 0 without evidence."""
    sides = [n for n in ("left", "right") if n in cells]
    terms = [_rims(cells, sides, "front", "back"), _halves(cells, sides), _corners(cells, sides)]
    if len(sides) == 2:
        terms.append(_rims(cells, ["front", "back"], "left", "right"))
    area = np.mean([c.filled.sum() for c in cells.values()])
    bands = [t.reshape(BANDS, -1).sum(axis=1) / max(area, 1) for t in terms]
    return float(sum(b.sum() / (np.abs(b).sum() + NOISE) for b in bands))


def _rims(cells: dict[str, _Cells], seen_in: Sequence[str], ahead: str, behind: str) -> Float:
    """By row `(r,)`: do the ends of a row show the colours that the picture taken from that end shows?"""
    total = np.zeros(CELLS)
    for c in (cells[n] for n in seen_in):
        gain = _nearest(c, cells[behind], cells[behind].filled) - _nearest(c, cells[ahead], cells[ahead].filled)
        known = cells[ahead].filled.any(axis=1) & cells[behind].filled.any(axis=1)
        total += (np.sign(c.place) * c.place**RIM * c.filled * gain).sum(axis=1) * known
    return total


def _halves(cells: dict[str, _Cells], sides: Sequence[str]) -> Float:
    """By row `(r,)`: are the front's colours found in the front half of the sides, the back's in their back half?"""
    total = np.zeros(CELLS)
    for c in (cells[n] for n in sides):
        ahead, behind = c.half(1), c.half(-1)
        known = ahead.any(axis=1) & behind.any(axis=1)
        for face, sign in ((cells["front"], 1), (cells["back"], -1)):
            gain = sign * (_nearest(face, c, behind) - _nearest(face, c, ahead))
            total += (gain * face.filled).sum(axis=1) * known
    return total


def _corners(cells: dict[str, _Cells], sides: Sequence[str]) -> Float:
    """By row `(r,)`: do the halves of pictures that meet at a corner of the box share colours?

    The front half of the left picture meets the +x half of the front one; were the left picture in truth the right
    one, the same half would meet the -x half of the back one.
    """
    at = {"left": 1, "right": -1, "front": 1, "back": -1}
    by_sign = {1: ("left", "front"), -1: ("right", "back")}
    total = np.zeros(CELLS)
    for name, half in ((n, h) for n in cells for h in (1, -1)):
        is_side = name in sides
        given, swapped = (by_sign[h][int(is_side)] for h in (half, -half))
        if given in cells and swapped in cells:
            a, b = cells[given].half(at[name]), cells[swapped].half(-at[name])
            c = cells[name]
            gain = _nearest(c, cells[swapped], b) - _nearest(c, cells[given], a)
            known = a.any(axis=1) & b.any(axis=1)
            total += (gain * c.half(half) * np.abs(c.place)).sum(axis=1) * known
    return total


def _nearest(cells: _Cells, other: _Cells, allowed: Bool) -> Float:
    """For each cell the least distance in hue to an allowed cell of `other` in its row or the next ones, `(r, c)`."""
    hue = np.concatenate([np.roll(other.hue, k, axis=0) for k in (-1, 0, 1)], axis=1)  # (r, 3c, 2)
    inside = np.concatenate([np.roll(allowed, k, axis=0) for k in (-1, 0, 1)], axis=1)  # (r, 3c)
    inside[-1, :CELLS] = inside[0, 2 * CELLS :] = False  # these rows came from the other end
    squared = (cells.hue[:, :, None, 0] - hue[:, None, :, 0]) ** 2  # (r, c, 3c)
    squared += (cells.hue[:, :, None, 1] - hue[:, None, :, 1]) ** 2
    least: Float = np.sqrt(np.where(inside[:, None], squared, FARTHEST**2).min(axis=2, initial=FARTHEST**2))
    return least


def _cells(name: str, image: Byte, matte: Float) -> _Cells:
    ends = outline(matte)
    step = max(1, int(max(ends.width, ends.height) / CELLS / PIXELS_A_CELL))
    image, matte = image[::step, ::step], matte[::step, ::step]
    rows, columns = (np.linspace(a, b, CELLS + 1) / step for a, b in ((ends.top, ends.bottom), (ends.left, ends.right)))
    filled = resampled(matte, rows, columns)
    colour = resampled(image * matte[..., None], rows, columns) / np.maximum(filled, 1e-3)[..., None]
    red, green, blue = np.moveaxis(colour / 255, -1, 0)
    total = red + green + blue + DARK
    hue = np.stack([(red - green) * 2 / total, (red + green - 2 * blue) * 2 / 1.7 / total], axis=-1).astype(np.float32)
    if SIDES[name].right_sign < 0:  # columns run along the axis, ascending
        hue, filled = hue[:, ::-1], filled[:, ::-1]
    full = filled >= FILLED
    first, last = full.argmax(axis=1), CELLS - full[:, ::-1].argmax(axis=1)
    half = np.maximum((last - first) / 2, 1)
    place = (np.arange(CELLS) + 0.5 - ((first + last) / 2)[:, None]) / half[:, None]
    return _Cells(hue, full, np.where(full, place, 0.0))
