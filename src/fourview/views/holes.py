# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Holes in one cut-out that the opposite picture contradicts are filled.

Owns      which holes are filled, and with which colours.
Not here  where the pictures lie on each other (`framing`).

A program that removes white backgrounds removes white trousers too. A real hole shows from both ends, so a hole where
the opposite outline, mirrored, is solid is a fault of the cut-out. Colours under clear alpha have no meaning: the hole
gets those of the opposite picture, which shows the other side of the same part.
"""

from collections.abc import Callable

import mahotas
import numpy as np

from fourview.arrays import Bool, Float, Int
from fourview.notice import Notice
from fourview.views.view import Picture

LEAST_SHARE = 0.002  # of the outline's area; smaller ones are eyes and specks, which no model shows
CONTRADICTED = 0.9  # share of a hole's pixels that are solid in the opposite picture
RIM_PX = 3  # width of the soft edge around a hole, which is filled too
SOLID = 0.98  # matte from which a pixel's own colour is kept

Opposite = Callable[[Int, Int], tuple[Int, Int]]  # rows and columns (n,) of a picture: those of the opposite one


def fill_holes(
    picture: Picture, matte: Float, other: Picture, other_matte: Float, opposite: Opposite
) -> tuple[Picture, Float, list[Notice]]:
    """The picture and its matte `(h, w)` without holes that `other_matte` contradicts, and a notice with their area."""
    labels, count = mahotas.label(matte < 0.5)
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    area = int(np.count_nonzero(matte >= 0.5))
    is_hole = areas >= LEAST_SHARE * area
    is_hole[np.append(border, 0)] = False
    if not is_hole.any():
        return picture, matte, []
    rows, columns = np.nonzero(is_hole[labels])
    at, is_there = _inside(opposite(rows, columns), other_matte.shape)
    solid = np.bincount(labels[rows, columns], is_there & (other_matte[at] >= 0.5), count + 1)
    is_filled = is_hole & (solid >= CONTRADICTED * areas)
    if not is_filled.any():
        return picture, matte, []
    filled = is_filled[labels]
    rim = (mahotas.distance(~filled) <= RIM_PX**2) & (matte < SOLID)
    rows, columns = np.nonzero(rim)
    at, is_there = _inside(opposite(rows, columns), other_matte.shape)
    image = picture.image.copy()
    image[rows[is_there], columns[is_there]] = other.image[at][is_there]
    share = np.count_nonzero(filled) / area
    message = (
        f"holes in the '{picture.name}' cut-out ({is_filled.sum()}, {share:.1%} of its area) were"
        f" filled with the colours of the '{other.name}' picture, whose outline is solid there"
    )
    whole = np.where(rim, np.float32(1), matte)
    return Picture(picture.name, image, picture.alpha), whole, [Notice("holes_filled", message, picture.name)]


def _inside(place: tuple[Int, Int], shape: tuple[int, ...]) -> tuple[tuple[Int, Int], Bool]:
    """The places, clipped to a picture of `shape`, and which of them lay in it `(n,)`."""
    row, column = (np.clip(p, 0, side - 1) for p, side in zip(place, shape, strict=True))
    return (row, column), (row == place[0]) & (column == place[1])
