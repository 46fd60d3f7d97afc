# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The bytes of a picture are checked before an engine sees them, and what the file says of its owner is dropped.

Owns      which format some bytes are, which pictures are refused.
Not here  what a field holds (`sources`), each format (`png`, `jpeg`, `webp`), pixels for the engines (`views.load`).

A file is kept as its own encoder wrote it, pixel for pixel: it is not encoded again. Only the parts that make up the
picture stay (pixels, palette, transparency, colour profile). Text, EXIF with place and owner, XMP, thumbnails and
whatever follows the picture are cut away. Of EXIF the orientation stays, which `views.load` applies. A JPEG of several
pictures (MPO: depth, gain map) becomes its first one. Animated PNG and WebP are refused.

Own code, because no library does this:

- Pillow drops metadata only by encoding the picture again, which changes the pixels of a JPEG.
- Pillow trusts the header: a file may inflate to more pixels than it declares, or have thousands of scans. Sides,
  frames, parts and scans are counted here before anything is decoded, and the pixels of a PNG are inflated in small
  pieces and may not exceed what its header declares.
"""

from fourview.errors import PictureError
from fourview.service.inputs import jpeg, png, webp
from fourview.service.inputs.sources import Limits, check_length
from fourview.service.inputs.still import BROKEN, Still
from fourview.service.nouns import PICTURE

_KINDS = "PNG, JPEG or WebP"
_WHITE = b" \t\r\n\f\v"


def inspect(field: str, data: bytes, limits: Limits) -> Still:
    """The still picture in `data`, decoded once to see that it is whole; raises `PictureError`. Takes up to seconds."""
    check_length(field, len(data), limits, PICTURE)
    if not data:
        raise PictureError(f"the '{field}' picture is empty (0 bytes); a {_KINDS} file is needed: export it again")
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return png.read(field, data, limits)
        if data.startswith(b"\xff\xd8\xff"):
            return jpeg.read(field, data, limits)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return webp.read(field, data, limits)
    except BROKEN as error:
        raise PictureError(
            f"the '{field}' picture is damaged or cut off ({error}); a complete {_KINDS} is needed: export it again"
        ) from error
    raise PictureError(f"the '{field}' picture is {_foreign_kind(data)}; {_KINDS} is needed: convert it to PNG")


def _foreign_kind(data: bytes) -> str:
    head = data[:512].lstrip(b"\xef\xbb\xbf" + _WHITE).lower()
    if data[4:8] == b"ftyp":
        return "an AVIF file" if data[8:12] in (b"avif", b"avis") else "a HEIC file"
    if head.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if b"<svg" in head:
        return "an SVG drawing"
    kinds = {b"GIF8": "a GIF", b"II*\0": "a TIFF", b"MM\0*": "a TIFF", b"BM": "a BMP", b"%PDF": "a PDF",
             b"8BPS": "a Photoshop file", b"\x1f\x8b": "a gzip archive", b"PK\3\4": "a ZIP archive"}  # fmt: skip
    return next((kind for magic, kind in kinds.items() if data.startswith(magic)), "of an unknown kind")
