# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A texture becomes a picture file.

Owns      the bytes of the PNG or lossless WebP that a model carries. Not here: where it is embedded (`glb`, `obj`).
"""

import io

import numpy as np
from PIL import Image

from fourview import killable_call
from fourview.arrays import Byte
from fourview.progress import Tick, no_tick
from fourview.texture.texture import Texture, srgb_from_linear

BAND = 256  # rows turned to sRGB between two ticks
KILLABLE_TEXELS = 1536**2  # larger ones take Pillow over half a second and run in a process that can be stopped
PNG_LEVEL = 4  # measured on 1024 x 1024 noise over soft colours: 0.22 s; level 6: 0.35 s and 0.5 % larger
WEBP_METHOD, WEBP_EFFORT = 2, 0  # 0.10 s, 21 % smaller than the PNG; the best setting: 0.58 s for 0.02 % more


def encode_image(texture: Texture, image_format: str, tick: Tick = no_tick) -> bytes:
    """`texture` as a "png" or a lossless "webp", sRGB, row 0 on top."""
    pixels = np.empty(texture.albedo.shape, np.uint8)  # (t, t, 3)
    for start in range(0, len(pixels), BAND):
        tick(0.3 * start / len(pixels))
        pixels[start : start + BAND] = srgb_from_linear(texture.albedo[start : start + BAND])
    if pixels.size // 3 > KILLABLE_TEXELS:
        return killable_call.call(_compress, pixels, image_format, tick=lambda done: tick(0.3 + 0.7 * done))
    return _compress(pixels, image_format)


def _compress(pixels: Byte, image_format: str) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    if image_format == "webp":
        image.save(out, "WEBP", lossless=True, exact=True, method=WEBP_METHOD, quality=WEBP_EFFORT)
    else:
        image.save(out, "PNG", compress_level=PNG_LEVEL)
    return out.getvalue()
