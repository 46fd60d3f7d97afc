# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A JPEG is checked, and loses what its file says of its owner. Of several pictures (MPO) the first one stays."""

import re
import struct

from PIL.JpegImagePlugin import JpegImageFile

from fourview.errors import PictureError
from fourview.service.inputs.sources import Limits
from fourview.service.inputs.still import Still, check_sides, counted, decoded, exif_of

SCANS_MAX = 30  # of a progressive JPEG: encoders write about ten, and each costs a pass over all pixels
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xfe])")
_JPEG_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a body
_JPEG_KEPT = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}  # of the parts that are an application's


def read(field: str, data: bytes, limits: Limits) -> Still:
    size: tuple[int, int] | None = None
    scans, kept, begin = 0, [], 2
    for _ in counted(field):
        marker = _JPEG_MARKER.search(data, begin)
        if marker is None or marker[1] == b"\xd9":
            break
        kind, begin = marker[1][0], marker.end()
        if kind in _JPEG_BARE:
            continue
        end = begin + int.from_bytes(data[begin : begin + 2])
        body = data[begin + 2 : end]
        if not begin + 2 <= end <= len(data):
            raise EOFError("it ends early")
        if kind in _JPEG_FRAMES:
            if size is not None:
                raise ValueError("it has two headers")
            height, width = struct.unpack(">HH", body[1:5])
            check_sides(field, width, height, limits)
            size = width, height
        if kind == 0xDA:
            scans += 1
            if scans > SCANS_MAX:
                raise PictureError(
                    f"the '{field}' picture is a JPEG of more than {SCANS_MAX} scans; save it again, not progressive"
                )
            stop = _JPEG_SCAN_END.search(data, end)
            end = stop.start() if stop else len(data)
        is_about_owner = kind == 0xFE or (
            0xE0 <= kind <= 0xEF and not body.startswith(_JPEG_KEPT.get(kind, b"\xff\xff"))
        )
        if not is_about_owner:
            kept.append(b"\xff" + data[begin - 1 : end])
        begin = end
    if size is None:
        raise ValueError("it has no header")
    turn = decoded(JpegImageFile, data, size)
    exif = b"Exif\0\0" + exif_of(turn)
    note = b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif if turn != 1 else b""
    return Still(b"".join((b"\xff\xd8", note, *kept, b"\xff\xd9")), "jpeg", *size, turn)
