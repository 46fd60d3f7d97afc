# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""PLY, binary: positions and a colour a vertex.

Owns      the bytes of a PLY, and which colour a vertex gets. Not here: units and axes (`place`).
"""

import numpy as np

from fourview import __version__
from fourview.formats.colours import colours_at
from fourview.mesh.mesh import Mesh, merge_vertices
from fourview.texture.texture import Texture, srgb_from_linear


def encode(mesh: Mesh, texture: Texture | None) -> bytes:
    """A PLY of `mesh` (as placed); with `texture`, vertices carry its colours as `red green blue`, sRGB."""
    welded, vertex = merge_vertices(mesh)
    layout = [("position", "<f4", 3)]
    header = ["ply", "format binary_little_endian 1.0", f"comment fourview {__version__}"]
    header += [f"element vertex {len(welded.vertices)}", *(f"property float {axis}" for axis in "xyz")]
    seen = colours_at(texture, mesh.uv) if texture is not None and mesh.uv is not None else None  # (v, 3)
    if seen is not None:
        layout.append(("colour", "u1", 3))
        header += [f"property uchar {name}" for name in ("red", "green", "blue")]
    header += [f"element face {len(welded.faces)}", "property list uchar int vertex_indices", "end_header\n"]

    vertices = np.zeros(len(welded.vertices), layout)
    vertices["position"] = welded.vertices
    if seen is not None:
        # On a seam each chart has a sample of the same place: take their mean.
        count = np.bincount(vertex)
        mean = np.stack([np.bincount(vertex, seen[:, k]) / count for k in range(3)], axis=1)
        vertices["colour"] = srgb_from_linear(mean)
    faces = np.zeros(len(welded.faces), [("count", "u1"), ("corner", "<i4", 3)])
    faces["count"], faces["corner"] = 3, welded.faces
    return "\n".join(header).encode() + vertices.tobytes() + faces.tobytes()
