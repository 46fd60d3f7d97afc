# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Read STL: bare triangles, binary or as text.

Owns      which of the two forms a file has, whatever its header says, and their common faults.
Not here  writing (`formats.stl`).

3D Systems, "StereoLithography Interface Specification", 1989.

Why our own code: trimesh 5.2 finds no triangles where bytes follow the last one, and none in numbers with a decimal
comma.
"""

import re

import numpy as np

from fourview.errors import MeshError
from fourview.formats.readers.scene import Limits, Scene, Shape

HEAD = 84  # bytes: 80 of text, the number of triangles
TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("colour", "<u2")])
_VERTEX = re.compile(rb"\bvertex[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\S+)", re.IGNORECASE)


def read(data: bytes, limits: Limits) -> Scene:
    """The triangles of an STL; raises ValueError or `MeshError`."""
    scene, data = Scene(), data.removeprefix(b"\xef\xbb\xbf")
    is_text = data[:512].lstrip()[:5].lower() == b"solid" and (b"\0" not in data[:HEAD] and _is_text(data))
    corners = _text(data, limits) if is_text else _binary(data, limits, scene)
    vertices = corners.reshape(-1, 3)
    if len(vertices):
        scene.add(Shape(vertices, np.arange(len(vertices), dtype=np.int32).reshape(-1, 3)))
    return scene


def _is_text(data: bytes) -> bool:
    """Whether what begins with "solid" is text: binary files of some programs begin so too."""
    count = int.from_bytes(data[HEAD - 4 : HEAD], "little")
    return len(data) != HEAD + TRIANGLE.itemsize * count


def _text(data: bytes, limits: Limits) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    limits.faces(len(re.findall(rb"\bvertex\b", data, re.IGNORECASE)) // 3)
    rows = _VERTEX.findall(data)
    if len(rows) % 3:
        raise ValueError(f"it has {len(rows)} corners, which is no multiple of 3: it is cut off")
    numbers = b" ".join(b" ".join(row) for row in rows).replace(b",", b".").split()
    return np.array(numbers, np.bytes_).astype(np.float32)


def _binary(data: bytes, limits: Limits, scene: Scene) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    count = int.from_bytes(data[HEAD - 4 : HEAD], "little")
    there = max(0, len(data) - HEAD) // TRIANGLE.itemsize
    if count in (0, 0xFFFFFFFF):  # programs that write as they go leave the number open
        count = there
    if count > there:
        raise MeshError(
            f"the STL says that it holds {count} triangles, but its bytes are enough for {there}: it is cut off; "
            "export it again as GLB, OBJ, PLY or STL"
        )
    limits.faces(count)
    triangles = np.frombuffer(data, TRIANGLE, count, HEAD) if count else np.zeros(0, TRIANGLE)
    head = data[: HEAD - 4].partition(b"COLOR=")[2][:4]  # of all triangles, as Materialise Magics writes
    coloured = count if any(head) else int((triangles["colour"] != 0).sum())
    scene.warn("stl_colours_dropped", coloured)
    return triangles["corners"]
