# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A WebP is checked, and loses what its file says of its owner."""

import struct
from dataclasses import replace

from PIL.WebPImagePlugin import WebPImageFile

from fourview.errors import PictureError
from fourview.service.inputs.sources import Limits
from fourview.service.inputs.still import Still, check_sides, counted, decoded, exif_of

WEBP_PIXELS_MAX = 25_000_000
_WEBP_KEPT = (b"ICCP", b"ALPH", b"VP8 ", b"VP8L")
_WEBP_ANIMATED, _WEBP_EXIF, _WEBP_ALPHA, _WEBP_ICC = 0x02, 0x08, 0x10, 0x20


def read(field: str, data: bytes, limits: Limits) -> Still:
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise EOFError("it ends early")
    limits = replace(limits, pixels_max=min(limits.pixels_max, WEBP_PIXELS_MAX))
    sizes: list[tuple[int, int]] = []
    flags, kept, begin = 0, [], 12
    for _ in counted(field):
        if begin + 8 > end:
            break
        kind, length = data[begin : begin + 4], int.from_bytes(data[begin + 4 : begin + 8], "little")
        body = data[begin + 8 : begin + 8 + length]
        if kind in (b"VP8X", b"VP8L", b"VP8 "):
            sizes.append(_webp_size(kind, body))
            check_sides(field, *sizes[-1], limits)
        flags |= body[0] if kind == b"VP8X" else 0
        if kind in (b"ANIM", b"ANMF") or flags & _WEBP_ANIMATED:
            raise PictureError(f"the '{field}' picture is an animated WebP; send one frame, as PNG or JPEG")
        if kind in _WEBP_KEPT and (kind != b"ICCP" or flags & _WEBP_ICC):
            kept.append(data[begin : begin + 8] + body + b"\0" * (length % 2))
        begin += 8 + length + length % 2
    if len(set(sizes)) != 1:
        raise ValueError("its headers disagree")
    width, height = sizes[0]
    turn = decoded(WebPImageFile, data, (width, height))
    if len(sizes) > 1 or turn != 1:  # it has a header besides that of its pixels, or needs one
        flags = flags & (_WEBP_ALPHA | _WEBP_ICC) | (_WEBP_EXIF if turn != 1 else 0)
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        kept.insert(0, b"VP8X" + struct.pack("<II", 10, flags) + sides)
    if turn != 1:
        kept.append(b"EXIF" + struct.pack("<I", len(exif_of(turn))) + exif_of(turn))
    body = b"WEBP" + b"".join(kept)
    return Still(b"RIFF" + struct.pack("<I", len(body)) + body, "webp", width, height, turn)


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int]:
    """Width and height in the header of one part (WebP specification, "Simple" and "Extended File Format")."""
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", body[6:10])
    return width & 0x3FFF, height & 0x3FFF
