# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Prepare the pictures as in the training of the official weights.

Owns      the official framing of one picture. Not here: mattes and our own framing (`views/`).

Each picture is framed alone: its visible part is cut out, scaled to 85 % of a square and set on white. Our own framing
brings all pictures to one scale; the weights were not trained with such pictures (docs/how/hunyuan2mv.md). Every
truncation below is the official one, and so is leaving out the last row and column of the subject. OpenCV's resizers
are part of the definition.
"""

from dataclasses import dataclass

import numpy as np

from fourview.arrays import Byte
from fourview.errors import MissingExtraError, PictureError
from fourview.install import install_line


@dataclass(frozen=True)
class PreprocessParams:
    """Numbers that a checkpoint fixes."""

    size: int  # px, side of the square that comes out
    border_ratio: float  # share of the side that stays empty along the subject's longer side


def preprocess(rgba: Byte, params: PreprocessParams, name: str = "") -> tuple[Byte, Byte]:
    """A picture `(h, w, 4)` -> `(s, s, 3)` on white and its matte `(s, s)`.

    Raises `PictureError` where fewer than two rows or columns are not transparent; `name` is the view's, for its text.
    """
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the engine 'hunyuan2mv' needs OpenCV: {install_line('hunyuan')}") from error
    height, width = rgba.shape[:2]
    rows, columns = (np.flatnonzero(rgba[..., 3].any(axis=axis)) for axis in (1, 0))
    if len(rows) == 0 or rows[0] == rows[-1] or columns[0] == columns[-1]:
        raise PictureError(
            f"the '{name}' picture shows a subject of {len(rows)} x {len(columns)} pixels; at least 2 x 2 are needed: "
            "send a picture whose subject is not transparent"
        )
    subject = rgba[rows[0] : rows[-1], columns[0] : columns[-1]]  # without the last row and column
    side = max(height, width)
    grow = int(side * (1 - params.border_ratio)) / max(subject.shape[:2])
    h, w = (max(int(length * grow), 1) for length in subject.shape[:2])  # 1: official code fails on thinner ones
    square = np.zeros((side, side, 4), np.uint8)
    y, x = (side - h) // 2, (side - w) // 2
    square[y : y + h, x : x + w] = cv2.resize(subject, (w, h), interpolation=cv2.INTER_AREA)
    alpha = square[..., 3:].astype(np.float32) / 255
    on_white = (square[..., :3] * alpha + 255 * (1 - alpha)).clip(0, 255).astype(np.uint8)
    matte = (alpha[..., 0] * 255).clip(0, 255).astype(np.uint8)
    goal = (params.size, params.size)
    picture = cv2.resize(on_white, goal, interpolation=cv2.INTER_CUBIC)
    return picture.astype(np.uint8), cv2.resize(matte, goal, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
