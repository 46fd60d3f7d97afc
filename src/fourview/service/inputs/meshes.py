# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The bytes of a mesh file are accepted if they begin like one.

Owns      refusing other bytes.
Not here  the types of mesh files (`formats.sniff`), reading the mesh, which happens in a runner (`formats.read`).
"""

from fourview.errors import MeshError
from fourview.formats.sniff import mesh_type as sniff
from fourview.service.nouns import MESH


def mesh_type(field: str, data: bytes) -> str:
    """glb, gltf, obj, ply, stl or zip (a mesh with its textures); raises `MeshError`."""
    found = sniff(data)
    if found is None:
        size = f"{MESH.of(field)} of {len(data)} bytes"
        raise MeshError(f"{size} is of an unknown kind; GLB, OBJ, PLY or STL is needed: export it again")
    return found
