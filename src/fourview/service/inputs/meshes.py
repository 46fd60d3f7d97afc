# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""One field of a request becomes the bytes of a mesh file: as with pictures, in the same five spellings.

Owns      which kind of mesh file some bytes are, by how they begin.
Not here  reading the mesh: that is the machinery's, in a process of its own (`formats.read`).
"""

import re

from fourview.errors import MeshError, PictureError
from fourview.service.inputs import pictures
from fourview.service.inputs.pictures import Source

_CURE = "GLB, OBJ, PLY or STL is needed: export it again"
_OBJ = re.compile(rb"^[ \t]*(v|vn|vt|f|o|g|mtllib|usemtl)[ \t]", re.MULTILINE)
_HEAD = 1 << 16  # bytes; an OBJ may begin with pages of comments
_STL_HEAD, _STL_FACE = 84, 50  # bytes
_STL_TAIL = 1 << 16  # bytes that may follow the last triangle
_BOM = b"\xef\xbb\xbf"


def tell(field: str, value: object) -> Source | None:
    """What `value` is, or None where the mesh is absent; raises `MeshError`."""
    try:
        return pictures.tell(field, value)
    except PictureError as error:
        raise of_mesh(error) from None


def mesh_type(field: str, data: bytes) -> str:
    """glb, gltf, obj, ply, stl or zip (an OBJ with its textures); raises `MeshError`."""
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
    raise MeshError(f"the '{field}' mesh of {len(data)} bytes is of an unknown kind; {_CURE}")


def _is_binary_stl(data: bytes) -> bool:
    """Whether there are as many triangles as the head says, or it leaves their number open; a few bytes may follow."""
    room = len(data) - _STL_HEAD
    faces = int.from_bytes(data[_STL_HEAD - 4 : _STL_HEAD], "little")
    if faces in (0, 0xFFFFFFFF):
        return room > 0 and room % _STL_FACE == 0
    return 0 <= room - faces * _STL_FACE <= _STL_TAIL


def of_mesh(error: PictureError) -> MeshError:
    """What is wrong with a mesh, in the words of what is wrong with a picture."""
    return MeshError(str(error).replace("picture", "mesh"))
