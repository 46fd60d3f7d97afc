# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The materials of a glTF file: the base colour and its picture.

Owns      materials, textures, samplers and images.
Not here  the shapes that have them (`gltf`), texture coordinates (`gltf_geometry`).
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np

from fourview.arrays import Float
from fourview.formats.readers.arrays import Arrays
from fourview.formats.readers.gltf_document import (
    GLOSSINESS,
    MATERIALS,
    TEXTURES,
    TRANSFORM,
    Json,
)
from fourview.formats.readers.scene import Limits, Picture, Wrap, opened

WRAPS: dict[int, Wrap] = {10497: "repeat", 33648: "mirror", 33071: "clamp"}


@dataclass(frozen=True)
class Look:
    """A material: its base colour `factor (4,)`, linear, and where its picture lies."""

    factor: Float | None = None
    picture: Picture | None = None
    texcoord: int = 0
    transform: Json | None = None
    is_opaque: bool = True
    alpha: float = 1.0  # share of the light that is not transmitted
    lost: str | None = None  # name of a picture that could not be read


class Materials:
    """The materials of one file, each read once.

    `with_other_maps`: the numbers of those that have maps which are not read.
    """

    def __init__(self, tree: Json, arrays: Arrays, limits: Limits) -> None:
        self._tree, self._arrays, self._limits = tree, arrays, limits
        self.with_other_maps: set[int] = set()
        self._looks: dict[int | None, Look] = {}
        self._images: dict[int, Any] = {}
        self._pictures: dict[tuple[Any, ...], Picture] = {}

    def look(self, number: int | None) -> Look:
        """The material `number`; None is glTF's default."""
        if number not in self._looks:
            self._looks[number] = Look() if number is None else self._material(self._tree["materials"][number], number)
        return self._looks[number]

    def _material(self, material: Json, number: int) -> Look:
        surface = material.get("pbrMetallicRoughness", {})
        factor, info = surface.get("baseColorFactor"), surface.get("baseColorTexture")
        if (glossy := material.get("extensions", {}).get(GLOSSINESS)) is not None:
            factor, info = glossy.get("diffuseFactor"), glossy.get("diffuseTexture")
        glow = material.get("emissiveTexture")
        if glow is not None and info is None and factor is not None and not any(factor[:3]):
            info, factor = glow, [*material.get("emissiveFactor", (0, 0, 0)), 1]  # black except for its glow: show that
        elif (
            any(name in material for name in ("normalTexture", "occlusionTexture", "emissiveTexture"))
            or any(material.get("emissiveFactor", ()))
            or "metallicRoughnessTexture" in surface
        ):
            self.with_other_maps.add(number)
        mode = material.get("alphaMode", "OPAQUE")
        hidden_below = {"MASK": float(material.get("alphaCutoff", 0.5)), "BLEND": 1 / 255}.get(mode)
        rgba = None if factor is None else np.array([*factor, 1, 1, 1, 1][:4], np.float32)
        alpha = 1 - material.get("extensions", {}).get(f"{MATERIALS}transmission", {}).get("transmissionFactor", 0.0)
        if info is None:
            return Look(rgba, is_opaque=mode == "OPAQUE", alpha=alpha)
        transform = info.get("extensions", {}).get(TRANSFORM)
        texcoord = int((transform or {}).get("texCoord", info.get("texCoord", 0)))
        picture = self._picture(info["index"], hidden_below)
        lost = None if picture is not None else self._name(self._tree["textures"][info["index"]])
        return Look(rgba, picture, texcoord, transform, mode == "OPAQUE", alpha, lost)

    def _picture(self, number: int, hidden_below: float | None) -> Picture | None:
        texture = self._tree["textures"][number]
        sampler = self._tree["samplers"][texture["sampler"]] if "sampler" in texture else {}
        along = [WRAPS.get(sampler.get(name, 10497), "repeat") for name in ("wrapS", "wrapT")]
        for source in self._sources(texture):
            if (image := self._image(source)) is not None:
                made = Picture(image, (along[0], along[1]), hidden_below)
                return self._pictures.setdefault((source, *along, hidden_below), made)
        return None

    def _sources(self, texture: Json) -> list[int]:
        """The images of a texture, best first; the plain one is for readers without the extensions."""
        extensions = texture.get("extensions", {})
        sources = [extensions[name]["source"] for name in TEXTURES if name in extensions]
        return [*sources, *([texture["source"]] if "source" in texture else [])]

    def _image(self, number: int) -> Any:
        if number not in self._images:
            image = self._tree["images"][number]
            if "bufferView" in image:
                data: bytes | None = self._arrays.view(image["bufferView"])
            else:
                data = self._arrays.bytes_at(image["uri"])
            self._images[number] = None if data is None else opened(data, self._limits)
        return self._images[number]

    def _name(self, texture: Json) -> str:
        """The name of a picture in a notice."""
        uris = [self._tree["images"][source].get("uri", "data:") for source in self._sources(texture)]
        outside = [unquote(uri)[:80] for uri in uris if not uri.startswith("data:")]
        return ", ".join([*outside, *texture.get("extensions", {})]) or "one in the file"
