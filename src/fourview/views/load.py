# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Read pictures: any common file becomes upright sRGB with straight alpha, or is refused before it is decoded.

Owns      file kinds, size limits, orientation, bit depth, palettes and colour profiles; writing mattes to look at.
Not here  what belongs to the subject (`matting`), where the camera stands (`framing`).

The first bytes choose Pillow's reader. `Image.open` would warn about large headers, or refuse them, by a limit that is
global to the process, and would take the extra frames of a phone's JPEG for an animation.
"""

import contextlib
import io
import os
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageFile, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from fourview.arrays import Byte
from fourview.atomic import write_files
from fourview.errors import OutputError, PictureError
from fourview.sides import FRONT, SIDES
from fourview.views.png import honoured
from fourview.views.view import Picture, View

Source = str | os.PathLike[str] | bytes | Image.Image

SIDE_MIN_PX = 16  # smaller pictures give neither the matting network nor the hull enough pixels
SIDE_MAX_PX = 20_000
PIXELS_MAX = 200_000_000  # the largest sensors of phones; a PNG of this size takes 800 MB while it is reduced
WEBP_PIXELS_MAX = 25_000_000  # Pillow's reader of WebP holds each pixel four times, 16 bytes, and cannot reduce
LONG_SIDE_PX = 2048  # larger pictures are reduced: four of this size are enough for textures of 1024..8192 texels

_STRIP_PX = 64  # rows of a reduced picture that are made at once
_KINDS = "PNG, JPEG or WebP"
# By a file's first bytes. Of a GIF the first frame is read, of a TIFF the first page.
_READERS: dict[bytes, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    b"\x89PNG\r\n\x1a\n": PngImageFile, b"\xff\xd8\xff": JpegImageFile, b"BM": BmpImageFile, b"GIF8": GifImageFile,
    b"II*\0": TiffImageFile, b"MM\0*": TiffImageFile, b"II+\0": TiffImageFile, b"MM\0+": TiffImageFile,
}  # fmt: skip
_OF_PHONES = (
    "export it as JPEG, or set the phone's camera to JPEG (iPhone: Settings > Camera > Formats > Most Compatible)"
)
# What damaged files make Pillow's readers raise.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, TypeError, LookupError, struct.error, zlib.error)


def read_pictures(sources: Mapping[str, Source | None]) -> list[Picture]:
    """The pictures in the order front, left, back, right; sides that are None are left out, front is required."""
    unknown = [name for name in sources if name not in SIDES]
    if unknown:
        raise PictureError(f"there is no view '{unknown[0]}'; the views are {', '.join(SIDES)}")
    given = {name: source for name in SIDES if (source := sources.get(name)) is not None}
    if FRONT not in given:
        others = f"only {', '.join(given)}" if given else "no picture"
        raise PictureError(f"the 'front' picture is missing ({others} given); it is required: give the object's front")
    return [read_picture(name, source) for name, source in given.items()]


def read_picture(name: str, source: Source) -> Picture:
    """One picture from a path, the bytes of a file, or a PIL image; raises `PictureError`. The source is left as is."""
    try:
        if isinstance(source, Image.Image):
            _check_size(name, source.size)
            return _decode(name, source)
        data = _read_bytes(name, source)
        with _open(name, data) as image:
            _check_size(name, image.size)
            _check_still(name, image)
            image.draft(None, _size_within(image.size))  # a JPEG is decoded at a half, a quarter or an eighth
            return _decode(name, honoured(image, data) if isinstance(image, PngImageFile) else image)
    except _BROKEN as error:
        raise PictureError(
            f"the '{name}' picture is damaged ({error}); a complete {_KINDS} is needed: export it again"
        ) from error


def save_mattes(folder: str | os.PathLike[str], views: Sequence[View]) -> list[Path]:
    """Write `NAME_matte.png` (grey) and `NAME_cutout.png` (RGBA) of each view; each appears whole or not at all."""
    written = []
    for view in views:
        alpha = np.round(view.matte * 255).astype(np.uint8)  # (h, w)
        colour = np.where(alpha[..., None] > 0, view.image, 0)
        for kind, pixels in (("matte", alpha), ("cutout", np.dstack([colour, alpha]))):
            path = Path(folder) / f"{view.name}_{kind}.png"
            _write_png(path, pixels)
            written.append(path)
    return written


def _write_png(path: Path, pixels: Byte) -> None:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    try:
        write_files({path: out.getvalue()})
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"cannot write {path} ({reason}); choose a folder you can write to") from error


def is_url(source: str | os.PathLike[str]) -> bool:
    """Whether `source`, which should be a path, is a URL."""
    return "://" in str(source)[:16]


def _read_bytes(name: str, source: object) -> bytes:
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        if is_url(source):
            raise PictureError(f"the '{name}' picture {source} is a URL; files are read here: download it first")
        if path.is_dir():
            raise PictureError(f"the '{name}' picture {path} is a folder; name a {_KINDS} file in it")
        if not path.exists():
            raise PictureError(f"the '{name}' picture {path} does not exist; check the path")
        if not path.is_file():
            raise PictureError(f"the '{name}' picture {path} is not a plain file; a {_KINDS} file is needed")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise PictureError(f"the '{name}' picture {path} cannot be read: {error.strerror or error}") from error
    else:
        kind = type(source).__name__
        raise PictureError(f"the '{name}' picture is a {kind}; give a path, the bytes of a file, or a PIL image")
    if not data:
        raise PictureError(f"the '{name}' picture is empty (0 bytes); a {_KINDS} file is needed: export it again")
    return data


def _open(name: str, data: bytes) -> ImageFile.ImageFile:
    """The picture with its header read; pixels are decoded later."""
    for magic, reader in _READERS.items():
        if data.startswith(magic):
            return reader(io.BytesIO(data))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        _check_size(name, _webp_size(data), WEBP_PIXELS_MAX)  # its reader sets up whole frames at once
        return WebPImageFile(io.BytesIO(data))
    kind = _foreign_kind(data)
    cure = _OF_PHONES if kind == "a HEIC file" else "convert it to PNG"
    raise PictureError(f"the '{name}' picture is {kind}; {_KINDS} is needed: {cure}")


def _foreign_kind(data: bytes) -> str:
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if data[4:8] == b"ftyp":
        return "an AVIF file" if data[8:12] in (b"avif", b"avis") else "a HEIC file"
    if head.startswith((b"<svg", b"<?xml", b"<!DOCTYPE svg")) or b"<svg" in head:
        return "an SVG drawing"
    if data.startswith(b"\x1f\x8b"):
        return "a compressed (gzip) file, perhaps SVGZ"
    kinds = {b"%PDF": "a PDF", b"8BPS": "a Photoshop file"}
    return next((kind for magic, kind in kinds.items() if data.startswith(magic)), "of an unknown kind")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height in the header of a WebP file (its specification, "Simple" and "Extended File Format")."""
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _check_size(name: str, size: tuple[int, int], pixels_max: int = PIXELS_MAX) -> None:
    width, height = size
    if min(size) < SIDE_MIN_PX:
        raise PictureError(
            f"the '{name}' picture is {width} x {height} pixels; at least {SIDE_MIN_PX} x {SIDE_MIN_PX} are needed: "
            "send a larger picture"
        )
    if max(size) > SIDE_MAX_PX or width * height > pixels_max:
        raise PictureError(
            f"the '{name}' picture is {width} x {height} pixels; at most {pixels_max // 1_000_000} megapixels and "
            f"{SIDE_MAX_PX} a side are read: scale it down, {LONG_SIDE_PX} pixels are plenty"
        )


def _check_still(name: str, image: ImageFile.ImageFile) -> None:
    frames = 1 if isinstance(image, GifImageFile | TiffImageFile) else getattr(image, "n_frames", 1)
    if frames > 1:
        raise PictureError(f"the '{name}' picture is an animation of {frames} frames; send one frame as PNG")


def _decode(name: str, image: Image.Image) -> Picture:
    image.load()
    profile = image.info.get("icc_profile")
    image = image.convert("LA") if image.mode == "La" else image
    image = _upright(_in_strips(name, image))
    colour, alpha = _colour_and_alpha(name, image)
    if profile:
        colour = _to_srgb(colour, profile)
    colour = colour.convert("RGB")
    if max(colour.size) > LONG_SIDE_PX:
        colour, alpha = _reduced(colour, alpha, _size_within(colour.size))
    pixels = np.array(colour, np.uint8)  # (h, w, 3)
    return Picture(name, pixels, None if alpha is None else np.asarray(alpha, np.float32) / np.float32(255))


def _size_within(size: tuple[int, int]) -> tuple[int, int]:
    """The size at which a picture is used."""
    scale = min(1.0, LONG_SIDE_PX / max(size))
    width, height = (max(SIDE_MIN_PX, round(side * scale)) for side in size)
    return width, height


def _in_strips(name: str, image: Image.Image) -> Image.Image:
    """`image`, reduced by a whole factor where it is far larger than the size at which it is used.

    Works strip by strip: each step on the whole picture would copy all of its pixels.
    """
    (width, height), used = image.size, _size_within(image.size)
    factor = width // used[0], height // used[1]
    if max(factor) < 2:
        return image
    small = None
    for top in range(0, height, _STRIP_PX * factor[1]):
        bottom = min(height, top + _STRIP_PX * factor[1])
        colour, alpha = _colour_and_alpha(name, image.crop((0, top, width, bottom)))
        if alpha is not None:
            colour.putalpha(alpha)
        strip = colour.reduce(factor)  # means; Pillow multiplies by alpha before and divides after
        small = small or Image.new(strip.mode, (strip.width, -(-height // factor[1])))
        small.paste(strip, (0, top // factor[1]))
    assert small is not None, "a picture has rows"
    small.info = {kind: value for kind, value in image.info.items() if kind == "icc_profile"}
    with contextlib.suppress(*_BROKEN):  # damaged EXIF
        small.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
    return small


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _BROKEN:  # damaged EXIF is no reason to refuse a picture
        return image


def _colour_and_alpha(name: str, image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colours in the picture's own colour space (8 bits a channel), and the alpha `L`, or None where it has none."""
    clear = image.info.get("transparency")
    if image.mode.startswith("I"):  # 16 bits of grey
        grey = np.asarray(image).astype(np.int64)
        opaque = None if clear is None else Image.fromarray(np.where(grey == clear, 0, 255).astype(np.uint8))
        return Image.fromarray(np.round(np.clip(grey, 0, 65535) / 257).astype(np.uint8)), opaque
    if image.mode == "F":
        raise PictureError(f"the '{name}' picture holds floats; 8 or 16 bits are read: convert it to RGB")
    if clear is not None and image.mode == "RGB":
        key = np.array([v >> 8 if max(clear) > 255 else v for v in clear])  # 16-bit files keep a 16-bit key
        keyed = (np.asarray(image) == key).all(axis=2)
        return image, Image.fromarray(np.where(keyed, 0, 255).astype(np.uint8))
    if clear is not None or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        rgba = image.convert("RGBA")
        return rgba.convert("RGB"), rgba.getchannel("A")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB"), None


def _to_srgb(colour: Image.Image, profile: bytes) -> Image.Image:
    """`colour` in sRGB; a profile that is broken or made for another kind of picture is ignored."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):  # converting could only change last bits
            return colour
        if source.profile.xcolor_space == "RGB ":
            colour = colour.convert("RGB")
        converted = ImageCms.profileToProfile(colour, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, *_BROKEN):
        return colour
    return colour if converted is None else converted


def _reduced(
    colour: Image.Image, alpha: Image.Image | None, size: tuple[int, int]
) -> tuple[Image.Image, Image.Image | None]:
    """Both at `size`; colours are weighted by alpha. Hamming's filter rings less than Lanczos'."""
    if alpha is None:
        return colour.resize(size, Image.Resampling.HAMMING), None
    rgba = colour.copy()
    rgba.putalpha(alpha)
    rgba = rgba.resize(size, Image.Resampling.HAMMING)  # Pillow multiplies by alpha before and divides after
    return rgba.convert("RGB"), rgba.getchannel("A")
