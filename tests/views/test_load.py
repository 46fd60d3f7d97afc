# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Reading pictures: every kind of file comes out as the same upright sRGB pixels, or as a clear error."""

import contextlib
import io
import struct
import subprocess
import sys
import textwrap
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from fourview.errors import OutputError, PictureError
from fourview.views.camera import side_camera
from fourview.views.load import (
    LONG_SIDE_PX,
    PIXELS_MAX,
    SIDE_MIN_PX,
    WEBP_PIXELS_MAX,
    read_picture,
    read_pictures,
    save_mattes,
)
from fourview.views.view import View

JPEG_TOLERANCE = 12  # levels of 255, quality 95 on a smooth picture


def gradient(width=40, height=24):
    """Red grows to the right, green downwards: no two corners agree."""
    column, row = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.stack([column, row, np.full_like(row, 90)], axis=2).round().astype(np.uint8)


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, colour_type, rows=b"", extra=b""):
    """A PNG put together by hand, for the kinds that Pillow cannot write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


# What is read


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_lossless_files_keep_every_pixel(kind, options):
    picture = read_picture("front", encoded(Image.fromarray(gradient()), kind, **options))

    assert picture.name == "front"
    assert picture.alpha is None
    np.testing.assert_array_equal(picture.image, gradient())


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_jpeg_colours_stay_close(mode):
    picture = read_picture("front", encoded(Image.fromarray(gradient()).convert(mode), "JPEG", quality=95))

    assert np.abs(picture.image.astype(int) - gradient()).max() <= JPEG_TOLERANCE


def test_path_bytes_and_image_give_the_same_picture(tmp_path):
    path = tmp_path / "thing with spaces.png"
    Image.fromarray(gradient()).save(path)

    by_path, by_text = read_picture("left", path), read_picture("left", str(path))
    by_bytes, by_image = read_picture("left", path.read_bytes()), read_picture("left", Image.open(path))

    for other in (by_text, by_bytes, by_image):
        np.testing.assert_array_equal(by_path.image, other.image)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_every_exif_orientation_is_set_upright(orientation, kind):
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that a camera held so would have needed
    upright = Image.fromarray(gradient(64, 32))
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation

    options = {"quality": 95} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    picture = read_picture("front", encoded(stored, kind, exif=exif, **options))

    assert picture.image.shape == (32, 64, 3)
    assert np.abs(picture.image.astype(int) - gradient(64, 32)).max() <= JPEG_TOLERANCE


def test_sixteen_bits_of_grey_become_eight():
    values = np.linspace(0, 65535, 40 * 24).round().astype(np.uint16).reshape(24, 40)

    picture = read_picture("front", encoded(Image.fromarray(values), "PNG"))

    np.testing.assert_array_equal(picture.image[..., 1], np.round(values / 257))


def test_sixteen_bits_of_colour_and_alpha_become_eight():
    pixel = struct.pack(">HHHH", 65535, 32768, 0, 32768)
    data = png(20, 20, 16, 6, (b"\0" + pixel * 20) * 20)

    picture = read_picture("front", data)

    np.testing.assert_array_equal(picture.image[3, 4], [255, 128, 0])
    assert picture.alpha[3, 4] == pytest.approx(0.5, abs=0.01)


def test_a_palette_with_transparency_has_alpha():
    rgba = np.dstack([gradient(), np.where(np.arange(40) < 10, 0, 255)[None].repeat(24, 0)]).astype(np.uint8)

    picture = read_picture("front", encoded(Image.fromarray(rgba).quantize(64), "PNG"))

    np.testing.assert_array_equal(picture.alpha[:, :10], 0)
    np.testing.assert_array_equal(picture.alpha[:, 10:], 1)


@pytest.mark.parametrize(
    ("image", "clear"),
    [
        (Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20) % 7), 3),
        (Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) % 7), 3),
        (Image.fromarray(np.repeat(np.arange(400, dtype=np.uint8).reshape(20, 20, 1) % 7, 3, 2)), (3, 3, 3)),
    ],
    ids=["grey", "grey 16", "colour"],
)
def test_the_one_clear_colour_of_a_png_becomes_alpha(image, clear):
    picture = read_picture("front", encoded(image, "PNG", transparency=clear))

    np.testing.assert_array_equal(picture.alpha, (np.arange(400, dtype=np.uint16) % 256 % 7 != 3).reshape(20, 20)
                                  if image.mode != "I;16" else (np.arange(400) % 7 != 3).reshape(20, 20))  # fmt: skip


def test_grey_with_alpha_and_black_and_white_are_read():
    grey = read_picture("front", encoded(Image.new("LA", (20, 20), (77, 128)), "PNG"))
    bits = read_picture("front", encoded(Image.new("1", (20, 20), 1), "PNG"))

    np.testing.assert_array_equal(grey.image[0, 0], [77, 77, 77])
    assert grey.alpha[0, 0] == pytest.approx(128 / 255)
    np.testing.assert_array_equal(bits.image, 255)
    assert bits.alpha is None


def test_an_embedded_profile_is_converted_to_srgb():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = (
        srgb.replace(b"rXYZ", b"tmpZ")
        .replace(b"gXYZ", b"rXYZ")
        .replace(b"tmpZ", b"gXYZ")
        .replace(b"\0s\0R\0G\0B", b"\0m\0i\0n\0e")
    )
    image = Image.new("RGB", (20, 20), (200, 40, 40))

    kept = read_picture("front", encoded(image, "PNG", icc_profile=srgb))
    turned = read_picture("front", encoded(image, "PNG", icc_profile=swapped))
    unfit, broken = (read_picture("front", encoded(image, "PNG", icc_profile=p)) for p in (lab, b"nonsense"))

    np.testing.assert_array_equal(kept.image[0, 0], [200, 40, 40])
    assert turned.image[0, 0, 1] > turned.image[0, 0, 0], "its red primary is green"
    np.testing.assert_array_equal(unfit.image, kept.image)
    np.testing.assert_array_equal(broken.image, kept.image)


def test_large_pictures_are_reduced_and_keep_their_proportions():
    picture = read_picture("front", Image.new("RGB", (LONG_SIDE_PX * 2, LONG_SIDE_PX), (10, 20, 30)))

    assert picture.image.shape == (LONG_SIDE_PX // 2, LONG_SIDE_PX, 3)
    np.testing.assert_array_equal(picture.image[5, 5], [10, 20, 30])


def test_colour_under_clear_pixels_does_not_bleed_in_when_reduced():
    rgba = np.zeros((64, LONG_SIDE_PX * 2, 4), np.uint8)
    rgba[..., 0] = 255  # red, but clear ...
    rgba[:, 1001:3001] = [0, 200, 0, 255]  # ... beside an opaque green band whose ends fall inside reduced pixels

    picture = read_picture("front", Image.fromarray(rgba))

    rim = (picture.alpha > 0) & (picture.alpha < 1)
    assert rim.any()
    assert picture.image[picture.alpha > 0.1][:, 0].max() <= 2


FAST = {"PNG": {"compress_level": 1}}
MANY = (2 * LONG_SIDE_PX + 901, 2 * LONG_SIDE_PX - 333)  # reduced twofold in strips, with a rest on both sides


def smooth(mode, size=MANY):
    """A picture whose colours say where a pixel is, made without a copy in numbers."""
    down = Image.linear_gradient("L").resize(size, Image.Resampling.BILINEAR)
    across = Image.linear_gradient("L").transpose(Image.Transpose.ROTATE_90).resize(size, Image.Resampling.BILINEAR)
    rgb = Image.merge("RGB", (across, down, Image.new("L", size, 90)))
    if mode == "RGBA":
        rgb.putalpha(down.point(lambda level: 255 if level > 127 else 0))
    return rgb.convert("L").convert("P") if mode == "P" else rgb.convert(mode)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [("PNG", "RGB", {}), ("PNG", "RGBA", {}), ("PNG", "L", {}), ("PNG", "RGB", {"transparency": (1, 2, 3)}),
     ("PNG", "P", {"transparency": 0}), ("JPEG", "RGB", {"quality": 95}), ("JPEG", "CMYK", {"quality": 95}),
     ("JPEG", "RGB", {"quality": 95, "progressive": True}), ("WEBP", "RGB", {"quality": 95, "method": 0})],
)  # fmt: skip
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_picture_far_too_large_is_the_same_as_one_that_was_scaled_before(kind, mode, options, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = smooth(mode)
    pixels = "RGBA" if mode == "RGBA" else "RGB"
    scale = LONG_SIDE_PX / max(image.size)
    size = tuple(round(side * scale) for side in image.size)
    before = image.convert(pixels).resize(size, Image.Resampling.BOX)

    large = read_picture("front", encoded(image, kind, exif=exif, **options, **FAST.get(kind, {})))
    small = read_picture("front", encoded(before, "PNG", exif=exif, compress_level=1))

    assert large.image.shape == small.image.shape == ((*size, 3) if orientation == 6 else (*size[::-1], 3))
    seen = np.ones(large.image.shape[:2], bool) if small.alpha is None else (small.alpha == 1) & (large.alpha == 1)
    assert np.abs(large.image.astype(int) - small.image)[seen].max() <= JPEG_TOLERANCE
    if mode == "RGBA":
        assert np.count_nonzero((large.alpha >= 0.5) != (small.alpha >= 0.5)) <= max(size)


def test_sixteen_bits_and_an_image_by_hand_are_reduced_too():
    values = np.linspace(0, 65535, MANY[0]).round().astype(np.uint16)[None].repeat(64, 0)
    image = Image.fromarray(values)
    image.getexif()[0x0112] = 3

    picture = read_picture("front", image)

    assert picture.image.shape == (round(64 * LONG_SIDE_PX / MANY[0]), LONG_SIDE_PX, 3)
    np.testing.assert_allclose(picture.image[0, ::-1, 0], np.linspace(0, 255, LONG_SIDE_PX), atol=2)
    assert image.size == (MANY[0], 64)


@pytest.mark.parametrize(
    ("kind", "mode", "options", "size", "most_mib"),
    [("PNG", "RGBA", {"compress_level": 1}, (9200, 6900), 400), ("JPEG", "RGB", {}, (9200, 6900), 150),
     ("JPEG", "CMYK", {"progressive": True}, (9200, 6900), 600), ("WEBP", "RGB", {"method": 0}, (5770, 4330), 500)],
)  # fmt: skip
def test_reading_64_megapixels_takes_little_more_than_its_pixels(tmp_path, kind, mode, options, size, most_mib):
    smooth(mode, size).save(tmp_path / "large", kind, **options)
    code = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from fourview.views.load import read_picture
        data = Path(sys.argv[1]).read_bytes()

        def peak_mib():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

        before = peak_mib()
        read_picture("front", data)
        print(peak_mib() - before)
    """)

    grown = subprocess.run([sys.executable, "-c", code, tmp_path / "large"], capture_output=True, text=True, check=True)

    assert float(grown.stdout) < most_mib


def test_a_picture_given_as_an_image_is_left_as_it_was():
    image = Image.fromarray(gradient()).convert("P")
    before = image.mode, image.size, image.tobytes()

    read_picture("front", image)

    assert (image.mode, image.size, image.tobytes()) == before


# Several pictures


def test_pictures_come_in_the_order_of_the_views_and_none_is_left_out():
    same = encoded(Image.fromarray(gradient()), "PNG")

    pictures = read_pictures({"right": same, "left": None, "front": same, "back": same})

    assert [p.name for p in pictures] == ["front", "back", "right"]


def test_the_front_is_required():
    with pytest.raises(PictureError, match=r"'front' picture is missing.*only left"):
        read_pictures({"left": encoded(Image.fromarray(gradient()), "PNG")})
    with pytest.raises(PictureError, match="'front' picture is missing"):
        read_pictures({"front": None})


def test_an_unknown_view_is_named_with_the_known_ones():
    with pytest.raises(PictureError, match="no view 'top'; the views are front, left, back, right"):
        read_pictures({"front": b"", "top": b""})


# What is refused


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC file; .* export it as JPEG, or set the phone's camera to JPEG"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"  <svg/>", "SVG"),
        (b"not a picture at all", "unknown kind"),
        (encoded(Image.new("RGB", (1, 1)), "PNG"), "1 x 1 pixels; at least 16 x 16"),
        (encoded(Image.new("RGB", (400, 15)), "JPEG"), "400 x 15 pixels; at least 16 x 16"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_view(data, words):
    with pytest.raises(PictureError, match=words) as error:
        read_picture("left", data)

    assert "'left'" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "data",
    [
        png(40_000, 40_000, 8, 2),
        png(10_001, 20_000, 8, 2),
        png(SIDE_MIN_PX, 20_001, 8, 2),
        b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x3f\x9c\0\x3f\x9c\0" + bytes(16),
        b"\xff\xd8\xff\xc0\x00\x11\x08\x9c\x40\x9c\x40\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xda\x00\x08"
        + bytes(8),
    ],
    ids=["png", "just too many", "too long", "webp", "jpeg"],
)
def test_an_enormous_header_is_refused_before_anything_is_decoded(data):
    most = WEBP_PIXELS_MAX if data.startswith(b"RIFF") else PIXELS_MAX
    with pytest.raises(PictureError, match=f"at most {most // 1_000_000} megapixels"):
        read_picture("front", data)  # there are no pixels behind these headers: decoding would call them damaged


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "GIF"])
def test_other_common_files_are_read_too(kind):
    picture = read_picture("front", encoded(Image.fromarray(gradient()), kind))

    assert np.abs(picture.image.astype(int) - gradient()).max() <= (40 if kind == "GIF" else 0)  # a GIF has 256 colours


@pytest.mark.parametrize("kind", ["GIF", "TIFF"])
def test_of_several_frames_or_pages_the_first_is_read(kind):
    red, blue = (Image.new("RGB", (40, 24), colour) for colour in ("#c00000", "#0000c0"))

    picture = read_picture("front", encoded(red, kind, save_all=True, append_images=[blue]))

    assert picture.image[12, 20].tolist() == [192, 0, 0]


def test_a_clear_colour_of_a_gif_is_its_alpha():
    cut_out = Image.new("RGBA", (40, 24))
    cut_out.paste((200, 0, 0, 255), (10, 5, 30, 20))

    picture = read_picture("front", encoded(cut_out, "GIF"))

    assert picture.alpha is not None
    assert (picture.alpha[12, 20], picture.alpha[0, 0]) == (1, 0)


def test_animations_are_refused(tmp_path):
    frames = [Image.fromarray(gradient()), Image.fromarray(gradient()[::-1].copy())]

    for kind in ("PNG", "WEBP"):
        with pytest.raises(PictureError, match="animation of 2 frames"):
            read_picture("front", encoded(frames[0], kind, save_all=True, append_images=frames[1:]))


def test_missing_files_folders_and_strange_sources_are_named(tmp_path):
    with pytest.raises(PictureError, match=r"none\.png does not exist"):
        read_picture("back", tmp_path / "none.png")
    with pytest.raises(PictureError, match="is a folder"):
        read_picture("back", tmp_path)
    with pytest.raises(PictureError, match="is a int; give a path"):
        read_picture("back", 7)
    with pytest.raises(PictureError, match="floats"):
        read_picture("back", Image.new("F", (20, 20)))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow remarks on garbled EXIF
@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(["PNG", "JPEG", "WEBP"]), data=st.data())
def test_a_damaged_file_is_a_picture_or_a_picture_error(kind, data):
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = bytearray(encoded(Image.fromarray(gradient()), kind, exif=exif))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(12, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(whole)))

    with contextlib.suppress(PictureError):
        picture = read_picture("front", bytes(whole[:cut]))
        assert picture.image.shape[2] == 3


@settings(max_examples=60, deadline=None)
@given(
    mode=st.sampled_from(
        ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16"]
    ),
    width=st.integers(1, 70),
    height=st.integers(1, 70),
)
def test_every_mode_and_size_is_a_picture_or_a_picture_error(mode, width, height):
    image = Image.new(mode, (width, height))

    if min(width, height) < SIDE_MIN_PX:
        with pytest.raises(PictureError, match=f"{width} x {height}"):
            read_picture("front", image)
    else:
        picture = read_picture("front", image)
        assert picture.image.shape == (height, width, 3)
        assert picture.alpha is None or picture.alpha.shape == (height, width)


def test_a_png_with_a_text_bomb_is_a_picture_error():
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(PngImagePlugin.MAX_TEXT_CHUNK + 10)))

    with pytest.raises(PictureError, match="damaged"):
        read_picture("front", png(20, 20, 8, 0, (b"\0" + bytes(20)) * 20, extra=bomb))


# What is written


def view_with_a_square():
    matte = np.zeros((24, 40), np.float32)
    matte[5:15, 5:15] = 1
    return View("front", gradient(), matte, side_camera(0, (1, 1)))


def test_mattes_are_saved_and_come_back(tmp_path):
    view = view_with_a_square()

    paths = save_mattes(tmp_path / "new", [view])

    assert sorted(tmp_path.glob("new/*")) == sorted(paths)
    assert [p.name for p in paths] == ["front_matte.png", "front_cutout.png"]
    cutout = read_picture("front", tmp_path / "new" / "front_cutout.png")
    np.testing.assert_array_equal(cutout.alpha, view.matte)
    np.testing.assert_array_equal(cutout.image[6, 6], view.image[6, 6])


def test_mattes_that_cannot_be_saved_say_so_and_leave_nothing(tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")

    with pytest.raises(OutputError, match="taken"):
        save_mattes(tmp_path / "taken", [view_with_a_square()])

    assert [p.name for p in tmp_path.iterdir()] == ["taken"]
