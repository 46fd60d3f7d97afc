# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures to send, and requests that send them."""

import base64
import io
import random

from PIL import Image

V1, V2 = "/v1/hunyuan3d-2mv", "/v2/hunyuan3d-2mv"


def png(side=32):
    file = io.BytesIO()
    Image.new("RGB", (side, side), (200, 60, 30)).save(file, "PNG")
    return file.getvalue()


def noise(mib):
    """A PNG that is hardly smaller than its pixels, of about so many MiB."""
    side = int((mib * 2**20 / 3) ** 0.5)
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), random.Random(1).randbytes(3 * side * side)).save(
        file, "PNG", compress_level=0
    )
    return file.getvalue()


def text(picture):
    return base64.b64encode(picture).decode()


PNG = png()
FRONT = {"front_image": text(PNG)}
