# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What every reader of mesh files returns: shapes, their places, and notices about what was left out.

Owns      `Scene` and its parts, the limits while it is made, opening pictures without decoding them, finding the files
          beside a mesh.
Not here  the formats (their modules), joining the shapes into one model (`formats.read`).
"""

import io
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from fourview.arrays import Float, Int
from fourview.errors import MeshError
from fourview.notice import Notice

Wrap = Literal["repeat", "mirror", "clamp"]  # what a texture shows beyond 0..1
# Not EPS and the like: Pillow starts other programs for them.
PICTURE_KINDS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "TGA", "TIFF", "GIF", "DDS")
FIELD = "mesh"  # the input that notices speak of
NAMES_MAX, NAME_MAX = 3, 80  # that a notice shows, and letters of each
MESSAGES = {
    "picture_missing": "{count} faces lost pictures that are not there or cannot be read ({names}): send a GLB, or a"
    " zip of all files, with PNG or JPEG",
    "texture_coordinates_missing": "{count} faces have a picture, but no place in it: they are plain",
    "texture_coordinates_dropped": "{count} sets of texture coordinates, which no base colour uses, were left out",
    "material_file_missing": "the OBJ uses {count} materials whose files did not come with it ({names}): its colours"
    " are lost; send a zip of all files, or a GLB",
    "material_missing": "{count} materials are in no material file ({names}): their faces are plain",
    "material_maps_dropped": "{count} materials have more than a base colour (relief, gloss, glow): only the base"
    " colour is kept",
    "map_options_ignored": "{count} options of pictures were left out ({names})",
    "polygons_rough": "{count} polygons cross themselves or are very large: they became plain fans of triangles",
    "points_and_lines_dropped": "{count} parts of points, lines or curved surfaces were left out",
    "scenes_dropped": "{count} further scenes of the file were left out",
    "morph_targets_dropped": "{count} morph targets were left out: the model has its shape at rest",
    "animations_dropped": "{count} animations were left out: the model stands as the nodes of the file stand",
    "alpha_dropped": "{count} faces are see-through in the file ({names}): they became opaque",
    "stl_colours_dropped": "{count} triangles have a colour: STL has two ways of colours that contradict each other, so"
    " they were left out; PLY and GLB keep colours",
    "meshes_joined": "the zip holds {count} meshes ({names}): they became one model",
}


@dataclass(frozen=True)
class Limits:
    """How large a file's contents may be. The methods raise `MeshError`; call them before arrays are made."""

    faces_max: int
    parts_max: int
    numbers_max: int
    texels_max: int

    def faces(self, count: int) -> None:
        if count > self.faces_max:
            raise MeshError(
                f"the mesh has {count} faces (or three times as many vertices), instances included; at most "
                f"{self.faces_max} are read: simplify it"
            )

    def parts(self, count: int) -> None:
        if count > self.parts_max:
            raise MeshError(f"the mesh has {count} parts; at most {self.parts_max} are read: join them")

    def numbers(self, count: int) -> None:
        if count > self.numbers_max:
            raise MeshError(
                f"the mesh is made of {count} numbers; at most {self.numbers_max} are read: simplify the mesh first"
            )


@dataclass(frozen=True, eq=False)
class Picture:
    """A texture's picture, not decoded yet; one object for all shapes that share it.

    `hidden_below`: texels with less alpha are not seen, 0..1; None where alpha means nothing.
    """

    image: Image.Image
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")  # along u, along v
    hidden_below: float | None = None


@dataclass(frozen=True)
class Shape:
    """Triangles with one look. `uv` begins at the bottom left; `colours` multiply the picture.

    `vertices (v, 3)`, `faces (f, 3)`, `uv (v, 2)`, `colours (v or 1, 3) float32`, linear; `alpha`: the least of the
    material and its vertices, 0..1.
    """

    vertices: Float
    faces: Int
    uv: Float | None = None
    picture: Picture | None = None
    colours: Float | None = None
    alpha: float = 1.0


@dataclass
class Scene:
    """What a file holds. `places`: the number of a shape, and the matrix `(4, 4)` that puts it there, or None."""

    shapes: list[Shape] = field(default_factory=list)
    places: list[tuple[int, Float | None]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def add(self, shape: Shape) -> None:
        """Add `shape` and show it once, untransformed."""
        self.shapes.append(shape)
        self.places.append((len(self.shapes) - 1, None))

    def warn(self, code: str, count: int, names: Sequence[str] = ()) -> None:
        """Add the notice `code` for `count` items, some of them called `names`, if there are any."""
        if count:
            shown = [" ".join(name.split())[:NAME_MAX] for name in names[:NAMES_MAX]]
            message = MESSAGES[code].format(count=count, names=", ".join(shown))
            self.notices.append(Notice(code, message, FIELD))


class Files:
    """The files that lie beside a mesh. Without `folder` and `entries` there are none."""

    def __init__(self, folder: Path | None = None, entries: Mapping[str, Callable[[], bytes]] | None = None) -> None:
        self._folder = folder
        self._entries = entries or {}
        self._base = ""

    def below(self, base: str) -> "Files":
        """The same files, seen from the file `base` in a zip."""
        files = Files(self._folder, self._entries)
        files._base = posixpath.dirname(base)
        return files

    def find(self, name: str) -> bytes | None:
        """The file called `name`, by its path, or by its file name alone, since paths are often of other machines."""
        path = name.strip().strip('"').replace("\\", "/")
        last = path.rpartition("/")[2]
        is_absolute = path.startswith("/") or path[1:2] == ":"
        wanted = [last] if is_absolute else [path, last]
        if self._folder is not None:
            return next((data for each in wanted if (data := self._on_disk(each)) is not None), None)
        whole = posixpath.normpath(posixpath.join(self._base, wanted[0]))
        by_name = sorted(self._entries, key=lambda entry: (_same(entry, whole), -len(entry)), reverse=True)
        found = [entry for entry in by_name if entry.rpartition("/")[2].lower() == last.lower()]
        return self._entries[found[0]]() if found else None

    def _on_disk(self, name: str) -> bytes | None:
        assert self._folder is not None
        path = self._folder / name
        try:
            if not path.is_file():
                same = [each for each in path.parent.iterdir() if each.name.lower() == path.name.lower()]
                path = same[0]
            return path.read_bytes()
        except (OSError, IndexError, ValueError):
            return None


def _same(entry: str, path: str) -> int:
    """How well a name in a zip matches: 2 exactly, 1 except for upper and lower case, 0 at best in the file name."""
    return 2 if entry == path else int(entry.lower() == path.lower())


def opened(data: bytes, limits: Limits) -> Image.Image | None:
    """The picture in `data`, not decoded; None where there is none. Raises `MeshError` where it is too large."""
    Image.init()
    kinds = [kind for kind in PICTURE_KINDS if kind in Image.OPEN]
    try:
        image = Image.open(io.BytesIO(data), formats=kinds)
    except Image.DecompressionBombError as error:
        raise MeshError(f"the mesh has an image that is too large ({error}): scale it down") from error
    except Exception:  # damaged files can raise anything
        return None
    if image.width * image.height > limits.texels_max:
        raise MeshError(
            f"the mesh has an image of {image.width} x {image.height}; at most {limits.texels_max} texels are read: "
            "scale it down"
        )
    return image


def light_from_code(code: Float) -> Float:
    """Linear light `float32` of sRGB values 0..1, any shape (IEC 61966-2-1)."""
    c = np.clip(code, 0, 1)
    light: Float = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return light
