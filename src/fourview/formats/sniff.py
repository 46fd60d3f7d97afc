# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Which type of mesh file some bytes are, by how they begin.

Owns      `mesh_type`. Not here: reading the mesh (`formats.read`).

This file imports nothing heavy: the HTTP process uses it.
"""

import re

_OBJ = re.compile(rb"^[ \t]*(v|vn|vt|f|o|g|mtllib|usemtl)[ \t]", re.MULTILINE)
_HEAD = 1 << 16  # bytes that are searched; an OBJ may begin with pages of comments
_STL_HEAD, _STL_FACE = 84, 50  # bytes
_STL_TAIL = 1 << 16  # bytes that may follow the last triangle
_BOM = b"\xef\xbb\xbf"


def mesh_type(data: bytes) -> str | None:
    """glb, gltf, obj, ply, stl or zip (a mesh with its textures); None for anything else."""
    if data.startswith(b"glTF"):
        return "glb"
    if data.startswith(b"PK\x03\x04"):
        return "zip"
    if data.startswith((b"ply\n", b"ply\r")):
        return "ply"
    head = data[:_HEAD].removeprefix(_BOM)
    if head.lstrip()[:5].lower() == b"solid" or _is_binary_stl(data):
        return "stl"
    if head.lstrip().startswith(b"{") and b'"asset"' in data:
        return "gltf"
    if b"\0" not in head and _OBJ.search(head):
        return "obj"
    return None


def _is_binary_stl(data: bytes) -> bool:
    """Whether the length fits the number of triangles in the head; that number may be left open, bytes may follow."""
    room = len(data) - _STL_HEAD
    faces = int.from_bytes(data[_STL_HEAD - 4 : _STL_HEAD], "little")
    if faces in (0, 0xFFFFFFFF):
        return room > 0 and room % _STL_FACE == 0
    return 0 <= room - faces * _STL_FACE <= _STL_TAIL
