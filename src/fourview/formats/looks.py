# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The pictures and colours of a file's shapes become those of one model.

Owns      decoding pictures, each once; whether one texture is enough; the notice about lost transparency.
Not here  the shapes' geometry (`read`), colours at places (`colours`).
"""

import dataclasses
import hashlib

import numpy as np
from PIL import Image

from fourview.arrays import Bool, Byte, Float
from fourview.formats.colours import Raster, is_within
from fourview.formats.model import Model
from fourview.formats.readers.scene import Picture, Scene, Shape
from fourview.mesh.mesh import Mesh
from fourview.texture.inpaint import grow
from fourview.texture.texture import Texture, linear_from_srgb, srgb_from_linear

PLAIN_LINEAR = 0.6  # parts without a colour among parts with one


def painted(mesh: Mesh, shapes: list[Shape], scene: Scene) -> Model:
    """The model with the looks of its shapes: one texture where that is enough, else pictures and colours."""
    rasters, number_of, least_alpha = _unpacked(shapes)
    damaged = [shape.picture is not None and shape.picture not in number_of for shape in shapes]
    lost = sum(len(shape.faces) for shape, is_lost in zip(shapes, damaged, strict=True) if is_lost)
    scene.warn("picture_missing", lost, ["damaged"])
    shapes = [
        dataclasses.replace(shape, picture=None) if is_lost else shape
        for shape, is_lost in zip(shapes, damaged, strict=True)
    ]
    _warn_of_alpha(scene, shapes, least_alpha)
    raster = np.repeat(
        [-1 if shape.picture is None else number_of[shape.picture] for shape in shapes], [len(s.faces) for s in shapes]
    )
    colours = np.concatenate([_colours(shape) for shape in shapes])
    if not rasters:
        return Model(mesh, colours=colours)
    uv = [np.zeros((len(shape.vertices), 2)) if shape.uv is None else shape.uv for shape in shapes]
    places = np.nan_to_num(np.concatenate(uv).astype(np.float32), posinf=0, neginf=0)
    mesh = dataclasses.replace(mesh, uv=places)
    is_one = len(rasters) == 1 and (raster == 0).all() and (colours == colours[0]).all()
    if is_one and (rasters[0].wrap == ("repeat", "repeat") or is_within(places)):
        albedo = linear_from_srgb(rasters[0].code) * colours[0]
        return Model(mesh, Texture(albedo, np.ones(albedo.shape[:2], bool)))
    return Model(mesh, None, colours, tuple(rasters), raster)


def _colours(shape: Shape) -> Float:
    """The colours of a shape's vertices `(v, 3)`; without colours white under a picture, else grey."""
    plain = np.full((1, 3), 1 if shape.picture is not None else PLAIN_LINEAR, np.float32)
    colours = plain if shape.colours is None else shape.colours
    return np.broadcast_to(np.maximum(np.nan_to_num(colours), 0), shape.vertices.shape).astype(np.float32)


def _unpacked(shapes: list[Shape]) -> tuple[list[Raster], dict[Picture, int], dict[Picture, float]]:
    """The pictures without duplicates; the number of each in that list, and its least alpha.

    Damaged ones are in none of these.
    """
    rasters: list[Raster] = []
    number_of: dict[Picture, int] = {}
    least_alpha: dict[Picture, float] = {}
    known: dict[tuple[object, ...], int] = {}
    for picture in {shape.picture: None for shape in shapes if shape.picture is not None}:
        try:
            code, least_alpha[picture] = _code(picture)
        except MemoryError:
            raise
        except Exception:  # damaged, which only decoding shows
            continue
        key = (code.shape, hashlib.sha256(code.tobytes()).digest(), picture.wrap)
        if key not in known:
            known[key] = len(rasters)
            rasters.append(Raster(code, picture.wrap))
        number_of[picture] = known[key]
    return rasters, number_of, least_alpha


def _code(picture: Picture) -> tuple[Byte, float]:
    """The texels `(h, w, 3)`, sRGB, hidden ones with the colours beside them; the least alpha, 1 if opaque."""
    image = picture.image
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip
        grey = np.asarray(image).astype(np.float64) / 257
        image = Image.fromarray(np.clip(grey + 0.5, 0, 255).astype(np.uint8))
    if picture.hidden_below is None or not image.has_transparency_data:
        return np.asarray(image.convert("RGB")), 1.0
    rgba = np.asarray(image.convert("RGBA"))
    alpha = rgba[..., 3]
    return _without_hidden(rgba[..., :3], alpha >= picture.hidden_below * 255), float(alpha.min()) / 255


def _without_hidden(code: Byte, seen: Bool) -> Byte:
    if seen.all() or not seen.any():
        return np.ascontiguousarray(code)
    return srgb_from_linear(grow(linear_from_srgb(code), seen))


def _warn_of_alpha(scene: Scene, shapes: list[Shape], least_alpha: dict[Picture, float]) -> None:
    alpha = [shape.alpha * (least_alpha[shape.picture] if shape.picture is not None else 1.0) for shape in shapes]
    count = sum(len(shape.faces) for shape, least in zip(shapes, alpha, strict=True) if least < 1)
    scene.warn("alpha_dropped", count, [f"alpha down to {min(alpha):.2f}"])
