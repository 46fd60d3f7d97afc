# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""One field of a request: what it holds is told apart, and what no view can be made of is refused before it costs."""

import asyncio
import base64
import io
import struct
import subprocess
import sys
import textwrap
import zlib
from urllib.parse import quote_from_bytes

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin
from pydantic import ValidationError

from fourview.errors import PictureError
from fourview.service.inputs.jpeg import SCANS_MAX
from fourview.service.inputs.pictures import inspect
from fourview.service.inputs.sources import Limits, Source, from_text, gather, tell
from fourview.service.inputs.still import PARTS_MAX, SIDE_MAX_PX, SIDE_MIN_PX
from fourview.service.inputs.webp import WEBP_PIXELS_MAX
from fourview.service.settings import Settings
from fourview.views import load

LIMITS = Limits()
SECRET = b"Ada Lovelace, 51.5 N 0.1 W"


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def gradient(width=40, height=24, mode="RGB"):
    column, row = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    pixels = np.stack([column, row, np.full_like(row, 90)], axis=2).round().astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def exif(orientation=1):
    note = Image.Exif()
    note[0x0112], note[0x013B] = orientation, SECRET.decode()
    return note


PNG = encoded(gradient(), "PNG")
JPEG = encoded(gradient(), "JPEG")
PROGRESSIVE = encoded(gradient(), "JPEG", progressive=True)
WEBP = encoded(gradient(), "WEBP")
LOSSLESS = encoded(gradient(mode="RGBA"), "WEBP", lossless=True)
PICTURES = {"png": PNG, "jpeg": JPEG, "progressive": PROGRESSIVE, "webp": WEBP, "lossless": LOSSLESS}


# Telling apart


@pytest.mark.parametrize("value", [None, "", "1", " ", "\n", " 1 ", b""])
def test_these_mean_that_there_is_no_picture(value):
    assert tell("back_image", value) is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("https://a.example/x.png", "url"),
        ("  HTTP://a.example/x.png\n", "url"),
        ("data:image/png;base64,iVBORw0KGgo=", "data"),
        ("DATA:,x", "data"),
        ("upl_0123456789abcdef01234567", "upload"),
        ("iVBORw0KGgo=", "base64"),
        ("/9j/4AAQ", "base64"),
        ("_9j_4AAQ", "base64"),
        ("UklGRg", "base64"),
        ("11", "base64"),
        (b"upl_0123456789abcdef01234567", "file"),
        (b"1", "file"),
    ],
)
def test_what_a_field_holds_is_told_by_how_it_begins(value, kind):
    assert tell("front_image", value).kind == kind


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1, "is of type int; a text or a file part is needed"),
        ({"url": "https://a.example"}, "is of type dict"),
        (["https://a.example"], "is of type list"),
        ("file:///etc/passwd", "begins with 'file:'; only http:, https: and data: are read"),
        ("ftp://a.example/x.png", "begins with 'ftp:'"),
        ("javascript:alert(1)", "begins with 'javascript:'"),
        ("blob:https://a.example/1", "begins with 'blob:'"),
        ("C:\\pictures\\x.png", "begins with 'C:'"),
        ("upl_", "is no upload id"),
        ("upl_../../etc/passwd", "is no upload id"),
    ],
)
def test_what_is_none_of_these_is_refused_at_once(value, reason):
    with pytest.raises(PictureError, match="the 'front_image' picture") as refused:
        tell("front_image", value)

    assert reason in str(refused.value)


@pytest.mark.parametrize("name", PICTURES)
def test_the_base64_of_no_picture_can_be_taken_for_anything_else(name):
    for text in (base64.b64encode(PICTURES[name]), base64.urlsafe_b64encode(PICTURES[name])):
        assert tell("front_image", text.decode()).kind == "base64"


@given(st.text(max_size=60) | st.text("upl_data:htps/01=,;%base64+- \n", max_size=40))
def test_any_text_is_told_and_read_or_refused(text):
    try:
        source = tell("front_image", text)
        data = source and source.kind in ("data", "base64") and from_text("front_image", source, LIMITS)
    except PictureError:
        return

    assert isinstance(data, bytes) or (source and source.kind in ("url", "upload")) or text.strip() in ("", "1")


# Text


FILES = st.binary(min_size=3, max_size=300)


@given(FILES, st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]), st.booleans(), st.integers(1, 80),
       st.sampled_from(["", "\n", "\r\n", " \t"]))  # fmt: skip
def test_base64_of_either_alphabet_padded_or_not_in_lines_or_not_is_read(data, encode, is_padded, width, between):
    text = encode(data).decode()
    text = text if is_padded else text.rstrip("=")
    lines = between.join(textwrap.wrap(text, width))

    assert from_text("front_image", Source("base64", lines), LIMITS) == data
    assert from_text("front_image", Source("data", f"data:image/png;base64,{lines}"), LIMITS) == data


@given(
    st.binary(max_size=300),
    st.sets(st.integers(0x21, 0x7E)),
    st.sampled_from(["", "image/png", "text/plain;charset=x"]),
)
@example(b"=%=\n_ 100%=3D\r\n", {0x3D, 0x5F}, "")
def test_a_percent_encoded_data_uri_is_read(data, plain, media_type):
    plain = plain - {ord("%"), ord("#")}
    body = "".join(chr(byte) if byte in plain else f"%{byte:02x}" for byte in data)

    assert from_text("front_image", Source("data", f"data:{media_type},{body}"), LIMITS) == data


@given(FILES)
def test_base64_in_a_data_uri_may_be_percent_encoded(data):
    body = quote_from_bytes(base64.b64encode(data), safe="")

    assert from_text("front_image", Source("data", f"data:image/png;BASE64,{body}"), LIMITS) == data


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("front.png", "9 characters that are not base64: send a URL, a data URI"),
        ("/home/me/front.png", "not base64"),
        ("iVBORw0KGgo===", "not base64"),
        ("iVBOR=w0KGgo", "not base64"),
        ("iVBOR", "not base64"),
        ("iVBORw0KGgoä", "not base64"),
        ("<svg/>", "not base64"),
        ("data:image/png;base64", "without a comma"),
        ("data:image/png;base64,iVBOR*", "not base64"),
        ("data:image/png;base64,iVBORw0KGgo%3", "must be percent-encoded"),
        ("data:image/png,%zz", "must be percent-encoded"),
        ("data:image/png,a b", "must be percent-encoded"),
        ("data:image/png,a#b", "must be percent-encoded"),
        ("data:image/png,ä", "must be percent-encoded"),
    ],
)
def test_text_that_cannot_be_read_is_refused_with_its_cure(text, reason):
    with pytest.raises(PictureError, match="the 'front_image' picture") as refused:
        from_text("front_image", tell("front_image", text), LIMITS)

    assert reason in str(refused.value)


@pytest.mark.parametrize("head", ["", "data:;base64,", "data:,", "data:;base64,%41"])
def test_text_of_more_than_a_picture_is_refused_before_it_is_decoded(head):
    with pytest.raises(PictureError, match="at most 1000 are read"):
        from_text("front_image", tell("front_image", head + "A" * 10_000), Limits(bytes_max=1000))


# Gathering


def test_every_way_to_send_a_picture_gives_the_same_bytes():
    asked = []

    async def fetch(field, url):
        asked.append((field, url))
        return PNG

    async def main(value):
        return await gather("left_image", tell("left_image", value), LIMITS, fetch=fetch, upload=fetch)

    for value in (
        "https://a.example/x",
        base64.b64encode(PNG).decode(),
        "data:," + quote_from_bytes(PNG),
        "upl_1",
        PNG,
    ):
        assert asyncio.run(main(value)) == PNG
    assert asked == [("left_image", "https://a.example/x"), ("left_image", "upl_1")]


@pytest.mark.parametrize("value", ["https://a.example/x", "upl_1", PNG])
def test_what_comes_from_elsewhere_is_no_larger_either(value):
    async def fetch(field, url):
        return PNG

    with pytest.raises(PictureError, match="at most 99 are read"):
        asyncio.run(gather("front_image", tell("front_image", value), Limits(bytes_max=99), fetch=fetch, upload=fetch))


# Files that are kept


ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
KINDS = [("PNG", mode) for mode in ("RGB", "RGBA", "P", "L", "LA", "1", "I;16")]
KINDS += [("JPEG", mode) for mode in ("RGB", "L", "CMYK")] + [("WEBP", mode) for mode in ("RGB", "RGBA")]


def same(a, b):
    one, other = load.read_picture("front", a), load.read_picture("front", b)
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.alpha, other.alpha)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(("kind", "mode"), KINDS)
def test_a_view_is_the_same_and_nothing_of_the_owner_stays(kind, mode, orientation):
    image = gradient(mode=mode)
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", SECRET.decode())
    notes = (
        {"pnginfo": texts}
        if kind == "PNG"
        else {"xmp": b"<x:xmpmeta>" + SECRET}
        if kind == "WEBP"
        else {"comment": SECRET}
    )
    profile = ICC if mode in ("RGB", "RGBA") else None
    data = encoded(image, kind, exif=exif(orientation), icc_profile=profile, **notes) + SECRET

    still = inspect("front", data, LIMITS)

    assert SECRET in data[: -len(SECRET)]
    assert SECRET not in still.data
    assert (still.kind, still.width_px, still.height_px, still.orientation) == (kind.lower(), 40, 24, orientation)
    same(data, still.data)
    assert inspect("front", still.data, LIMITS).data == still.data


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_every_orientation_is_applied_when_the_view_is_read(kind, orientation):
    data = encoded(gradient(), kind, exif=exif(orientation))

    still = inspect("front", data, LIMITS)

    assert load.read_picture("front", still.data).image.shape[:2] == ((40, 24) if orientation > 4 else (24, 40))
    same(data, still.data)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_orientation_that_only_xmp_tells_is_kept_too(kind):
    xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="6"/></x:xmpmeta>'
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", xmp)
    data = encoded(gradient(), kind, **({"pnginfo": texts} if kind == "PNG" else {"xmp": xmp.encode()}))

    still = inspect("front", data, LIMITS)

    assert still.orientation == 6
    same(data, still.data)


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_an_orientation_that_does_not_exist_is_none(orientation):
    assert inspect("front", encoded(gradient(), "JPEG", exif=exif(orientation)), LIMITS).orientation == 1


def test_a_webp_whose_header_denies_its_profile_and_its_note_is_kept_without_them():
    data = encoded(gradient(), "WEBP", exif=exif(6), icc_profile=ICC)
    flags = data.index(b"VP8X") + 8

    still = inspect("front", data[:flags] + b"\0" + data[flags + 1 :], LIMITS)

    assert (b"ICCP" in still.data, still.orientation) == (False, 1)
    assert load.read_picture("front", still.data).image.shape == (24, 40, 3)


def test_a_garbled_note_of_the_camera_is_dropped_and_the_picture_kept():
    still = inspect("front", encoded(gradient(), "JPEG", exif=b"Exif\0\0garbled"), LIMITS)

    assert still.data == JPEG


def test_a_phones_jpeg_of_several_pictures_is_its_first():
    file = io.BytesIO()
    gradient().save(file, "MPO", save_all=True, append_images=[Image.new("RGB", (64, 64), "red")])

    still = inspect("front", file.getvalue(), LIMITS)

    assert (still.kind, still.width_px) == ("jpeg", 40)
    assert b"MPF" not in still.data
    assert still.data.count(b"\xff\xd8\xff") == 1
    same(file.getvalue(), still.data)


def test_an_animation_of_one_frame_is_a_still_png():
    data = chunks(IHDR, chunk(b"acTL", struct.pack(">II", 1, 0)), ROWS)

    assert inspect("front", data, LIMITS).data == chunks(IHDR, ROWS)


@pytest.mark.parametrize(
    ("colour", "depth"),
    [
        (c, d)
        for c, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 4, 8), 4: (8, 16), 6: (8, 16)}.items()
        for d in depths
    ],
)
@pytest.mark.parametrize("side", [16, 17, 23])
def test_the_rows_of_every_kind_of_png_are_counted_right(colour, depth, side):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    plain = (b"\0" + bytes(-(-side * depth * channels // 8))) * side
    palette = chunk(b"PLTE", bytes(3 * 2 ** min(depth, 8))) if colour == 3 else b""

    for rows, is_accepted in ((plain, True), (plain + b"\0", False), (plain[:-1], False)):
        data = chunks(ihdr(side, side, depth, colour), palette, chunk(b"IDAT", zlib.compress(rows)))
        if is_accepted:
            assert inspect("front", data, LIMITS).data == data
        else:
            with pytest.raises(PictureError):
                inspect("front", data, LIMITS)


def test_an_interlaced_png_is_counted_by_its_seven_passes():
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b"".join((b"\0" + bytes(3 * len(range(x, 21, dx)))) * len(range(y, 19, dy)) for x, y, dx, dy in passes)
    data = chunks(ihdr(21, 19, 8, 2, 1), chunk(b"IDAT", zlib.compress(rows)))

    assert inspect("front", data, LIMITS).data == data
    with pytest.raises(PictureError, match="more pixels than its header says"):
        inspect("front", chunks(ihdr(21, 19, 8, 2, 1), chunk(b"IDAT", zlib.compress(rows + b"\0"))), LIMITS)


def test_the_limits_are_those_of_the_step_that_reads_views():
    most = load.PIXELS_MAX / 1e6
    given = Settings(picture_max_megapixels=most)

    assert (SIDE_MIN_PX, SIDE_MAX_PX, WEBP_PIXELS_MAX) == (load.SIDE_MIN_PX, load.SIDE_MAX_PX, load.WEBP_PIXELS_MAX)
    assert (given.picture_max_megapixels, given.picture_max_mib * 2**20) == (most, LIMITS.bytes_max)
    assert Settings().picture_max_megapixels * 1e6 == LIMITS.pixels_max
    with pytest.raises(ValidationError):
        Settings(picture_max_megapixels=most + 1)


@pytest.mark.parametrize(
    ("mode", "size", "kind", "options", "most_mib"),
    [("RGB", (8064, 6048), "JPEG", {"quality": 95}, 50), ("RGBA", (9200, 6900), "PNG", {"compress_level": 1}, 300),
     ("CMYK", (9200, 6900), "JPEG", {"progressive": True}, 600), ("RGB", (5770, 4330), "WEBP", {"method": 0}, 500)],
)  # fmt: skip
def test_a_picture_of_a_phone_is_taken_and_kept_with_all_its_pixels(tmp_path, mode, size, kind, options, most_mib):
    across = Image.linear_gradient("L").resize(size)
    Image.merge("RGB", (across, across, across)).convert(mode).save(tmp_path / "large", kind, **options)
    code = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from fourview.service.inputs.pictures import inspect
        from fourview.service.inputs.sources import Limits

        def peak_mib():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

        data = Path(sys.argv[1]).read_bytes()
        before = peak_mib()
        still = inspect("front", data, Limits())
        assert len(still.data) > 0.99 * len(data)
        print(still.width_px, still.height_px, peak_mib() - before)
    """)

    run = subprocess.run([sys.executable, "-c", code, tmp_path / "large"], capture_output=True, text=True, check=True)

    width, height, grown = run.stdout.split()
    assert (int(width), int(height)) == size
    assert float(grown) < most_mib


def test_a_png_of_12_megapixels_in_27_megabytes_is_taken(client):
    noisy = np.random.default_rng(0).integers(0, 256, (3024, 4032, 3), np.uint8) & 0x3F
    data = encoded(Image.fromarray(noisy), "PNG", compress_level=1)

    answer = client.post("/api/v1/uploads", files={"file": data})

    assert 27_000_000 < len(data) < LIMITS.bytes_max
    assert (answer.status_code, answer.json()["width"], answer.json()["bytes"]) == (201, 4032, len(data))


# Hostile files


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def ihdr(width, height, depth=8, colour=6, interlaced=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def chunks(*parts):
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def gigabyte():
    """A zlib stream of 2^30 zeros: one mebibyte's piece of it, over and over."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x78\xda" + piece * 1024 + b"\x03\x00" + struct.pack(">I", 1)


IHDR = ihdr(32, 32)
ROWS = chunk(b"IDAT", zlib.compress((b"\0" + bytes(128)) * 32))
SEGMENT = b"\xff\xfe\0\x04ab"


def riff(*parts):
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def part(kind, body):
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def vp8x(width, height, flags=0):
    return part(
        b"VP8X", struct.pack("<I", flags) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    )


def vp8l(width, height):
    return part(b"VP8L", b"\x2f" + struct.pack("<I", width - 1 | height - 1 << 14) + bytes(20))


def jpeg_of(width, height):
    return JPEG.replace(struct.pack(">HH", 24, 40), struct.pack(">HH", height, width))


FRAME = part(b"ANMF", bytes(16) + part(b"VP8L", b"\x2f" + struct.pack("<I", 31 | 31 << 14) + bytes(20)))
SCAN = PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2]
BOMBS = {
    "a PNG of 64k x 64k": (chunks(ihdr(65535, 65535), ROWS), "65535 x 65535 pixels; at most 64 megapixels"),
    "a PNG of 2^31 x 2^31": (chunks(ihdr(2**31 - 1, 2**31 - 1), ROWS), "2147483647 x 2147483647"),
    "a PNG of one row": (chunks(ihdr(2**20, 16), ROWS), "1048576 x 16 pixels"),
    "a PNG that inflates to 1 GB": (chunks(ihdr(512, 512), chunk(b"IDAT", gigabyte())), "more pixels than its header"),
    "the same in 64 megapixels": (chunks(ihdr(8000, 8000), chunk(b"IDAT", gigabyte())), "more pixels than its header"),
    "a text of 1 GB": (chunks(IHDR, chunk(b"zTXt", b"a\0\0" + gigabyte()), ROWS), "Decompressed"),
    "an XMP of 1 GB": (chunks(IHDR, chunk(b"iTXt", b"a\0\1\0\0\0" + gigabyte()), ROWS), "Decompressed"),
    "a profile of 1 GB": (chunks(IHDR, chunk(b"iCCP", b"a\0\0" + gigabyte()), ROWS), "Decompressed"),
    "a PNG of 600,000 parts": (chunks(IHDR, chunk(b"tEXt", b"") * 600_000, ROWS), f"more than {PARTS_MAX} parts"),
    "a PNG of 10,000 frames": (chunks(IHDR, chunk(b"acTL", struct.pack(">II", 10_000, 0)), ROWS), "of 10000 frames"),
    "a WebP of 10,000 frames": (riff(vp8x(32, 32, 2), part(b"ANIM", bytes(6)), FRAME * 10_000), "an animated WebP"),
    "a WebP of 49 megapixels": (riff(vp8l(7000, 7000)), "7000 x 7000 pixels; at most 25 megapixels"),
    "a WebP of 16k x 16k": (riff(vp8l(16384, 16384)), "16384 x 16384 pixels"),
    "a WebP of 2^24 x 2^24": (riff(vp8x(2**24, 2**24), vp8l(32, 32)), "16777216 x 16777216"),
    "a WebP with a large picture inside": (riff(vp8x(32, 32), vp8l(16384, 16384)), "16384 x 16384"),
    "a WebP of 900,000 parts": (riff(part(b"junk", b"") * 900_000), f"more than {PARTS_MAX} parts"),
    "a JPEG of 64k x 64k": (jpeg_of(65535, 65535), "65535 x 65535 pixels"),
    "a JPEG of 2,000,000 parts": (b"\xff\xd8" + b"\xff\xfe\0\2" * 2_000_000, f"more than {PARTS_MAX} parts"),
    "a JPEG of 100,000 scans": (PROGRESSIVE[:-2] + SCAN * 100_000, f"more than {SCANS_MAX} scans"),
    "8 MB of filling": (b"\xff\xd8" + b"\xff" * 8_000_000, "it has no header"),
}
BROKEN = {
    "nothing": (b"", "is empty"),
    "one byte": (b"\x89", "of an unknown kind"),
    "random bytes": (bytes(range(256)), "of an unknown kind"),
    "a web page": (b"\n<!DOCTYPE html><html>", "a web page"),
    "a drawing": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
    "a GIF": (encoded(gradient(), "GIF"), "a GIF; PNG, JPEG or WebP is needed"),
    "a TIFF": (encoded(gradient(), "TIFF"), "a TIFF"),
    "a BMP": (encoded(gradient(), "BMP"), "a BMP"),
    "a HEIC": (b"\0\0\0\x18ftypheic" + bytes(20), "a HEIC"),
    "an AVIF": (b"\0\0\0\x18ftypavif" + bytes(20), "an AVIF"),
    "a PDF": (b"%PDF-1.7", "a PDF"),
    "a ZIP": (b"PK\3\4", "a ZIP"),
    "a gzip": (b"\x1f\x8b\x08", "a gzip"),
    "a PNG's first bytes alone": (PNG[:8], "damaged or cut off"),
    "a PNG without pixels": (chunks(IHDR), "damaged or cut off"),
    "a PNG without an end": (PNG[:-12], "it ends early"),
    "a PNG whose header comes late": (chunks(chunk(b"tEXt", IHDR[8:21]), IHDR, ROWS), "header is not where"),
    "a PNG of two headers": (chunks(IHDR, IHDR, ROWS), "header is not where"),
    "a PNG with a wrong checksum": (PNG.replace(b"IDAT", b"IDAT\0", 1)[:-1], "damaged or cut off"),
    "a PNG of an unknown colour type": (chunks(ihdr(32, 32, 8, 5), ROWS), "no colour type 5"),
    "a PNG of an unknown depth": (
        chunks(ihdr(32, 32, 4), chunk(b"IDAT", zlib.compress((b"\0" + bytes(64)) * 32))),
        "damaged or cut off",
    ),
    "a PNG of an unknown filter": (chunks(IHDR, chunk(b"IDAT", zlib.compress((b"\x09" + bytes(128)) * 32))), "damaged"),
    "a PNG whose pixels are no zlib": (chunks(IHDR, chunk(b"IDAT", b"no zlib")), "damaged"),
    "a PNG of 1 x 1": (encoded(gradient(1, 1), "PNG"), "1 x 1 pixels; at least 16 x 16"),
    "a PNG of 0 x 0": (chunks(ihdr(0, 0), ROWS), "0 x 0 pixels"),
    "a JPEG's first bytes alone": (JPEG[:3], "damaged or cut off"),
    "a JPEG of two headers": (JPEG[:-2] + JPEG[JPEG.index(b"\xff\xc0") :], "two headers"),
    "a JPEG without a height": (jpeg_of(40, 0), "40 x 0 pixels"),
    "a JPEG of the lossless kind": (JPEG.replace(b"\xff\xc0", b"\xff\xc3"), "damaged"),
    "a JPEG without tables": (JPEG.replace(b"\xff\xdb", b"\xff\xfe"), "damaged"),
    "a JPEG whose part has no length": (b"\xff\xd8\xff\xe0\0\0" + JPEG[2:], "it ends early"),
    "a WebP's first bytes alone": (WEBP[:12], "damaged or cut off"),
    "a WebP without a picture": (riff(), "damaged"),
    "a WebP of two sizes": (riff(vp8x(64, 64), vp8l(32, 32)), "its headers disagree"),
    "a WebP whose picture is garbage": (riff(vp8l(32, 32)), "damaged"),
    "an animated WebP without the flag": (riff(vp8x(32, 32), part(b"ANIM", bytes(6)), FRAME), "an animated WebP"),
}


@pytest.mark.parametrize("name", [*BOMBS, *BROKEN])
def test_a_hostile_file_is_refused_with_the_reason(name):
    data, reason = (BOMBS | BROKEN)[name]
    assert len(data) <= LIMITS.bytes_max or "parts" in reason

    with pytest.raises(PictureError, match=r"^the 'front_image' picture") as refused:
        inspect("front_image", data, Limits(bytes_max=10 * 2**20))

    assert reason in str(refused.value)


@pytest.mark.parametrize("name", PICTURES)
def test_a_file_that_is_cut_off_anywhere_is_refused(name):
    data = PICTURES[name]
    unneeded = 2 if name in ("jpeg", "progressive") else 0  # a JPEG's end mark

    for length in range(0, len(data) - unneeded, 7):
        with pytest.raises(PictureError):
            inspect("front_image", data[:length], LIMITS)


@given(st.sampled_from(sorted(PICTURES)), st.data())
def test_a_damaged_file_is_refused_or_what_is_kept_of_it_can_be_read(name, data):
    file = bytearray(PICTURES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    try:
        still = inspect("front", bytes(file), LIMITS)
    except PictureError:
        return

    assert inspect("front", still.data, LIMITS).data == still.data
    assert load.read_picture("front", still.data).image.shape == (still.height_px, still.width_px, 3)


def test_no_bomb_takes_300_megabytes(tmp_path):
    """In a process of its own, whose peak is that of the largest one."""
    for number, (data, _) in enumerate(BOMBS.values()):
        (tmp_path / f"{number}").write_bytes(data)
    code = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from fourview.errors import PictureError
        from fourview.service.inputs.pictures import inspect
        from fourview.service.inputs.sources import Limits

        def peak_mib():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

        before = peak_mib()
        for path in Path(sys.argv[1]).iterdir():
            try:
                inspect("front", path.read_bytes(), Limits(bytes_max=10 * 2**20))
                sys.exit(f"{path} was taken")
            except PictureError:
                pass
        print(peak_mib() - before)
    """)

    grown = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)

    assert float(grown.stdout) < 300


def test_a_data_uri_of_24_million_characters_takes_no_more_than_five_times_its_length():
    code = textwrap.dedent("""
        import resource
        from fourview.service.inputs.sources import Limits, from_text, tell
        source = tell("front", "data:," + "%41" * 8_000_000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert from_text("front", source, Limits()) == b"A" * 8_000_000
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
    """)

    grown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert int(grown.stdout) < 5 * 24_000_000


def test_reading_a_field_loads_no_numbers():
    code = (
        "import sys, fourview.service.inputs.pictures, fourview.service.outbound.fetch\nprint('numpy' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
