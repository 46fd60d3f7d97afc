# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A still picture that was checked, and what its three formats share.

Owns      `Still`, the limits of sides and parts, decoding one picture at a time, EXIF that holds an orientation alone.
Not here  the formats (`png`, `jpeg`, `webp`), what a field holds (`sources`).
"""

import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from fourview.errors import PictureError
from fourview.service.inputs.sources import Limits

SIDE_MIN_PX, SIDE_MAX_PX = 16, 20_000  # as in `views.load`; a test compares them
PARTS_MAX = 10_000  # of a file: a PNG of 32 MiB in pieces of 8 KiB, as libpng writes them, has 4096

# Pictures are decoded one at a time, however many requests come: a PNG takes up to 4 bytes a pixel, a progressive JPEG
# 8, a WebP 16. That is 500 MB for a JPEG of 64 megapixels in CMYK, 250 MB for a PNG, 400 MB for the largest WebP.
_ONE_AT_A_TIME = threading.Lock()
_ORIENTATION = 0x0112
# What damaged files make Pillow's readers raise, as in `views.load`.
BROKEN = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, TypeError, LookupError, struct.error, zlib.error)


@dataclass(frozen=True)
class Still:
    """A file that can be decoded and tells nothing of its owner; sides as stored, before `orientation` (1..8)."""

    data: bytes
    kind: Literal["png", "jpeg", "webp"]
    width_px: int
    height_px: int
    orientation: int = 1


def counted(field: str) -> Iterator[int]:
    """Counts the parts of a file; raises at one too many."""
    yield from range(PARTS_MAX)
    raise PictureError(f"the '{field}' picture has more than {PARTS_MAX} parts; export it again")


def check_sides(field: str, width: int, height: int, limits: Limits) -> None:
    if min(width, height) < SIDE_MIN_PX:
        raise PictureError(
            f"the '{field}' picture is {width} x {height} pixels; at least {SIDE_MIN_PX} x {SIDE_MIN_PX} are needed: "
            "send a larger picture"
        )
    if max(width, height) > SIDE_MAX_PX or width * height > limits.pixels_max:
        raise PictureError(
            f"the '{field}' picture is {width} x {height} pixels; at most {limits.pixels_max / 1e6:g} megapixels and "
            f"{SIDE_MAX_PX} a side are read: scale it down, 2048 pixels are plenty"
        )


def decoded(
    reader: type[PngImageFile] | type[JpegImageFile] | type[WebPImageFile], data: bytes, size: tuple[int, int]
) -> int:
    """The orientation (1..8) of the picture of that size; all its pixels were read."""
    with _ONE_AT_A_TIME, reader(BytesIO(data)) as image:
        if image.size != size:
            raise ValueError("its headers disagree")
        image.draft(None, (1, 1))  # a JPEG's every bit is read all the same, but an eighth of its sides is made
        image.load()
        try:
            turn = image.getexif().get(_ORIENTATION, 1)
        except BROKEN:  # a camera's garbled note is no reason to refuse its picture
            return 1
        return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def exif_of(turn: int) -> bytes:
    """EXIF that holds an orientation and nothing else: a header, a table of one short, the end of the tables."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, turn, 0, 0)
