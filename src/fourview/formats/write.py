# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Write models: a model becomes bytes, bytes become a file.

Owns      which format writes what, whether a place can be written, laying out the files of an OBJ.
Not here  the formats (`glb`, `obj`, `ply`, `stl`), their units and axes (`place`).

An OBJ with a picture is three files. As bytes it is a zip of them; saved as `robot.obj` it becomes `robot.obj`,
`robot.mtl` and `robot.png`; saved as `robot.zip` it stays a zip.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fourview.atomic import temporary_path, write_files
from fourview.errors import OutputError
from fourview.file_types import FILE_TYPES
from fourview.formats import glb, obj, ply, stl
from fourview.formats.image import encode_image
from fourview.formats.place import place
from fourview.mesh.mesh import Mesh
from fourview.progress import Tick, no_tick, part
from fourview.recipe import ExportRecipe
from fourview.texture.texture import Texture
from fourview.views.load import is_url

TYPE_OF_SUFFIX = {f".{name}": name for name in FILE_TYPES} | {".zip": "obj"}


def encode(
    mesh: Mesh,
    texture: Texture | None,
    recipe: ExportRecipe,
    extras: dict[str, Any] | None = None,
    tick: Tick = no_tick,
) -> bytes:
    """The file of a model. Equal models give equal bytes; `extras` is kept in a GLB as `asset.extras`.

    A texture goes into GLB and OBJ as a picture, into PLY as vertex colours; STL has no place for it.
    """
    placed = place(mesh, recipe)
    tick(0.1)
    return ENCODERS[recipe.file_type](Model(placed, texture, recipe.texture_format, extras, part(tick, 0.1, 1.0)))


@dataclass(frozen=True)
class Model:
    """What an encoder gets: the mesh as placed in the file, and what else some formats hold."""

    mesh: Mesh
    texture: Texture | None
    texture_format: str
    extras: dict[str, Any] | None
    tick: Tick

    def image(self, image_format: str) -> bytes | None:
        """The texture as a picture file; None without one."""
        if self.texture is None or self.mesh.uv is None:
            return None
        return encode_image(self.texture, image_format, part(self.tick, 0, 0.8))


ENCODERS: dict[str, Callable[[Model], bytes]] = {  # by the names of `file_types.FILE_TYPES`
    "glb": lambda m: glb.encode(m.mesh, m.image(m.texture_format), m.texture_format, m.extras),
    "obj": lambda m: obj.encode(m.mesh, m.image("png"), part(m.tick, 0.8, 1.0)),
    "ply": lambda m: ply.encode(m.mesh, m.texture),
    "stl": lambda m: stl.encode(m.mesh),
}


def file_type_of(path: str | os.PathLike[str]) -> str:
    """The `file_type` that the suffix of `path` asks for; raises `OutputError` with the known ones."""
    suffix = Path(path).suffix.lower()
    if suffix not in TYPE_OF_SUFFIX:
        shown = f"ends in '{suffix}'" if suffix else "has no suffix"
        raise OutputError(f"{path} {shown}; a model can be written as {', '.join(TYPE_OF_SUFFIX)}: name one of these")
    return TYPE_OF_SUFFIX[suffix]


def check_place(path: str | os.PathLike[str]) -> None:
    """Raise `OutputError` where no file can be written at `path`; its folder need not exist yet."""
    if is_url(path):
        raise OutputError(f"{path} is a URL; a file is to be written: name a path of this machine")
    path = Path(path)
    try:
        if path.is_dir():
            raise OutputError(f"{path} is a folder; a file is to be written there: add a file name")
        _try_folder(path.parent, path.name)
    except OSError as error:
        raise _not_writable(path, error) from error


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Raise `OutputError` where `folder` cannot be made, or no file can be written in it."""
    if is_url(folder):
        raise OutputError(f"{folder} is a URL; files are to be written: name a folder of this machine")
    try:
        _try_folder(Path(folder), "file")
    except OSError as error:
        raise _not_writable(Path(folder), error) from error


def _try_folder(folder: Path, name: str) -> None:
    """Write and delete a file with a name like `name` in `folder`, or in its nearest parent that exists."""
    there = next(part for part in (folder, *folder.parents) if os.path.lexists(part))
    if not there.is_dir():
        raise OutputError(f"{there} is a file; a folder is to be there: name another")
    temporary = temporary_path(there / name)
    temporary.touch(exist_ok=False)  # permissions alone do not tell: root, ACLs, read-only disks
    temporary.unlink()


def save(path: str | os.PathLike[str], data: bytes) -> list[Path]:
    """Write `data` to `path`, whole or not at all; returns the written paths, `path` last.

    A `path` that ends in `.obj` gets the files of the zip beside it (see above).
    """
    path = Path(path)
    files = _files(path, data)
    for target in files:
        check_place(target)
    try:
        write_files(files)
    except OSError as error:
        raise _not_writable(path, error) from error
    return list(files)


def _files(path: Path, data: bytes) -> dict[Path, bytes]:
    suffix = path.suffix.lower()
    if suffix == ".obj" and obj.is_zip(data):
        return {path.with_name(name): content for name, content in obj.unpack(data, path.name).items()}
    if suffix == ".zip" and not obj.is_zip(data):
        return {path: obj.pack({"model.obj": data})}
    return {path: data}


def _not_writable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written ({error.strerror or error}): choose another folder or free this one")
