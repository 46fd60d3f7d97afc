# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""glTF 2.0, as GLB or as JSON with files beside it, to its shape at rest and its base colour.

Owns      nodes, skins, primitives, materials and textures.
Not here  bytes become numbers (`arrays`), writing (`formats.glb`).

Khronos Group, "glTF 2.0 Specification", 2021, and the extensions in `EXTENSIONS`. Own code on plain JSON and arrays:
trimesh 5.2 ignores texture transforms, other sets of texture coordinates, colours beside a texture, skins, sparse
arrays and required extensions, cuts 16-bit colours to a byte, and takes quantised positions for metres; `pygltflib`
holds the JSON alone. What is left out of the model is a notice with a number.
"""

import json
import struct
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np

from fourview.arrays import Float, Int
from fourview.errors import MeshError
from fourview.formats.readers.arrays import DRACO, MESHOPT, Arrays, drawn
from fourview.formats.readers.ply import unstripped
from fourview.formats.readers.scene import Files, Limits, Picture, Scene, Shape, Wrap, opened

Json = dict[str, Any]

TRANSFORM, INSTANCING = "KHR_texture_transform", "EXT_mesh_gpu_instancing"
GLOSSINESS = "KHR_materials_pbrSpecularGlossiness"
TEXTURES = ("EXT_texture_webp", "EXT_texture_avif", "MSFT_texture_dds")  # pictures of another kind, which Pillow reads
# What a file may require. Of materials only the base colour is read, which no other extension of them changes.
EXTENSIONS = {
    TRANSFORM, INSTANCING, GLOSSINESS, DRACO, *MESHOPT, *TEXTURES, "KHR_mesh_quantization", "KHR_node_visibility",
    "KHR_lights_punctual", "KHR_xmp", "KHR_xmp_json_ld", "KHR_animation_pointer", "KHR_accessor_float64",
}  # fmt: skip
MATERIALS = "KHR_materials_"
WRAPS: dict[int, Wrap] = {10497: "repeat", 33648: "mirror", 33071: "clamp"}
TRIANGLES, STRIP, FAN = 4, 5, 6
SKIN_PASS = 1 << 18  # vertices that are skinned at once


def read(data: bytes, is_binary: bool, files: Files, limits: Limits) -> Scene:
    """What the first scene shows; raises ValueError for damage, `MeshError` for what is not read."""
    tree, blob = _chunks(data) if is_binary else (json.loads(data.decode("utf-8-sig")), None)
    _check(tree)
    return _Reader(tree, Arrays(tree, blob, files, limits), files, limits).scene()


def _chunks(data: bytes) -> tuple[Json, bytes | None]:
    """The JSON of a GLB, and its binary part."""
    magic, version, length = struct.unpack_from("<4sII", data)
    if magic != b"glTF" or version != 2:
        raise ValueError(f"it begins with {magic!r}, version {version}; glTF 2 is read")
    if len(data) < length:
        raise ValueError(f"it ends after {len(data)} of {length} bytes")
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<I4s", data, at)
        if at + 8 + size > length:
            raise ValueError("a part of it is cut off")
        chunks.setdefault(kind, data[at + 8 : at + 8 + size])
        at += 8 + size
    return json.loads(chunks[b"JSON"].rstrip(b"\0").decode("utf-8-sig")), chunks.get(b"BIN\0")


def _check(tree: Json) -> None:
    version = str(tree["asset"]["version"])
    if not version.startswith("2."):
        raise MeshError(f"the mesh is glTF {version}; glTF 2 is read: export it again as glTF 2 or GLB")
    unknown = [
        name for name in tree.get("extensionsRequired", ()) if name not in EXTENSIONS and not name.startswith(MATERIALS)
    ]
    if unknown:
        raise MeshError(
            f"the mesh requires {', '.join(unknown)}, which is not read: export it again without, as plain GLB"
        )


@dataclass(frozen=True)
class _Look:
    """A material: its base colour `factor (4,)`, linear, and where its picture lies."""

    factor: Float | None = None
    picture: Picture | None = None
    texcoord: int = 0
    transform: Json | None = None
    is_opaque: bool = True
    alpha: float = 1.0  # what a transmitting surface keeps back
    lost: str | None = None  # the picture it should have


class _Reader:
    """One file on its way to a scene."""

    def __init__(self, tree: Json, arrays: Arrays, files: Files, limits: Limits) -> None:
        self._tree, self._arrays, self._files, self._limits = tree, arrays, files, limits
        self._scene = Scene()
        self._images: dict[int, Any] = {}
        self._pictures: dict[tuple[Any, ...], Picture] = {}
        self._looks: dict[int | None, _Look] = {}
        self._made: dict[tuple[int, int], int | None] = {}  # the shape of a primitive that no node changes
        self._lost: dict[str, int] = {}  # faces by the picture that they lost
        self._bare = self._points = self._targets = self._sets = 0
        self._maps: set[int] = set()

    def scene(self) -> Scene:
        """What is shown, checked against the limits before any array is made."""
        nodes = self._tree.get("nodes", [])
        world = self._shown(nodes)
        shown = [number for number in world if "mesh" in nodes[number]]
        self._check_size(nodes, {number: self._times(nodes[number]) for number in shown})
        if "skins" in self._tree:  # joints may stand beside the scene
            world = _walked(nodes, [root for root in _roots(nodes) if root not in world]) | world
        for number in shown:
            self._add(nodes[number], self._instances(nodes[number], world[number]), world)
        self._finish()
        return self._scene

    # Nodes

    def _shown(self, nodes: list[Json]) -> dict[int, Float]:
        """The matrix of every node that the scene shows, by its number."""
        scenes = self._tree.get("scenes", [])
        self._scene.warn("scenes_dropped", max(0, len(scenes) - 1))
        roots = scenes[self._tree.get("scene", 0)].get("nodes", []) if scenes else _roots(nodes)
        return _walked(nodes, roots)

    def _instancing(self, node: Json) -> dict[str, int] | None:
        """The arrays that place the instances of a node; None where it stands once."""
        extension = node.get("extensions", {}).get(INSTANCING)
        if extension is None:
            return None
        names = ("TRANSLATION", "ROTATION", "SCALE")
        return {name.lower(): extension["attributes"][name] for name in names if name in extension["attributes"]}

    def _times(self, node: Json) -> int:
        """How often a node shows its mesh."""
        named = self._instancing(node)
        return 1 if named is None else min((self._arrays.count(index) for index in named.values()), default=0)

    def _instances(self, node: Json, matrix: Float) -> list[Float]:
        named = self._instancing(node)
        if named is None:
            return [matrix]
        rows = {name: self._arrays.floats(index) for name, index in named.items()}
        return [matrix @ _matrix({name: row[k] for name, row in rows.items()}) for k in range(self._times(node))]

    def _check_size(self, nodes: list[Json], times: dict[int, int]) -> None:
        """Before any array is made: how long they are is a number in the JSON, with or without bytes for it."""
        self._arrays.check([shape for mesh in self._tree.get("meshes", ()) for shape in mesh["primitives"]])
        parts = faces = 0
        for number, count in times.items():
            primitives = self._tree["meshes"][nodes[number]["mesh"]]["primitives"]
            parts += count * len(primitives)
            faces += count * sum(self._size(primitive) for primitive in primitives)
        self._limits.parts(parts)
        self._limits.faces(faces)

    def _size(self, primitive: Json) -> int:
        vertices = self._arrays.count(primitive["attributes"].get("POSITION"))
        corners = self._arrays.count(primitive["indices"]) if "indices" in primitive else vertices
        return max(corners // 3 if primitive.get("mode", TRIANGLES) == TRIANGLES else corners - 2, vertices // 3)

    # Shapes

    def _add(self, node: Json, matrices: list[Float], world: dict[int, Float]) -> None:
        """The primitives of a node, moved as its skin and its weights say."""
        mesh = self._tree["meshes"][node["mesh"]]
        weights = node.get("weights", mesh.get("weights"))
        skin = self._skin(node, world) if "skin" in node else None
        for number, primitive in enumerate(mesh["primitives"]):
            key = (node["mesh"], number)
            is_plain = skin is None and "weights" not in node
            if is_plain and key in self._made:
                shape = self._made[key]
            else:
                shape = self._shape(primitive, weights, skin)
                self._made |= {key: shape} if is_plain else {}
            if shape is not None:
                # A skinned mesh stands where its joints are; its own node moves nothing (glTF 2.0, 3.7.3.2).
                self._scene.places += [(shape, None)] if skin is not None else [(shape, matrix) for matrix in matrices]

    def _shape(self, primitive: Json, weights: list[float] | None, skin: Float | None) -> int | None:
        """The number of a new shape; None where there are no triangles."""
        faces, attributes = drawn(self._arrays, primitive)
        if "POSITION" not in attributes:
            return None
        vertices: Float = attributes["POSITION"][:, :3]
        faces = _faces(faces, len(vertices), primitive.get("mode", TRIANGLES))
        if faces is None:
            self._points += 1
            return None
        if not len(faces):
            return None
        vertices = self._morphed(vertices, primitive, weights)
        if skin is not None and "JOINTS_0" in attributes:
            vertices, is_mirrored = _skinned(vertices, attributes, skin)
            faces = faces[:, ::-1] if is_mirrored else faces
        look = self._look(primitive.get("material"))
        uv = attributes.get(f"TEXCOORD_{look.texcoord}")
        if look.picture is not None:
            self._sets += sum(name.startswith("TEXCOORD_") for name in attributes) - (uv is not None)
            self._bare += len(faces) * (uv is None)
        colour = look.factor
        if "COLOR_0" in attributes:
            colour = _with_alpha(attributes["COLOR_0"]) * (1 if look.factor is None else look.factor)
        if look.lost is not None:
            self._lost[look.lost] = self._lost.get(look.lost, 0) + len(faces)
        self._scene.shapes.append(
            Shape(
                vertices,
                faces,
                None if uv is None or look.picture is None else _placed(uv, look.transform),
                None if uv is None else look.picture,
                None if colour is None else np.atleast_2d(colour)[:, :3].astype(np.float32),
                look.alpha * (1.0 if look.is_opaque or colour is None else float(np.min(np.atleast_2d(colour)[:, 3]))),
            )
        )
        return len(self._scene.shapes) - 1

    def _morphed(self, vertices: Float, primitive: Json, weights: list[float] | None) -> Float:
        """The vertices as the weights at rest shape them."""
        targets = primitive.get("targets", [])
        self._targets += sum(not weight for weight in (weights or [0] * len(targets))[: len(targets)])
        for target, weight in zip(targets, weights or [], strict=False):
            if weight and "POSITION" in target:
                vertices = vertices + weight * self._arrays.floats(target["POSITION"])
        return vertices

    def _skin(self, node: Json, world: dict[int, Float]) -> Float:
        """What each joint does to a vertex `(j, 4, 4)`, in the pose that the nodes have."""
        skin = self._tree["skins"][node["skin"]]
        joints = np.stack([world.get(joint, np.eye(4)) for joint in skin["joints"]])
        if "inverseBindMatrices" not in skin:
            return joints
        inverse = self._arrays.floats(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        moves: Float = joints @ inverse[: len(joints)]
        return moves

    # Materials

    def _look(self, number: int | None) -> _Look:
        if number not in self._looks:
            self._looks[number] = _Look() if number is None else self._material(self._tree["materials"][number], number)
        return self._looks[number]

    def _material(self, material: Json, number: int) -> _Look:
        surface = material.get("pbrMetallicRoughness", {})
        factor, info = surface.get("baseColorFactor"), surface.get("baseColorTexture")
        if (glossy := material.get("extensions", {}).get(GLOSSINESS)) is not None:
            factor, info = glossy.get("diffuseFactor"), glossy.get("diffuseTexture")
        glow = material.get("emissiveTexture")
        if glow is not None and info is None and factor is not None and not any(factor[:3]):
            info, factor = glow, [*material.get("emissiveFactor", (0, 0, 0)), 1]  # black but for its glow: show that
        elif (
            any(name in material for name in ("normalTexture", "occlusionTexture", "emissiveTexture"))
            or any(material.get("emissiveFactor", ()))
            or "metallicRoughnessTexture" in surface
        ):
            self._maps.add(number)
        mode = material.get("alphaMode", "OPAQUE")
        hidden_below = {"MASK": float(material.get("alphaCutoff", 0.5)), "BLEND": 1 / 255}.get(mode)
        rgba = None if factor is None else np.array([*factor, 1, 1, 1, 1][:4], np.float32)
        alpha = 1 - material.get("extensions", {}).get(f"{MATERIALS}transmission", {}).get("transmissionFactor", 0.0)
        if info is None:
            return _Look(rgba, is_opaque=mode == "OPAQUE", alpha=alpha)
        transform = info.get("extensions", {}).get(TRANSFORM)
        texcoord = int((transform or {}).get("texCoord", info.get("texCoord", 0)))
        picture = self._picture(info["index"], hidden_below)
        lost = None if picture is not None else self._name(self._tree["textures"][info["index"]])
        return _Look(rgba, picture, texcoord, transform, mode == "OPAQUE", alpha, lost)

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
        """Images that show a texture, the plain one last: it is there for readers without the others."""
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
        """What a notice calls a picture that could not be read."""
        uris = [self._tree["images"][source].get("uri", "data:") for source in self._sources(texture)]
        outside = [unquote(uri)[:80] for uri in uris if not uri.startswith("data:")]
        return ", ".join([*outside, *texture.get("extensions", {})]) or "one in the file"

    # The end

    def _finish(self) -> None:
        """Give parts without a colour among parts with one white, as glTF says, and notice of what was left out."""
        shapes, scene = self._scene.shapes, self._scene
        if any(shape.colours is not None or shape.picture is not None for shape in shapes):
            white = np.ones((1, 3), np.float32)
            scene.shapes = [
                shape if shape.colours is not None or shape.picture is not None else _coloured(shape, white)
                for shape in shapes
            ]
        scene.warn("picture_missing", sum(self._lost.values()), [*self._lost])
        scene.warn("texture_coordinates_missing", self._bare)
        scene.warn("texture_coordinates_dropped", self._sets)
        scene.warn("points_and_lines_dropped", self._points)
        scene.warn("morph_targets_dropped", self._targets)
        scene.warn("animations_dropped", len(self._tree.get("animations", [])))
        scene.warn("material_maps_dropped", len(self._maps))


def _coloured(shape: Shape, colours: Float) -> Shape:
    return Shape(shape.vertices, shape.faces, shape.uv, shape.picture, colours, shape.alpha)


def _roots(nodes: list[Json]) -> list[int]:
    below = {child for node in nodes for child in node.get("children", ())}
    return [number for number in range(len(nodes)) if number not in below]


def _walked(nodes: list[Json], roots: list[int]) -> dict[int, Float]:
    """The matrix of every node at or below `roots`, by its number, but for those that are hidden."""
    world: dict[int, Float] = {}
    left: list[tuple[int, Float]] = [(int(root), np.eye(4)) for root in reversed(roots)]
    while left:
        number, above = left.pop()
        if number in world:
            raise ValueError(f"node {number} hangs below two others")
        node = nodes[number]
        if node.get("extensions", {}).get("KHR_node_visibility", {}).get("visible", True) is False:
            continue
        world[number] = above @ _matrix(node)
        left += [(int(child), world[number]) for child in reversed(node.get("children", []))]
    return world


def _matrix(node: Json) -> Float:
    """The `(4, 4)` of a node: its matrix, or its translation, rotation (a quaternion x y z w) and scale."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1)), np.float64)
    n = x * x + y * y + z * z + w * w
    s = 2 / n if n else 0.0
    turn = np.array([
        [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
        [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
        [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
    ])  # fmt: skip
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array(node.get("scale", (1, 1, 1)), np.float64)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def _faces(indices: Int | None, count: int, mode: int) -> Int | None:
    """Triangles `(t, 3)` of what is drawn; None for points and lines."""
    corners = np.arange(count) if indices is None else indices.ravel().astype(np.int64)
    if mode == TRIANGLES or (indices is not None and indices.shape[1] == 3):  # Draco keeps no strips
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    if mode == STRIP:
        return unstripped(corners)
    if mode == FAN:
        first = np.broadcast_to(corners[:1], (max(0, len(corners) - 2),))
        return np.stack([corners[1:-1], corners[2:], first], axis=1)
    return None


def _skinned(vertices: Float, attributes: dict[str, Float], moves: Float) -> tuple[Float, bool]:
    """The vertices where their joints, by weights, put them; whether that mirrors them."""
    sets = [k for k in range(8) if f"JOINTS_{k}" in attributes and f"WEIGHTS_{k}" in attributes]
    joints = np.concatenate([attributes[f"JOINTS_{k}"] for k in sets], axis=1).astype(np.int64)  # (v, 4 k)
    weights = np.concatenate([attributes[f"WEIGHTS_{k}"] for k in sets], axis=1).astype(np.float64)
    if joints.min() < 0 or joints.max() >= len(moves):
        raise ValueError(f"a vertex hangs on joint {joints.max()} of {len(moves)}")
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    placed = np.empty_like(vertices)
    for start in range(0, len(vertices), SKIN_PASS):
        part = slice(start, start + SKIN_PASS)
        mixed = np.zeros((len(vertices[part]), 3, 4))
        for k in range(joints.shape[1]):
            mixed += weights[part, k, None, None] * moves[joints[part, k], :3]
        placed[part] = np.einsum("vij,vj->vi", mixed[:, :, :3], vertices[part]) + mixed[:, :, 3]
    main = joints[np.arange(len(joints)), weights.argmax(axis=1)]
    return placed, bool(np.linalg.det(moves[:, :3, :3])[main].mean() < 0)


def _with_alpha(colours: Float) -> Float:
    return colours if colours.shape[1] > 3 else np.pad(colours, ((0, 0), (0, 1)), constant_values=1)


def _placed(uv: Float, transform: Json | None) -> Float:
    """Texture coordinates after KHR_texture_transform, their origin at the bottom left.

    A positive angle turns them against the clock as the picture is seen, v down: u' = c u + s v, as the Khronos sample
    viewer, three.js and Blender have it; the matrix in the extension's text is the transpose of that.
    """
    placed = uv[:, :2].astype(np.float64)
    if transform is not None:
        angle = float(transform.get("rotation", 0))
        c, s = np.cos(angle), np.sin(angle)
        placed = placed * transform.get("scale", (1, 1)) @ np.array([[c, s], [-s, c]]).T + transform.get(
            "offset", (0, 0)
        )
    return np.stack([placed[:, 0], 1 - placed[:, 1]], axis=1)
