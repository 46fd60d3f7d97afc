# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures drawn by code, one a side, as a person might send them; and what the finished model shows from a side."""

import io

import numpy as np
from PIL import Image, ImageDraw

from fourview.texture.rasterize import interpolate, rasterize
from fourview.texture.texture import srgb_from_linear
from fourview.views.camera import project

SIDES = ("front", "left", "back", "right")


def drawings(paint, size=(256, 256), sides=SIDES, ground=(0, 0, 0, 0)):
    """RGBA pictures by side; `paint(pen, side)` draws on each."""
    pictures = {}
    for side in sides:
        pictures[side] = Image.new("RGBA", size, ground)
        paint(ImageDraw.Draw(pictures[side]), side)
    return pictures


def jpeg(picture, quality=92):
    """The picture as the bytes of a JPEG file."""
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=quality)
    return file.getvalue()


def seen_from(result, side):
    """What the model shows where the picture of `side` was taken: sRGB `(h, w, 3) uint8`, and whether it is there."""
    view = next(v for v in result.views if v.name == side)
    return shown(result, view.camera, view.matte.shape)


def shown(result, camera, shape):
    """What the model shows to a camera: sRGB `(h, w, 3) uint8`, and whether it is there `(h, w)`."""
    size = (shape[1], shape[0])
    fragments = rasterize(*project(camera, result.mesh.vertices, size), result.mesh.faces, size)
    uv = interpolate(fragments, result.mesh.faces, result.mesh.uv)
    albedo = result.texture.albedo
    side = len(albedo)
    column, row = ((x * side).astype(int).clip(0, side - 1) for x in (uv[..., 0], 1 - uv[..., 1]))
    return srgb_from_linear(albedo[row, column]), fragments.face >= 0


def codes(result):
    """The codes of the run's warnings."""
    return [notice.code for notice in result.report.warnings]


def near(colour, wanted, levels=30):
    """Which pixels `(h, w)` lie within `levels` of a colour."""
    return (np.abs(colour.astype(int) - wanted) <= levels).all(axis=-1)
