# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The JSON document of a glTF file, and whether this reader knows what the document requires.

Owns      the parts of a GLB, the version, the required extensions. Not here: what the document describes (`gltf`).
"""

import json
import struct
from typing import Any

from fourview.errors import MeshError
from fourview.formats.readers.arrays import DRACO, MESHOPT

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


def chunks_of(data: bytes) -> tuple[Json, bytes | None]:
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


def check(tree: Json) -> None:
    """Raises `MeshError` for another version, or a required extension that is not read."""
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
