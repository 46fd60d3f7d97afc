# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A texture: the colours of a mesh's surface, laid out by its `uv`; and the two curves between light and sRGB."""

from dataclasses import dataclass

import numpy as np

from fourview.arrays import Bool, Byte, Float


@dataclass(frozen=True)
class Texture:
    """`albedo (t, t, 3) float32`, linear light 0..1, row 0 on top (v = 1); `covered (t, t) bool`: seen by a picture."""

    albedo: Float
    covered: Bool


def linear_from_srgb(code: Byte) -> Float:
    """Linear light 0..1 `float32` of sRGB codes, any shape (IEC 61966-2-1)."""
    c = np.arange(256) / 255
    light = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return light[code]


def srgb_from_linear(light: Float) -> Byte:
    """sRGB codes of linear light, any shape; clipped to 0..1, rounded to the nearest code."""
    x = np.clip(light, 0, 1).astype(np.float32)
    c = np.where(x <= 0.0031308, x * 12.92, 1.055 * np.maximum(x, 1e-6) ** (1 / 2.4) - 0.055)
    return (c * 255 + 0.5).astype(np.uint8)
