# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A PNG is checked, and loses what its file says of its owner."""

import struct
import zlib
from collections.abc import Iterator

from PIL.PngImagePlugin import PngImageFile

from fourview.errors import PictureError
from fourview.service.inputs.sources import Limits
from fourview.service.inputs.still import Still, check_sides, counted, decoded, exif_of

_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"IDAT", b"IEND")
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def read(field: str, data: bytes, limits: Limits) -> Still:
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    check_sides(field, width, height, limits)
    parts: list[tuple[bytes, bytes]] = []
    for kind, part in _png_parts(field, data):
        if kind == b"acTL" and (frames := int.from_bytes(part[8:12])) > 1:
            raise PictureError(f"the '{field}' picture is an animated PNG of {frames} frames; send one frame")
        if kind in _PNG_KEPT:
            if zlib.crc32(part[4:-4]) != int.from_bytes(part[-4:]):
                raise ValueError(f"the checksum of its part {kind.decode()} is wrong")
            parts.append((kind, part))
    if colour not in _PNG_CHANNELS:
        raise ValueError(f"there is no colour type {colour}")
    expected = _png_raw_size(width, height, depth * _PNG_CHANNELS[colour], bool(interlaced))
    _check_inflates_to(field, b"".join(part[8:-4] for kind, part in parts if kind == b"IDAT"), expected)
    turn = decoded(PngImageFile, data, (width, height))
    head, *rest = [part for _, part in parts]
    exif = b"eXIf" + exif_of(turn)
    note = struct.pack(">I", len(exif) - 4) + exif + struct.pack(">I", zlib.crc32(exif)) if turn != 1 else b""
    return Still(b"".join((data[:8], head, note, *rest)), "png", width, height, turn)


def _png_parts(field: str, data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and whole bytes (length, kind, body, checksum) of each part up to the end's."""
    begin = 8
    for _ in counted(field):
        end = begin + 12 + int.from_bytes(data[begin : begin + 4])
        kind = data[begin + 4 : begin + 8]
        if end > len(data):
            raise EOFError("it ends early")
        if (begin == 8) != (kind == b"IHDR"):
            raise ValueError("its header is not where it belongs")
        yield kind, data[begin:end]
        if kind == b"IEND":
            return
        begin = end


def _png_raw_size(width: int, height: int, bits: int, is_interlaced: bool) -> int:
    """Bytes of all rows, each with the byte of its filter (PNG specification, 7.2 and 8.2)."""
    total = 0
    for x, y, across, down in _ADAM7 if is_interlaced else ((0, 0, 1, 1),):
        columns, rows = -((x - width) // across), -((y - height) // down)
        total += rows * (1 + -(-columns * bits // 8)) if columns > 0 and rows > 0 else 0
    return total


def _check_inflates_to(field: str, packed: bytes, expected: int) -> None:
    """Raises where `packed` holds more or less than `expected` bytes; never holds more than 64 KiB of them."""
    inflater, size = zlib.decompressobj(), 0
    for begin in range(0, len(packed), 2**14):
        piece = packed[begin : begin + 2**14]
        while piece and not inflater.eof:
            size += len(inflater.decompress(piece, 2**16))
            piece = inflater.unconsumed_tail
            if size > expected:
                raise PictureError(
                    f"the '{field}' picture holds more pixels than its header says ({expected} bytes): export it again"
                )
    if size < expected:
        raise EOFError(f"{size} of {expected} bytes of pixels are there")
