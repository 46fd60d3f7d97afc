# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The material files of an OBJ.

Owns      the lines of an MTL, and the options of `map_Kd`.
Not here  where the files are found, and the shapes that wear the materials (`obj`).
"""

from dataclasses import dataclass

import numpy as np

from fourview.arrays import Float
from fourview.formats.readers.lines import joined, name_in
from fourview.formats.readers.scene import Wrap

# Options of `map_Kd` and how many words follow each; -o, -s and -t take one to three numbers.
OPTIONS = {"-blendu": 1, "-blendv": 1, "-boost": 1, "-mm": 2, "-texres": 1, "-clamp": 1, "-bm": 1, "-imfchan": 1,
           "-type": 1, "-cc": 1, "-colorspace": 1}  # fmt: skip


NUMBERED = ("-o", "-s", "-t")


@dataclass
class Material:
    colour: Float | None = None  # (3,) linear
    alpha: float = 1.0
    map: str | None = None  # what follows `map_Kd`
    has_alpha_map: bool = False
    maps: int = 0  # further ones, which are not read


@dataclass
class MaterialTexture:
    """What `map_Kd` says: uv become `scale * uv + offset`."""

    name: str
    scale: Float
    offset: Float
    wrap: tuple[Wrap, Wrap]
    ignored: list[str]


def read_materials(data: bytes) -> dict[str, Material]:
    materials: dict[str, Material] = {}
    current = Material()
    for line in joined(data):
        key, _, rest = name_in(line).replace("\t", " ").partition(" ")
        key, rest = key.lower(), rest.strip()
        if key == "newmtl":
            current = materials.setdefault(rest, Material())
        elif key == "kd":
            numbers = [float(word) for word in rest.split() if _is_number(word)]
            if numbers:
                current.colour = np.array((numbers * 3 if len(numbers) < 3 else numbers)[:3], np.float32)
        elif key in ("d", "tr"):
            numbers = [float(word) for word in rest.split() if _is_number(word)]
            if numbers:
                current.alpha = numbers[0] if key == "d" else 1 - numbers[0]
        elif key == "map_kd":
            current.map = rest
        elif key == "map_d":
            current.has_alpha_map = True
        elif key.startswith("map_") or key in ("bump", "norm", "disp", "decal", "refl"):
            current.maps += 1
    return materials


def texture_of(rest: str) -> MaterialTexture:
    """What follows `map_Kd`: options, then a file name that may contain spaces."""
    texture = MaterialTexture(rest, np.ones(2), np.zeros(2), ("repeat", "repeat"), [])
    words = rest.split(" ")
    while words and (words[0].lower() in OPTIONS or words[0].lower() in NUMBERED or not words[0]):
        option = words.pop(0).lower()
        if option in NUMBERED:
            numbers: list[float] = []
            while len(words) > 1 and len(numbers) < 3 and (not words[0] or _is_number(words[0])):
                numbers += [float(word)] if (word := words.pop(0)) else []
            _take_numbers(texture, option, numbers)
        elif option:
            given = [words.pop(0) for _ in range(min(OPTIONS[option], len(words) - 1))]
            if option == "-clamp" and given == ["on"]:
                texture.wrap = ("clamp", "clamp")
            elif (
                option == "-mm" and [float(word) for word in given if _is_number(word)] != [0, 1]
            ) or option == "-imfchan":
                texture.ignored.append(" ".join([option, *given]))
    texture.name = " ".join(words).strip()
    return texture


def _take_numbers(texture: MaterialTexture, option: str, numbers: list[float]) -> None:
    if option == "-t":
        texture.ignored += ["-t"] if any(numbers) else []
        return
    target = texture.scale if option == "-s" else texture.offset
    target[: len(numbers[:2])] = numbers[:2]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
