# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Colours of PNG files as a browser shows them: cICP, gAMA and cHRM, profiles, colour keys of 16 bits."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from fourview.views.load import read_picture
from fourview.views.png import honoured

SIDE = 24
RGB, GREY = 2, 0
SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(row, extra=b"", depth=8, colour_type=RGB):
    """A PNG of `SIDE` equal rows; `extra` chunks stand before the pixels."""
    header = struct.pack(">IIBBBBB", SIDE, SIDE, depth, colour_type, 0, 0, 0)
    pixels = zlib.compress((b"\0" + row) * SIDE)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def flat(colour, *extra):
    return png(bytes(colour) * SIDE, b"".join(extra))


def cicp(primaries, transfer):
    return chunk(b"cICP", bytes((primaries, transfer, 0, 1)))


def gamma(value):
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def primaries(*points):
    return chunk(b"cHRM", struct.pack(">8I", *(round(v * 100_000) for v in points)))


def embedded(profile):
    return chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile))


P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        (flat((234, 51, 35), cicp(12, 13)), (255, 0, 0)),  # Display P3
        (flat((120, 60, 200), cicp(1, 13)), (120, 60, 200)),  # sRGB itself
        (flat((55, 55, 55), cicp(1, 8)), (128, 128, 128)),  # linear light
        (flat((120, 60, 200), cicp(1, 16)), (120, 60, 200)),  # PQ: left as it is
        (flat((55, 55, 55), gamma(1.0)), (128, 128, 128)),
        (flat((128, 128, 128), gamma(1 / 1.8)), (146, 146, 146)),
        (flat((120, 60, 200), gamma(0.45455)), (120, 60, 200)),
        (flat((234, 51, 35), gamma(0.45455), primaries(*P3)), (255, 0, 0)),
        (flat((55, 55, 55), gamma(1.0), chunk(b"sRGB", b"\0")), (55, 55, 55)),  # sRGB counts before gAMA
        (flat((55, 55, 55), gamma(1.0), embedded(SRGB_PROFILE)), (55, 55, 55)),  # and so does a profile
        (flat((234, 51, 35), embedded(SRGB_PROFILE), cicp(12, 13)), (255, 0, 0)),  # cICP counts before a profile
    ],
)
def test_colours_are_what_a_browser_shows(file, wanted):
    picture = read_picture("front", file)

    assert np.abs(picture.image[5, 5].astype(int) - wanted).max() <= 1
    assert picture.alpha is None


def test_a_profile_counts_unless_cicp_says_srgb():
    p3 = honoured(Image.open(io.BytesIO(flat((0, 0, 0), cicp(12, 13)))), flat((0, 0, 0), cicp(12, 13)))
    profile = p3.info["icc_profile"]

    with_profile = read_picture("front", flat((234, 51, 35), embedded(profile)))
    with_both = read_picture("front", flat((234, 51, 35), embedded(profile), cicp(1, 13)))

    assert np.abs(with_profile.image[5, 5].astype(int) - (255, 0, 0)).max() <= 1
    assert tuple(with_both.image[5, 5]) == (234, 51, 35)


@pytest.mark.parametrize("depth", [8, 16])
def test_grey_follows_its_gamma(depth):
    pixel = b"\x37" if depth == 8 else struct.pack(">H", 14142)

    picture = read_picture("front", png(pixel * SIDE, gamma(1.0), depth, GREY))

    assert np.abs(picture.image[5, 5].astype(int) - 128).max() <= 1


def test_a_colour_key_of_sixteen_bits_is_compared_whole():
    key, near = (0x1234, 0x5678, 0x9ABC), (0x1235, 0x5678, 0x9ABC)
    row = struct.pack(">HHH", *key) * (SIDE // 2) + struct.pack(">HHH", *near) * (SIDE // 2)

    picture = read_picture("front", png(row, chunk(b"tRNS", struct.pack(">HHH", *key)), depth=16))

    assert (picture.alpha[:, : SIDE // 2] == 0).all()
    assert (picture.alpha[:, SIDE // 2 :] == 1).all()
    assert tuple(picture.image[0, -1]) == (0x12, 0x56, 0x9A)


@pytest.mark.parametrize("broken", [chunk(b"cICP", b"\x0c"), chunk(b"gAMA", struct.pack(">I", 0)), cicp(99, 99)])
def test_chunks_that_say_nothing_useful_change_nothing(broken):
    assert tuple(read_picture("front", flat((120, 60, 200), broken)).image[5, 5]) == (120, 60, 200)
