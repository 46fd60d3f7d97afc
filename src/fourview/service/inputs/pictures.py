# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""One field of a request becomes the bytes of a picture, or nothing.

Owns      telling apart what a field may hold, reading it, refusing what no view can be made of before it is decoded,
          dropping what a file says about its owner.
Not here  fetching (`fetch`), where uploads lie (the caller's), pixels for the engines (`fourview.views.load`).

What a field holds is told by how it begins, outer white space aside; no text can be two of these:

    null, "", "1", an empty file part    absent
    http:// or https://                  a URL
    data:                                a data URI, base64 or percent-encoded
    upl_                                 an upload id; no picture in base64 begins like this
    anything else that is text           base64, standard or URL-safe, padded or not, in one line or many
    bytes                                a file part, taken as it is

The base64 of a PNG begins with `iVBORw0KGgo`, of a JPEG with `/9j/` (or `_9j_`), of a WebP with `UklGR`. A colon is in
no alphabet of base64, so another scheme (`file:`, `ftp:`) is refused and never taken for one.

A file is kept as its own encoder wrote it, pixel for pixel: it is not encoded again. Only the parts that make up the
picture stay (pixels, palette, transparency, colour profile); text, EXIF with place and owner, XMP, thumbnails and
whatever follows the picture are cut away. The one thing kept of EXIF is the orientation, which `views.load` applies.
A JPEG of several pictures (MPO: depth, gain map) is its first one. Animated PNG and WebP are refused.

Bombs fall to what a file says of itself, read without decoding: sides, frames, counted parts and scans. What a PNG's
pixels inflate to is counted in small pieces and may not exceed what its header says.
"""

import binascii
import re
import struct
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Literal

from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from fourview.errors import PictureError

SIDE_MIN_PX, SIDE_MAX_PX = 16, 20_000  # those of `views.load`, like the next; a test compares them
WEBP_PIXELS_MAX = 25_000_000
PARTS_MAX = 10_000  # of a file: a PNG of 32 MiB in pieces of 8 KiB, as libpng writes them, has 4096
SCANS_MAX = 30  # of a progressive JPEG: encoders write about ten, and each costs a pass over all pixels

# However many requests come: a PNG takes up to 4 bytes a pixel, a progressive JPEG 8, a WebP 16. That is 500 MB for a
# JPEG of 64 megapixels in CMYK, 250 MB for a PNG, 400 MB for the largest WebP.
_ONE_AT_A_TIME = threading.Lock()

_KINDS = "PNG, JPEG or WebP"
_ABSENT = ("", "1")
_UPLOAD = re.compile(r"upl_[A-Za-z0-9]{1,64}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_WHITE = b" \t\r\n\f\v"
_NOT_DATA = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^!-~]|#")  # what a percent-encoded text cannot hold
_ORIENTATION = 0x0112
_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"IDAT", b"IEND")
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xfe])")
_JPEG_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a body
_JPEG_KEPT = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}  # of the parts that are an application's
_WEBP_KEPT = (b"ICCP", b"ALPH", b"VP8 ", b"VP8L")
_WEBP_ANIMATED, _WEBP_EXIF, _WEBP_ALPHA, _WEBP_ICC = 0x02, 0x08, 0x10, 0x20
# What damaged files make Pillow's readers raise, as in `views.load`.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, TypeError, LookupError, struct.error, zlib.error)


@dataclass(frozen=True)
class Limits:
    bytes_max: int = 32 * 2**20
    pixels_max: int = 64_000_000


@dataclass(frozen=True)
class Source:
    """What a field holds, told apart and not yet read: `value` is bytes for a file, else text."""

    kind: Literal["url", "data", "upload", "base64", "file"]
    value: str | bytes


@dataclass(frozen=True)
class Still:
    """A file that can be decoded and tells nothing of its owner; sides as stored, before `orientation` (1..8)."""

    data: bytes
    kind: Literal["png", "jpeg", "webp"]
    width_px: int
    height_px: int
    orientation: int = 1


def tell(field: str, value: object) -> Source | None:
    """What `value` is, or None where the picture is absent; nothing is fetched or decoded. Raises `PictureError`."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return Source("file", value) if value else None
    if not isinstance(value, str):
        raise PictureError(
            f"the '{field}' picture is of type {type(value).__name__}; a text or a file part is needed: send a URL, "
            "base64, a data URI or an upload id"
        )
    text = value.strip()
    if text in _ABSENT:
        return None
    head = text[:8].lower()
    if head.startswith(("http://", "https://")):
        return Source("url", text)
    if head.startswith("data:"):
        return Source("data", text)
    if text.startswith("upl_"):
        if not _UPLOAD.fullmatch(text):
            raise PictureError(f"the '{field}' picture {text[:40]!r} is no upload id; send what POST /uploads answered")
        return Source("upload", text)
    if scheme := _SCHEME.match(text[:40]):
        raise PictureError(f"the '{field}' picture begins with {scheme[0]!r}; only http:, https: and data: are read")
    return Source("base64", text)


async def gather(
    field: str,
    source: Source,
    limits: Limits,
    *,
    fetch: Callable[[str, str], Awaitable[bytes]],
    upload: Callable[[str, str], Awaitable[bytes]],
) -> bytes:
    """The bytes of the file that `source` stands for, not looked at yet. Both callables are given `field` and text."""
    if isinstance(source.value, bytes):
        return _within(field, source.value, limits)
    if source.kind == "url":
        return _within(field, await fetch(field, source.value), limits)
    if source.kind == "upload":
        return _within(field, await upload(field, source.value), limits)
    return from_text(field, source, limits)


def from_text(field: str, source: Source, limits: Limits) -> bytes:
    """The bytes of a file that stand in the request itself, as base64 or a data URI."""
    text = str(source.value)
    if source.kind == "base64":
        return _from_base64(field, text, limits)
    head, comma, body = text.partition(",")
    if not comma:
        raise PictureError(f"the '{field}' picture is a data URI without a comma; data:image/png;base64,... is needed")
    is_base64 = head.lower().rstrip().endswith(";base64")
    if not is_base64 or "%" in body:
        body_bytes = _from_percent(field, body, limits, 2 if is_base64 else 1)
        if not is_base64:
            return _within(field, body_bytes, limits)
        body = body_bytes.decode("latin-1")
    return _from_base64(field, body, limits)


def inspect(field: str, data: bytes, limits: Limits) -> Still:
    """The still picture in `data`, decoded once to see that it is whole; raises `PictureError`. Takes up to seconds."""
    _within(field, data, limits)
    if not data:
        raise PictureError(f"the '{field}' picture is empty (0 bytes); a {_KINDS} file is needed: export it again")
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(field, data, limits)
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(field, data, limits)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(field, data, limits)
    except _BROKEN as error:
        raise PictureError(
            f"the '{field}' picture is damaged or cut off ({error}); a complete {_KINDS} is needed: export it again"
        ) from error
    raise PictureError(f"the '{field}' picture is {_foreign_kind(data)}; {_KINDS} is needed: convert it to PNG")


# Text


def _from_base64(field: str, text: str, limits: Limits) -> bytes:
    cure = "send a URL, a data URI, base64, an upload id, or the file itself as a form part"
    if not text.isascii():
        raise PictureError(f"the '{field}' picture is text that is not base64: {cure}")
    packed = text.encode().translate(_FROM_URL_SAFE, _WHITE)
    letters = packed.rstrip(b"=")
    _check_length(field, len(letters) * 3 // 4, limits)
    try:
        if len(packed) - len(letters) > 2 or len(letters) % 4 == 1:
            raise ValueError
        return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4), strict_mode=True)
    except ValueError:
        raise PictureError(f"the '{field}' picture is {len(text)} characters that are not base64: {cure}") from None


def _from_percent(field: str, text: str, limits: Limits, growth: int) -> bytes:
    """`text` with each %41 as its byte; it may stand for up to `growth` times the bytes of a picture."""
    raw = text.encode("utf-8", "replace")
    _check_length(field, len(raw) // (3 * growth), limits)
    if _NOT_DATA.search(raw):
        raise PictureError(
            f"the '{field}' picture is a data URI with characters that must be percent-encoded; encode them, or send "
            "data:image/png;base64,..."
        )
    # Quoted-printable but for the sign; `urllib.parse.unquote_to_bytes` would make a list of millions of parts.
    return binascii.a2b_qp(raw.replace(b"=", b"%3D").replace(b"%", b"="))


def _within(field: str, data: bytes, limits: Limits) -> bytes:
    _check_length(field, len(data), limits)
    return data


def _check_length(field: str, length: int, limits: Limits) -> None:
    if length > limits.bytes_max:
        raise PictureError(
            f"the '{field}' picture has {length} bytes; at most {limits.bytes_max} are read: scale it down, or save it "
            "as JPEG"
        )


# Files


def _png(field: str, data: bytes, limits: Limits) -> Still:
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    _check_sides(field, width, height, limits)
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
    turn = _decoded(PngImageFile, data, (width, height))
    head, *rest = [part for _, part in parts]
    exif = b"eXIf" + _exif(turn)
    note = struct.pack(">I", len(exif) - 4) + exif + struct.pack(">I", zlib.crc32(exif)) if turn != 1 else b""
    return Still(b"".join((data[:8], head, note, *rest)), "png", width, height, turn)


def _png_parts(field: str, data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and whole bytes (length, kind, body, checksum) of each part up to the end's."""
    begin = 8
    for _ in _counted(field):
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


def _jpeg(field: str, data: bytes, limits: Limits) -> Still:
    size: tuple[int, int] | None = None
    scans, kept, begin = 0, [], 2
    for _ in _counted(field):
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
            _check_sides(field, width, height, limits)
            size = width, height
        if kind == 0xDA:
            scans += 1
            if scans > SCANS_MAX:
                raise PictureError(
                    f"the '{field}' picture is a JPEG of more than {SCANS_MAX} scans; save it anew, not progressive"
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
    turn = _decoded(JpegImageFile, data, size)
    exif = b"Exif\0\0" + _exif(turn)
    note = b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif if turn != 1 else b""
    return Still(b"".join((b"\xff\xd8", note, *kept, b"\xff\xd9")), "jpeg", *size, turn)


def _webp(field: str, data: bytes, limits: Limits) -> Still:
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise EOFError("it ends early")
    limits = replace(limits, pixels_max=min(limits.pixels_max, WEBP_PIXELS_MAX))
    sizes: list[tuple[int, int]] = []
    flags, kept, begin = 0, [], 12
    for _ in _counted(field):
        if begin + 8 > end:
            break
        kind, length = data[begin : begin + 4], int.from_bytes(data[begin + 4 : begin + 8], "little")
        body = data[begin + 8 : begin + 8 + length]
        if kind in (b"VP8X", b"VP8L", b"VP8 "):
            sizes.append(_webp_size(kind, body))
            _check_sides(field, *sizes[-1], limits)
        flags |= body[0] if kind == b"VP8X" else 0
        if kind in (b"ANIM", b"ANMF") or flags & _WEBP_ANIMATED:
            raise PictureError(f"the '{field}' picture is an animated WebP; send one frame, as PNG or JPEG")
        if kind in _WEBP_KEPT and (kind != b"ICCP" or flags & _WEBP_ICC):
            kept.append(data[begin : begin + 8] + body + b"\0" * (length % 2))
        begin += 8 + length + length % 2
    if len(set(sizes)) != 1:
        raise ValueError("its headers disagree")
    width, height = sizes[0]
    turn = _decoded(WebPImageFile, data, (width, height))
    if len(sizes) > 1 or turn != 1:  # it has a header besides that of its pixels, or needs one
        flags = flags & (_WEBP_ALPHA | _WEBP_ICC) | (_WEBP_EXIF if turn != 1 else 0)
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        kept.insert(0, b"VP8X" + struct.pack("<II", 10, flags) + sides)
    if turn != 1:
        kept.append(b"EXIF" + struct.pack("<I", len(_exif(turn))) + _exif(turn))
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


def _counted(field: str) -> Iterator[int]:
    """Counts the parts of a file; raises at one too many."""
    yield from range(PARTS_MAX)
    raise PictureError(f"the '{field}' picture has more than {PARTS_MAX} parts; export it again")


def _check_sides(field: str, width: int, height: int, limits: Limits) -> None:
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


def _decoded(
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
        except _BROKEN:  # a camera's garbled note is no reason to refuse its picture
            return 1
        return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _exif(turn: int) -> bytes:
    """EXIF that holds an orientation and nothing else: a header, a table of one short, the end of the tables."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, turn, 0, 0)


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
