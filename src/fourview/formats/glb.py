# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""glTF 2.0 in one binary file.

Owns      the bytes of a GLB. Not here: units and axes (`place`), compressing the texture (`image`).

Khronos Group, "glTF 2.0 Specification", 2021; EXT_texture_webp for lossless WebP. Vertices on a uv seam stand once a
chart with bit-equal positions and the same normal, so the surface stays closed and smooth for a reader that merges.

Why our own code: the format is one JSON text and one block of arrays, less code than a library's arguments, and equal
models must give equal bytes.
"""

import json
import struct
from typing import Any

import numpy as np

from fourview import __version__
from fourview.arrays import Float, Int
from fourview.mesh.mesh import Mesh, merge_vertices, vertex_normals

FLOAT, UINT16, UINT32 = 5126, 5123, 5125  # component types
ARRAY_BUFFER, ELEMENT_BUFFER = 34962, 34963
LINEAR, LINEAR_MIPMAP, CLAMP = 9729, 9987, 33071
UINT16_VERTICES = 65535  # index 65535 itself is reserved
ROUGHNESS = 0.95  # neither plastic nor chalk: pictures carry their own highlights
CLAY_LINEAR = (0.6, 0.6, 0.6, 1.0)  # the colour of a model without a texture


def encode(mesh: Mesh, image: bytes | None, image_format: str, extras: dict[str, Any] | None = None) -> bytes:
    """A GLB of `mesh` (metres, as placed) with `image`, a PNG or WebP file laid out by the mesh's uv.

    `extras` (engine, licence, seed, ...) is kept as `asset.extras`.
    """
    if image is None or mesh.uv is None:
        mesh = merge_vertices(mesh)[0]  # without uv
    index_type = UINT16 if len(mesh.vertices) <= UINT16_VERTICES else UINT32
    indices = mesh.faces.astype("<u2" if index_type == UINT16 else "<u4").reshape(-1)

    blob = _Blob()
    attributes = {
        "POSITION": blob.accessor(mesh.vertices, "VEC3", has_bounds=True),
        "NORMAL": blob.accessor(vertex_normals(mesh), "VEC3"),
    }
    if mesh.uv is not None:
        upside_down = np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], axis=1)  # glTF's uv begins at the top left
        attributes["TEXCOORD_0"] = blob.accessor(upside_down, "VEC2")
    faces = blob.accessor(indices, "SCALAR", index_type)

    asset: dict[str, Any] = {"version": "2.0", "generator": f"fourview {__version__}"}
    if extras:
        asset["extras"] = extras
    surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": ROUGHNESS}
    gltf: dict[str, Any] = {
        "asset": asset,
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "model"}],
        "meshes": [{"name": "model", "primitives": [{"attributes": attributes, "indices": faces, "material": 0}]}],
        "materials": [{"name": "surface", "pbrMetallicRoughness": surface, "doubleSided": False}],
    }
    if image is not None and mesh.uv is not None:
        surface["baseColorTexture"] = {"index": 0}
        gltf["images"] = [{"bufferView": blob.add(image), "mimeType": f"image/{image_format}", "name": "albedo"}]
        gltf["samplers"] = [{"magFilter": LINEAR, "minFilter": LINEAR_MIPMAP, "wrapS": CLAMP, "wrapT": CLAMP}]
        if image_format == "webp":
            gltf["textures"] = [{"sampler": 0, "extensions": {"EXT_texture_webp": {"source": 0}}}]
            gltf["extensionsUsed"] = gltf["extensionsRequired"] = ["EXT_texture_webp"]
        else:
            gltf["textures"] = [{"sampler": 0, "source": 0}]
    else:
        surface["baseColorFactor"] = CLAY_LINEAR
    gltf["accessors"], gltf["bufferViews"] = blob.accessors, blob.views
    gltf["buffers"] = [{"byteLength": len(blob.data)}]

    text = json.dumps(gltf, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(blob.data))
    return b"".join(
        [head, struct.pack("<I4s", len(text), b"JSON"), text, struct.pack("<I4s", len(blob.data), b"BIN\0"), blob.data]
    )


class _Blob:
    """The binary part while it grows, with the views and accessors that describe it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, part: bytes, target: int | None = None) -> int:
        """The number of a new view that holds `part`."""
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(part)}
        if target is not None:
            view["target"] = target
        self.data += part + b"\0" * (-len(part) % 4)
        self.views.append(view)
        return len(self.views) - 1

    def accessor(self, values: Float | Int, kind: str, component: int = FLOAT, has_bounds: bool = False) -> int:
        """The number of a new accessor over `values (n, c)`; floats become float32."""
        stored = values.astype("<f4") if component == FLOAT else values
        view = self.add(stored.tobytes(), ARRAY_BUFFER if component == FLOAT else ELEMENT_BUFFER)
        accessor = {"bufferView": view, "componentType": component, "count": len(stored), "type": kind}
        if has_bounds:
            accessor |= {"min": stored.min(axis=0).tolist(), "max": stored.max(axis=0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1
