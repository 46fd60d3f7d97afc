# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""STL, binary: bare triangles, as slicers read them.

Owns      the bytes of an STL. Not here: millimetres and the up axis (`place`).
"""

import struct

import numpy as np

from fourview import __version__
from fourview.mesh.mesh import Mesh, face_normals


def encode(mesh: Mesh) -> bytes:
    """A binary STL of `mesh` (as placed). Its header must not begin with "solid", the mark of the text form."""
    normals = face_normals(mesh)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    layout = [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("unused", "<u2")]
    triangles = np.zeros(len(mesh.faces), layout)
    triangles["normal"] = normals / np.maximum(lengths, 1e-30)
    triangles["corners"] = mesh.vertices[mesh.faces]
    header = f"fourview {__version__}, millimetres".encode().ljust(80)
    return header + struct.pack("<I", len(triangles)) + triangles.tobytes()
