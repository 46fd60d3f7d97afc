# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Read glTF 2.0, as GLB or as JSON with files beside it: its shape at rest and its base colour.

Owns      the scene of a file: its nodes, skins and primitives.
Not here  the JSON document (`gltf_document`), numbers (`arrays`), matrices and faces (`gltf_geometry`), materials
          (`gltf_materials`), writing (`formats.glb`).

Khronos Group, "glTF 2.0 Specification", 2021, and the extensions in `EXTENSIONS`. What is left out of the
model gives a notice with a number.

Why our own code:
- trimesh 5.2 ignores texture transforms, other sets of texture coordinates, colours beside a texture, skins, sparse
  arrays and required extensions, cuts 16-bit colours to a byte, and takes quantised positions for metres.
- `pygltflib` reads the JSON alone.
"""

import json
from dataclasses import replace

import numpy as np

from fourview.arrays import Float
from fourview.formats.readers.arrays import Arrays, drawn
from fourview.formats.readers.gltf_document import (
    INSTANCING,
    Json,
    check,
    chunks_of,
)
from fourview.formats.readers.gltf_geometry import (
    TRIANGLES,
    faces_drawn,
    matrix_of,
    placed,
    roots_of,
    skinned,
    walked,
    with_alpha,
)
from fourview.formats.readers.gltf_materials import Materials
from fourview.formats.readers.scene import Files, Limits, Scene, Shape


def read(data: bytes, is_binary: bool, files: Files, limits: Limits) -> Scene:
    """What the first scene shows; raises ValueError for damage, `MeshError` for what is not read."""
    tree, blob = chunks_of(data) if is_binary else (json.loads(data.decode("utf-8-sig")), None)
    check(tree)
    return _Reader(tree, Arrays(tree, blob, files, limits), files, limits).scene()


class _Reader:
    """Builds the scene of one file."""

    def __init__(self, tree: Json, arrays: Arrays, files: Files, limits: Limits) -> None:
        self._tree, self._arrays, self._files, self._limits = tree, arrays, files, limits
        self._scene = Scene()
        self._materials = Materials(tree, arrays, limits)
        self._made: dict[tuple[int, int], int | None] = {}  # the shape of a primitive that no node changes
        self._lost: dict[str, int] = {}  # faces by the picture that they lost
        self._bare = self._points = self._targets = self._sets = 0

    def scene(self) -> Scene:
        """What is shown, checked against the limits before any array is made."""
        nodes = self._tree.get("nodes", [])
        world = self._shown(nodes)
        shown = [number for number in world if "mesh" in nodes[number]]
        self._check_size(nodes, {number: self._times(nodes[number]) for number in shown})
        if "skins" in self._tree:  # joints may be outside of the scene
            world = walked(nodes, [root for root in roots_of(nodes) if root not in world]) | world
        for number in shown:
            self._add(nodes[number], self._instances(nodes[number], world[number]), world)
        self._finish()
        return self._scene

    # Nodes

    def _shown(self, nodes: list[Json]) -> dict[int, Float]:
        """The matrix of every node that the scene shows, by its number."""
        scenes = self._tree.get("scenes", [])
        self._scene.warn("scenes_dropped", max(0, len(scenes) - 1))
        roots = scenes[self._tree.get("scene", 0)].get("nodes", []) if scenes else roots_of(nodes)
        return walked(nodes, roots)

    def _instancing(self, node: Json) -> dict[str, int] | None:
        """The arrays that place the instances of a node; None where it has no instances."""
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
        return [matrix @ matrix_of({name: row[k] for name, row in rows.items()}) for k in range(self._times(node))]

    def _check_size(self, nodes: list[Json], times: dict[int, int]) -> None:
        """Check sizes before any array is made: the JSON states them, whether the file has the bytes or not."""
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
                # A skinned mesh is placed by its joints, not by its own node (glTF 2.0, 3.7.3.2).
                self._scene.places += [(shape, None)] if skin is not None else [(shape, matrix) for matrix in matrices]

    def _shape(self, primitive: Json, weights: list[float] | None, skin: Float | None) -> int | None:
        """The number of a new shape; None where there are no triangles."""
        faces, attributes = drawn(self._arrays, primitive)
        if "POSITION" not in attributes:
            return None
        vertices: Float = attributes["POSITION"][:, :3]
        faces = faces_drawn(faces, len(vertices), primitive.get("mode", TRIANGLES))
        if faces is None:
            self._points += 1
            return None
        if not len(faces):
            return None
        vertices = self._morphed(vertices, primitive, weights)
        if skin is not None and "JOINTS_0" in attributes:
            vertices, is_mirrored = skinned(vertices, attributes, skin)
            faces = faces[:, ::-1] if is_mirrored else faces
        look = self._materials.look(primitive.get("material"))
        uv = attributes.get(f"TEXCOORD_{look.texcoord}")
        if look.picture is not None:
            self._sets += sum(name.startswith("TEXCOORD_") for name in attributes) - (uv is not None)
            self._bare += len(faces) * (uv is None)
        colour = look.factor
        if "COLOR_0" in attributes:
            colour = with_alpha(attributes["COLOR_0"]) * (1 if look.factor is None else look.factor)
        if look.lost is not None:
            self._lost[look.lost] = self._lost.get(look.lost, 0) + len(faces)
        self._scene.shapes.append(
            Shape(
                vertices,
                faces,
                None if uv is None or look.picture is None else placed(uv, look.transform),
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
        """The matrix of each joint `(j, 4, 4)`, in the pose of the nodes."""
        skin = self._tree["skins"][node["skin"]]
        joints = np.stack([world.get(joint, np.eye(4)) for joint in skin["joints"]])
        if "inverseBindMatrices" not in skin:
            return joints
        inverse = self._arrays.floats(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        moves: Float = joints @ inverse[: len(joints)]
        return moves

    # The end

    def _finish(self) -> None:
        """Make shapes without a colour white if others have one, as glTF says; add the notices."""
        shapes, scene = self._scene.shapes, self._scene
        if any(shape.colours is not None or shape.picture is not None for shape in shapes):
            white = np.ones((1, 3), np.float32)
            scene.shapes = [
                shape if shape.colours is not None or shape.picture is not None else replace(shape, colours=white)
                for shape in shapes
            ]
        scene.warn("picture_missing", sum(self._lost.values()), [*self._lost])
        scene.warn("texture_coordinates_missing", self._bare)
        scene.warn("texture_coordinates_dropped", self._sets)
        scene.warn("points_and_lines_dropped", self._points)
        scene.warn("morph_targets_dropped", self._targets)
        scene.warn("animations_dropped", len(self._tree.get("animations", [])))
        scene.warn("material_maps_dropped", len(self._materials.with_other_maps))
