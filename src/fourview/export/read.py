# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The way in: any triangle mesh file becomes a `Model`.

Owns      reading GLB, glTF, OBJ, PLY and STL of whoever wrote them.
Not here  writing (`write`), measuring (`mesh.measure`).

Numbers come in as they stand in the file, whatever their unit; nothing is moved, merged or mended, so that what is
measured is what was in the file. Only the up axis is turned to +Y: an STL is taken to be +Z up, the others +Y up,
and `up` overrules this.
"""

import dataclasses
import io
import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fourview.arrays import Byte, Float, Int
from fourview.errors import MeshError
from fourview.export.colours import colours_at
from fourview.export.obj import is_zip
from fourview.export.place import y_up_from_z_up
from fourview.mesh.mesh import Mesh
from fourview.texture.texture import Texture, linear_from_srgb

FILE_TYPES = ("glb", "gltf", "obj", "ply", "stl", "zip")
PLAIN_LINEAR = 0.6  # parts without a colour among parts with one
CURE = "export it again as GLB, OBJ, PLY or STL"
# What a file may unfold to: a few hundred bytes of a scene or of a zip can stand for gigabytes.
FACES_MAX = 4_000_000
PARTS_MAX = 10_000
NUMBERS_MAX = 1 << 28  # in the arrays of a glTF, each as often as something names it
TEXELS_MAX = 8192**2  # of one image
TEXELS_SUM_MAX = 4 * TEXELS_MAX  # of all images
FILES_MAX = 1000  # in a zip
UNZIPPED_MAX = 1 << 30  # bytes
_PER_ITEM = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}  # numbers, in a glTF


@dataclass(frozen=True)
class Model:
    """What a mesh file holds. `colours (v, 3) float32`, linear, are those of vertices where there is no one texture."""

    mesh: Mesh
    texture: Texture | None = None
    colours: Float | None = None


def read_mesh(
    source: str | os.PathLike[str] | bytes, file_type: str | None = None, up: Literal["y", "z"] | None = None
) -> Model:
    """The model in a file or in `source` bytes, which need a `file_type`; raises `MeshError` where there is none."""
    if isinstance(source, bytes):
        data, shown = source, "the mesh"
        file_type = "zip" if is_zip(source) else file_type
        if file_type is None:
            raise MeshError(f"bytes of a mesh come without a name; give its file_type, one of {', '.join(FILE_TYPES)}")
    else:
        shown = str(source)
        file_type = file_type or Path(source).suffix.lower().lstrip(".")
        try:
            data = Path(source).read_bytes()
        except OSError as error:
            raise MeshError(f"{shown} cannot be read ({error.strerror}): check the path") from error
    if file_type not in FILE_TYPES:
        raise MeshError(f"{shown} is of type '{file_type}'; meshes are read from {', '.join(FILE_TYPES)}: {CURE}")
    try:
        parts = _parts(data, file_type, source)
    except (MeshError, MemoryError):
        raise
    except Exception as error:  # foreign files break parsers in every way there is
        said = " ".join(str(error).split())[:120] or type(error).__name__
        raise MeshError(f"{shown} cannot be read as {file_type} ({said}): {CURE}") from error
    model = _join(parts, shown)
    if (up or ("z" if file_type == "stl" else "y")) == "z":
        turned = y_up_from_z_up(model.mesh.vertices)
        model = dataclasses.replace(model, mesh=dataclasses.replace(model.mesh, vertices=turned))
    return model


@dataclass(frozen=True)
class _Look:
    """How a mesh of the file looks: a picture, still packed, times `factor (3,)`, or `colours (v or 1, 3)`; linear."""

    uv: Float | None = None
    picture: Any = None  # PIL's; one object for all who share it
    factor: Float = field(default_factory=lambda: np.ones(3, np.float32))
    colours: Float | None = None


@dataclass(frozen=True)
class _Part:
    """A mesh of the file at its place in the scene."""

    vertices: Float
    faces: Int
    look: _Look


def _parts(data: bytes, file_type: str, source: str | os.PathLike[str] | bytes) -> list[_Part]:
    import trimesh

    folder: Any = None if isinstance(source, bytes) else trimesh.resolvers.FilePathResolver(str(source))
    files = [(file_type, data)]
    if file_type == "zip":
        unzipped = _unzipped(data)
        folder = trimesh.resolvers.ZipResolver({name: io.BytesIO(content) for name, content in unzipped.items()})
        named = [
            (Path(name).suffix.lower().lstrip("."), content)
            for name, content in unzipped.items()
            if not name.startswith("__MACOSX/")  # notes of macOS, under the names of the files
        ]
        files = [(kind, content) for kind, content in named if kind in FILE_TYPES and kind != "zip"]
    scenes = []
    for kind, content in files:
        if kind in ("glb", "gltf"):
            _check_arrays(content, kind)
        scenes.append(trimesh.load_scene(io.BytesIO(content), file_type=kind, resolver=folder, process=False))
    _check_size(scenes)
    # glTF writes colours of vertices and materials in linear light.
    return [
        part for (kind, _), scene in zip(files, scenes, strict=True) for part in _placed(scene, kind in ("glb", "gltf"))
    ]


def _placed(scene: Any, is_linear: bool) -> Iterator[_Part]:
    """The triangle meshes of a scene where its nodes show them. What is shown many times is kept once but for that."""
    import trimesh

    looks: dict[str, _Look] = {}
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        shape = scene.geometry[name]
        if not isinstance(shape, trimesh.Trimesh) or not len(shape.faces):
            continue
        if name not in looks:
            looks[name] = _look(shape.visual, is_linear)
        faces = np.asarray(shape.faces, np.int32)
        if np.linalg.det(matrix[:3, :3]) < 0:  # a mirror turns what is outside in
            faces = np.ascontiguousarray(faces[:, ::-1])
        vertices = trimesh.transformations.transform_points(shape.vertices, matrix)
        yield _Part(np.asarray(vertices, np.float32), faces, looks[name])


def _unzipped(data: bytes) -> dict[str, bytes]:
    """The files in a zip; raises `MeshError` where it says that they are too many or too large, and it is believed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        size = sum(entry.file_size for entry in entries)
        if len(entries) > FILES_MAX:
            raise MeshError(f"the zip holds {len(entries)} files; at most {FILES_MAX} are read: leave others out")
        if size > UNZIPPED_MAX:
            raise MeshError(f"the zip holds {size} bytes; at most {UNZIPPED_MAX} are read: simplify the mesh first")
        return {entry.filename: archive.read(entry) for entry in entries}  # no more of each than it says


def _check_arrays(data: bytes, file_type: str) -> None:
    """Before the arrays of a glTF are made: how long they are is a number in its head, with or without bytes for it."""
    text = data[20 : 20 + int.from_bytes(data[12:16], "little")] if file_type == "glb" else data
    tree = json.loads(text)
    sizes = [max(0, int(array["count"])) * _PER_ITEM[array["type"]] for array in tree.get("accessors", ())]
    shapes = [shape for mesh in tree.get("meshes", ()) for shape in mesh["primitives"]]
    if len(shapes) > PARTS_MAX:
        raise MeshError(f"the mesh has {len(shapes)} parts; at most {PARTS_MAX} are read: join them")
    named = [index for shape in shapes for index in (*shape["attributes"].values(), shape.get("indices"))]
    count = sum(sizes) + sum(sizes[index] for index in named if index is not None)
    if count > NUMBERS_MAX:
        raise MeshError(f"the mesh is made of {count} numbers; at most {NUMBERS_MAX} are read: simplify it")


def _check_size(scenes: Sequence[Any]) -> None:
    """Before the scene's instances become meshes of their own, and its images become numbers."""
    parts = count = 0
    images: dict[int, Any] = {}
    for scene in scenes:
        sizes = {
            name: max(len(getattr(shape, "faces", ())), len(getattr(shape, "vertices", ())) // 3)
            for name, shape in scene.geometry.items()
        }
        nodes = scene.graph.nodes_geometry
        parts += len(nodes)
        if parts > PARTS_MAX:
            raise MeshError(f"the mesh has {parts} parts; at most {PARTS_MAX} are read: join them")
        count += sum(sizes.get(scene.graph[node][1], 0) for node in nodes)
        found = [_picture(getattr(shape.visual, "material", None)) for shape in scene.geometry.values()]
        images |= {id(image): image for image in found if image is not None}
    if count > FACES_MAX:
        raise MeshError(
            f"the mesh has {count} faces (or three times as many vertices), instances included; at most "
            f"{FACES_MAX} are read: simplify it"
        )
    texels = sum(image.width * image.height for image in images.values())
    for image in images.values():
        if image.width * image.height > TEXELS_MAX:
            raise MeshError(
                f"the mesh has an image of {image.width} x {image.height}; at most {TEXELS_MAX} texels are read: "
                "scale it down"
            )
    if texels > TEXELS_SUM_MAX:
        raise MeshError(
            f"the mesh has {len(images)} images of {texels} texels; at most {TEXELS_SUM_MAX} are read: scale them down"
        )


def _picture(material: Any) -> Any:
    """The picture of a material, of whichever kind that is; None where it has none."""
    return getattr(material, "baseColorTexture", None) or getattr(material, "image", None)


def _look(visual: Any, is_linear: bool) -> _Look:
    if visual.kind == "texture":
        code = getattr(visual.material, "baseColorFactor", None)
        factor = np.ones(3, np.float32) if code is None else _light(np.asarray(code)[:3], is_linear)
        picture = _picture(visual.material)
        if picture is not None and visual.uv is not None:
            return _Look(np.asarray(visual.uv, np.float32), picture, factor)
        return _Look(colours=None if code is None else factor[None])
    if visual.kind in ("vertex", "face"):
        return _Look(colours=_light(np.asarray(visual.vertex_colors)[:, :3], is_linear))
    return _Look()


def _light(code: Byte, is_linear: bool) -> Float:
    return code.astype(np.float32) / 255 if is_linear else linear_from_srgb(code)


def _join(parts: list[_Part], shown: str) -> Model:
    """One model of all parts. One picture shared by all stays a texture; a mixture becomes colours of vertices."""
    if not parts:
        raise MeshError(f"{shown} holds no triangles; a mesh with at least one is needed: {CURE}")
    first = np.cumsum([0, *(len(part.vertices) for part in parts)])
    for part in parts:
        if not np.isfinite(part.vertices).all():
            raise MeshError(f"{shown} has vertices that are not finite numbers: {CURE}")
        if part.faces.min() < 0 or part.faces.max() >= len(part.vertices):
            raise MeshError(f"{shown} has a face with corner {part.faces.max()} of {len(part.vertices)}: {CURE}")
    vertices = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, first[:-1], strict=True)])
    if (texture := _shared(parts)) is not None:
        uv = np.concatenate([part.look.uv for part in parts if part.look.uv is not None])
        return Model(Mesh(vertices, faces, uv), texture)
    if all(part.look.picture is None and part.look.colours is None for part in parts):
        return Model(Mesh(vertices, faces))
    return Model(Mesh(vertices, faces), colours=np.concatenate(_vertex_colours(parts)))


def _shared(parts: list[_Part]) -> Texture | None:
    """The one picture that lies on all parts: the same, or another of the same texels."""
    first = parts[0].look
    if any(part.look.picture is None or not np.array_equal(part.look.factor, first.factor) for part in parts):
        return None
    others = {id(part.look.picture): part.look.picture for part in parts if part.look.picture is not first.picture}
    code = _unpacked(first.picture)
    for other in others.values():
        if other.size != first.picture.size or not np.array_equal(_unpacked(other), code):
            return None
    return _texture(linear_from_srgb(code) * first.factor)


def _vertex_colours(parts: list[_Part]) -> list[Float]:
    """The colours of each part's vertices `(v, 3)`, linear, wherever they come from; a picture is unpacked once."""
    colours = [_plain(part) for part in parts]
    users: dict[int, list[int]] = {}
    for number, part in enumerate(parts):
        if part.look.picture is not None:
            users.setdefault(id(part.look.picture), []).append(number)
    for numbers in users.values():
        texture = _texture(linear_from_srgb(_unpacked(parts[numbers[0]].look.picture)))
        for number in numbers:
            look = parts[number].look
            assert look.uv is not None
            colours[number] = (colours_at(texture, look.uv) * look.factor).astype(np.float32)
    return colours


def _plain(part: _Part) -> Float:
    plain = np.full(3, PLAIN_LINEAR, np.float32) if part.look.colours is None else part.look.colours
    return np.broadcast_to(plain, part.vertices.shape).astype(np.float32)


def _unpacked(picture: Any) -> Byte:
    """The texels of a picture `(h, w, 3)`, sRGB."""
    return np.asarray(picture.convert("RGB"))


def _texture(image: Float) -> Texture:
    return Texture(image, np.ones(image.shape[:2], bool))
