# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What a PNG says about its colours and Pillow does not apply: cICP, gAMA with cHRM, a colour key of 16 bits.

Owns      a colour profile made from these chunks, and the exact key. Not here: applying profiles (`load`).

The order is that of "Portable Network Graphics (PNG) Specification (Third Edition)", W3C 2025, section 4.3: cICP counts
before an embedded profile, that before sRGB, that before gAMA and cHRM. Code points are those of ITU-T H.273. Profiles
are written as ICC.1:2022 describes them (three primaries, adapted to D50 by Bradford's matrix, and one parametric
curve), so that all files are converted to sRGB in one way. The curves of HDR (PQ, HLG) are not converted.

Why our own code: Pillow decodes the pixels and leaves these chunks to its caller.
"""

import io
import struct

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from fourview.arrays import Float

_D65 = (0.3127, 0.3290)
# cICP's colour primaries: white, red, green, blue, each (x, y).
_PRIMARIES = {
    1: (_D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    5: (_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: (_D65, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    9: (_D65, (0.708, 0.292), (0.17, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    12: (_D65, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # g, a, b, c, d of ICC's parametric curve 3
_VIDEO_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
# cICP's transfer characteristics.
_CURVES: dict[int, tuple[float, ...]] = {
    **dict.fromkeys((1, 6, 14, 15), _VIDEO_CURVE), 4: (2.2,), 5: (2.8,), 8: (1.0,), 13: _SRGB_CURVE,
}  # fmt: skip
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50 = np.array([0.9642, 1.0, 0.8249])
_USUAL_GAMMA, _NEARLY = 0.45455, 0.005  # the gAMA that programs write for sRGB, and its tolerance


def honoured(image: PngImageFile, data: bytes) -> Image.Image:
    """The opened PNG with what its file `data` says: a profile in its `info`, alpha for a colour key of 16 bits."""
    profile = _profile(image, _chunk(data, b"cICP"))
    if profile is not None:
        image.info["icc_profile"] = profile  # empty where sRGB holds
    key = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(key, tuple) and image.tile and image.tile[0].args == "RGB;16B":
        return _keyed(image, data, key)
    return image


def _chunk(data: bytes, wanted: bytes) -> bytes | None:
    """The first chunk of a kind that stands before the pixels."""
    at = 8
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == wanted:
            return data[at + 8 : at + 8 + size]
        if kind in (b"IDAT", b"IEND"):
            return None
        at += 12 + size
    return None


def _profile(image: PngImageFile, cicp: bytes | None) -> bytes | None:
    """The profile that the chunks describe, empty for sRGB; None where they do not count."""
    if cicp is not None and len(cicp) == 4 and cicp[0] in _PRIMARIES and cicp[1] in _CURVES:
        return b"" if cicp[:2] == b"\x01\x0d" else _icc(_PRIMARIES[cicp[0]], _CURVES[cicp[1]])
    gamma, chromaticity = image.info.get("gamma"), image.info.get("chromaticity")
    if {"icc_profile", "srgb"} & set(image.info) or not gamma:
        return None
    if chromaticity is None and abs(gamma - _USUAL_GAMMA) < _NEARLY:
        return None
    points = [tuple(pair) for pair in np.reshape(chromaticity, (4, 2))] if chromaticity else _PRIMARIES[1]
    return _icc(points, _SRGB_CURVE if abs(gamma - _USUAL_GAMMA) < _NEARLY else (1 / gamma,))


def _keyed(image: PngImageFile, data: bytes, key: tuple[int, ...]) -> Image.Image:
    """The picture as RGBA, clear where all 16 bits are the key's: Pillow keeps the upper eight."""
    lower = PngImageFile(io.BytesIO(data))
    lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]  # reads the second byte of each two
    is_key = np.ones((image.height, image.width), bool)
    for half, shift in ((image, 8), (lower, 0)):
        is_key &= (np.asarray(half) == [value >> shift & 255 for value in key]).all(axis=2)
    keyed = image.copy()
    del keyed.info["transparency"]
    keyed.putalpha(Image.fromarray(np.where(is_key, 0, 255).astype(np.uint8)))
    return keyed


def _icc(points: object, curve: tuple[float, ...]) -> bytes:
    """An ICC profile for RGB with white, red, green and blue at `points` (x, y), and one `curve` from code to light."""
    columns = _to_d50(np.asarray(points, float))
    text = _text("the colours that a PNG's chunks describe")
    tags = {
        "desc": text,
        "cprt": text,
        "wtpt": _xyz(_D50),
        **{f"{c}XYZ": _xyz(columns[:, k]) for k, c in enumerate("rgb")},
    }
    kind = 0 if len(curve) == 1 else 3
    transfer = b"para" + struct.pack(f">IHH{len(curve)}i", 0, kind, 0, *(round(v * 65536) for v in curve))
    tags |= {f"{c}TRC": transfer for c in "rgb"}
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += struct.pack(">4sII", name.encode(), offset + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s12x4s", offset + len(body), b"", 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return head.ljust(68, b"\0") + _xyz(_D50)[8:] + bytes(48) + table + body


def _to_d50(points: Float) -> Float:
    """The XYZ `(3, 3)` of red, green and blue as columns, adapted from their white to D50; `points (4, 2)`."""
    xyz = np.stack([points[:, 0], points[:, 1], 1 - points.sum(axis=1)]) / points[:, 1]  # (3, 4), Y = 1
    white, primaries = xyz[:, 0], xyz[:, 1:]
    scaled = primaries * np.linalg.solve(primaries, white)
    cone = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted: Float = np.linalg.solve(_BRADFORD, cone[:, None] * (_BRADFORD @ scaled))
    return adapted


def _xyz(value: Float) -> bytes:
    return b"XYZ " + struct.pack(">I3i", 0, *(round(v * 65536) for v in value.tolist()))


def _text(words: str) -> bytes:
    coded = words.encode("utf-16-be")
    return b"mluc" + struct.pack(">III2s2sII", 0, 1, 12, b"en", b"US", len(coded), 28) + coded
