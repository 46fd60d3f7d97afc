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
import os
import zipfile
from dataclasses import dataclass
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
TEXELS_MAX = 8192**2  # of one image
UNZIPPED_MAX = 1 << 30  # bytes


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
class _Part:
    """A mesh of the file at its place in the scene; `image (h, w, 3)` and `colours (v, 3)` are linear."""

    vertices: Float
    faces: Int
    uv: Float | None
    image: Float | None
    colours: Float | None


def _parts(data: bytes, file_type: str, source: str | os.PathLike[str] | bytes) -> list[_Part]:
    import trimesh

    folder = None if isinstance(source, bytes) else trimesh.resolvers.FilePathResolver(str(source))
    if file_type == "zip":
        _check_zip(data)
    scene = trimesh.load_scene(io.BytesIO(data), file_type=file_type, resolver=folder, process=False)
    _check_size(scene)
    meshes = [mesh for mesh in scene.dump() if isinstance(mesh, trimesh.Trimesh) and len(mesh.faces)]
    is_linear = file_type in ("glb", "gltf")  # glTF writes colours of vertices and materials in linear light
    return [
        _Part(np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32), *_look(mesh.visual, is_linear))
        for mesh in meshes
    ]


def _check_zip(data: bytes) -> None:
    """Before anything is unpacked: what the zip says of itself, which unpacking does not exceed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > UNZIPPED_MAX:
        raise MeshError(f"the zip holds {size} bytes; at most {UNZIPPED_MAX} are read: simplify the mesh first")


def _check_size(scene: Any) -> None:
    """Before the scene's instances become meshes of their own, and its images become numbers."""
    sizes = {
        name: max(len(getattr(shape, "faces", ())), len(getattr(shape, "vertices", ())) // 3)
        for name, shape in scene.geometry.items()
    }
    nodes = scene.graph.nodes_geometry
    if len(nodes) > PARTS_MAX:
        raise MeshError(f"the mesh has {len(nodes)} parts; at most {PARTS_MAX} are read: join them")
    count = sum(sizes.get(scene.graph[node][1], 0) for node in nodes)
    if count > FACES_MAX:
        raise MeshError(
            f"the mesh has {count} faces (or three times as many vertices), instances included; at most "
            f"{FACES_MAX} are read: simplify it"
        )
    for shape in scene.geometry.values():
        material = getattr(shape.visual, "material", None)
        for name in ("baseColorTexture", "image"):
            image = getattr(material, name, None)
            if image is not None and image.width * image.height > TEXELS_MAX:
                raise MeshError(
                    f"the mesh has an image of {image.width} x {image.height}; at most {TEXELS_MAX} texels are read: "
                    "scale it down"
                )


def _look(visual: Any, is_linear: bool) -> tuple[Float | None, Float | None, Float | None]:
    """uv, image and colours of a part, as `_Part` holds them."""
    if visual.kind == "texture":
        material = visual.material
        image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
        factor = getattr(material, "baseColorFactor", None)
        plain = np.ones(3, np.float32) if factor is None else _light(np.asarray(factor)[:3], is_linear)
        if image is not None and visual.uv is not None:
            return np.asarray(visual.uv, np.float32), linear_from_srgb(np.asarray(image.convert("RGB"))) * plain, None
        if factor is None:
            return None, None, None
        return None, None, plain[None]
    if visual.kind in ("vertex", "face"):
        return None, None, _light(np.asarray(visual.vertex_colors)[:, :3], is_linear)
    return None, None, None


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
    shared = parts[0].image
    uvs = [part.uv for part in parts if part.uv is not None and _is_same(part.image, shared)]
    if shared is not None and len(uvs) == len(parts):
        return Model(Mesh(vertices, faces, np.concatenate(uvs)), _texture(shared))
    if all(part.image is None and part.colours is None for part in parts):
        return Model(Mesh(vertices, faces))
    return Model(Mesh(vertices, faces), colours=np.concatenate([_vertex_colours(part) for part in parts]))


def _is_same(one: Float | None, other: Float | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


def _vertex_colours(part: _Part) -> Float:
    """The colours of a part's vertices `(v, 3)`, linear, wherever they come from."""
    if part.image is not None and part.uv is not None:
        return colours_at(_texture(part.image), part.uv)
    plain = np.full(3, PLAIN_LINEAR, np.float32) if part.colours is None else part.colours
    return np.broadcast_to(plain, part.vertices.shape).astype(np.float32)


def _texture(image: Float) -> Texture:
    return Texture(image, np.ones(image.shape[:2], bool))
