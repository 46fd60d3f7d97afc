# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Read mesh files: any triangle mesh becomes a `Model`.

Owns      GLB, glTF, OBJ, PLY and STL of any program, or a zip of them; how large their contents may be; joining all
          shapes into one model.
Not here  the formats (`readers/`), writing (`write`), measuring (`mesh.measure`).

Numbers are kept as the file has them, in any unit; nothing is moved, merged or repaired, so that measures are those of
the file. Only the up axis is turned to +Y: an STL is assumed to be +Z up, the others +Y up; `up` overrides this.

Why our own readers, on the standard library, numpy and Pillow: each of the four of trimesh loses something without a
warning (the heads of `readers/` say what), and importing it takes 1.2 s.
"""

import dataclasses
import io
import os
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from fourview.arrays import Float, Int
from fourview.errors import MeshError
from fourview.formats.looks import painted
from fourview.formats.model import Model
from fourview.formats.obj import is_zip
from fourview.formats.place import y_up_from_z_up
from fourview.formats.readers import gltf, obj, ply, stl
from fourview.formats.readers.scene import Files, Limits, Scene, Shape
from fourview.mesh.mesh import Mesh

FILE_TYPES = ("glb", "gltf", "obj", "ply", "stl", "zip")
CURE = "export it again as GLB, OBJ, PLY or STL"
# Limits of what a file may contain: a few hundred bytes of a scene or of a zip can stand for gigabytes.
FACES_MAX = 4_000_000
PARTS_MAX = 10_000
NUMBERS_MAX = 1 << 28  # in the arrays of a file, each as often as something names it
TEXELS_MAX = 8192**2  # of one image
TEXELS_SUM_MAX = 4 * TEXELS_MAX  # of all images
FILES_MAX = 1000  # in a zip
UNZIPPED_MAX = 1 << 30  # bytes


def read_mesh(
    source: str | os.PathLike[str] | bytes, file_type: str | None = None, up: Literal["y", "z"] | None = None
) -> Model:
    """The model in a file or in `source` bytes, which need a `file_type`; raises `MeshError` where there is none."""
    if isinstance(source, bytes):
        data, shown, files = source, "the mesh", Files()
        if file_type is None and not is_zip(data):
            raise MeshError(f"bytes of a mesh come without a name; give its file_type, one of {', '.join(FILE_TYPES)}")
    else:
        shown, files = str(source), Files(Path(source).parent)
        file_type = file_type or Path(source).suffix.lower().lstrip(".")
        try:
            data = Path(source).read_bytes()
        except OSError as error:
            raise MeshError(f"{shown} cannot be read ({error.strerror}): check the path") from error
    file_type = "zip" if is_zip(data) else "glb" if data[:4] == b"glTF" else file_type
    if file_type not in FILE_TYPES:
        raise MeshError(f"{shown} is of type '{file_type}'; meshes are read from {', '.join(FILE_TYPES)}: {CURE}")
    limits = Limits(FACES_MAX, PARTS_MAX, NUMBERS_MAX, TEXELS_MAX)
    try:
        # Our own checks follow: the warnings of numpy and Pillow would reach stderr beside them.
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            scenes = _zipped(data, limits) if file_type == "zip" else [_scene(data, file_type, files, limits)]
            _check_size(scenes, limits)
            model = _join(scenes, shown)
    except (MeshError, MemoryError):
        raise
    except Exception as error:  # foreign files break parsers in every way there is
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise MeshError(f"{shown} cannot be read as {file_type} ({reason}): {CURE}") from error
    if (up or ("z" if file_type == "stl" else "y")) == "z":
        turned = y_up_from_z_up(model.mesh.vertices)
        model = dataclasses.replace(model, mesh=dataclasses.replace(model.mesh, vertices=turned))
    return model


def _scene(data: bytes, file_type: str, files: Files, limits: Limits) -> Scene:
    if file_type in ("glb", "gltf"):
        return gltf.read(data, file_type == "glb", files, limits)
    if file_type == "obj":
        return obj.read(data, files, limits)
    return ply.read(data, files, limits) if file_type == "ply" else stl.read(data, limits)


def _zipped(data: bytes, limits: Limits) -> list[Scene]:
    """The meshes in a zip; raises `MeshError` where it says that its files are too many or too large."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        size = sum(entry.file_size for entry in entries)
        if len(entries) > FILES_MAX:
            raise MeshError(f"the zip holds {len(entries)} files; at most {FILES_MAX} are read: leave others out")
        if size > UNZIPPED_MAX:
            raise MeshError(f"the zip holds {size} bytes; at most {UNZIPPED_MAX} are read: simplify the mesh first")
        # Notes of macOS lie under the names of the files. No more is unpacked of an entry than it says it has.
        unpack: dict[str, Callable[[], bytes]] = {
            entry.filename.replace("\\", "/"): partial(archive.read, entry)
            for entry in entries
            if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
        }
        kinds = {name: name.rpartition(".")[2].lower() for name in unpack}
        meshes = [name for name, kind in kinds.items() if kind in FILE_TYPES and kind != "zip"]
        if not meshes:
            held = f"it holds {', '.join([*unpack][:3])}" if unpack else "it is empty"
            raise MeshError(f"the zip has no GLB, glTF, OBJ, PLY or STL ({held}): put the mesh into it")
        files = Files(entries=unpack)
        scenes = [_scene(unpack[name](), kinds[name], files.below(name), limits) for name in meshes]
    if len(meshes) > 1:
        scenes[0].warn("meshes_joined", len(meshes), meshes)
    return scenes


def _check_size(scenes: list[Scene], limits: Limits) -> None:
    """Before instances become meshes of their own, and images become numbers."""
    limits.parts(sum(len(scene.places) for scene in scenes))
    limits.faces(
        sum(
            max(len(shape.faces), len(shape.vertices) // 3)
            for scene in scenes
            for shape in (scene.shapes[number] for number, _ in scene.places)
        )
    )
    shapes = [shape for scene in scenes for shape in scene.shapes]
    images = {id(shape.picture.image): shape.picture.image for shape in shapes if shape.picture is not None}
    texels = sum(image.width * image.height for image in images.values())
    if texels > TEXELS_SUM_MAX:
        raise MeshError(
            f"the mesh has {len(images)} images of {texels} texels; at most {TEXELS_SUM_MAX} are read: scale them down"
        )


def _join(scenes: list[Scene], shown: str) -> Model:
    """One model of all shapes where they stand."""
    placed = [_placed(scene.shapes[number], matrix) for scene in scenes for number, matrix in scene.places]
    shapes = [shape for shape in placed if len(shape.faces)]
    if not shapes:
        raise MeshError(f"{shown} holds no triangles; a mesh with at least one is needed: {CURE}")
    for shape in shapes:
        if shape.faces.min() < 0 or shape.faces.max() >= len(shape.vertices):
            raise MeshError(f"{shown} has a face with corner {shape.faces.max()} of {len(shape.vertices)}: {CURE}")
    first = np.cumsum([0, *(len(shape.vertices) for shape in shapes)])
    faces = np.concatenate([shape.faces + start for shape, start in zip(shapes, first[:-1], strict=True)])
    vertices = np.concatenate([shape.vertices for shape in shapes]).astype(np.float32)
    if not np.isfinite(vertices).all():
        raise MeshError(f"{shown} has vertices that are not finite numbers: {CURE}")
    mesh = Mesh(vertices, faces.astype(np.int32))
    model = Model(mesh)
    if any(shape.picture is not None or shape.colours is not None for shape in shapes):
        model = painted(mesh, shapes, scenes[0])
    notices = tuple(notice for scene in scenes for notice in scene.notices)
    return dataclasses.replace(model, notices=notices)


def _placed(shape: Shape, matrix: Float | None) -> Shape:
    """The shape in the scene, without vertices that no face uses."""
    used = np.unique(shape.faces)
    if len(used) < len(shape.vertices) and len(used) and used[0] >= 0 and used[-1] < len(shape.vertices):
        shape = _kept(shape, used)
    if matrix is None:
        return shape
    vertices = shape.vertices @ matrix[:3, :3].T + matrix[:3, 3]
    is_mirrored = np.linalg.det(matrix[:3, :3]) < 0  # a mirror turns what is outside in
    return dataclasses.replace(shape, vertices=vertices, faces=shape.faces[:, ::-1] if is_mirrored else shape.faces)


def _kept(shape: Shape, used: Int) -> Shape:
    number = np.zeros(len(shape.vertices), np.int64)
    number[used] = np.arange(len(used))
    colours = shape.colours if shape.colours is None or len(shape.colours) == 1 else shape.colours[used]
    uv = None if shape.uv is None else shape.uv[used]
    return dataclasses.replace(shape, vertices=shape.vertices[used], faces=number[shape.faces], uv=uv, colours=colours)
