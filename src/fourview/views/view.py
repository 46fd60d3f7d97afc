# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The types of a picture and of the view that it becomes.

Owns      the two types. Not here: reading files (`load`), the matte (`matting`), where the camera stands (`framing`).
"""

from dataclasses import dataclass

from fourview.arrays import Byte, Float
from fourview.views.camera import Camera


@dataclass(frozen=True)
class Picture:
    """What a user sent, decoded: upright, sRGB, straight alpha.

    `name` is the object's side; `image (h, w, 3) uint8`; `alpha (h, w) float32` 0..1, or None where the file has none.
    """

    name: str
    image: Byte
    alpha: Float | None


@dataclass(frozen=True)
class View:
    """A picture with its matte and its camera. Row 0 on top, pixel centres at +0.5, sRGB.

    `image (h, w, 3) uint8`; `matte (h, w) float32`, 0 outside, 1 inside. Framing moves the camera, not the pixels:
    the camera says which box units the pixels cover, so colours are not resampled before they are used.
    """

    name: str
    image: Byte
    matte: Float
    camera: Camera
