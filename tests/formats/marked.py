# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A solid that cannot be mistaken for its mirror image, and the truths the tests of `export/` ask of files."""

import numpy as np

from fourview.mesh.mesh import Mesh
from fourview.texture.texture import Texture, linear_from_srgb

# How far the solid reaches from the origin: own left (+X), right, up, down, front (+Z), back.
REACH = {(0, 1): 0.5, (0, -1): -0.125, (1, 1): 1.25, (1, -1): -0.5, (2, 1): 0.75, (2, -1): -0.25}
LOW, HIGH = np.array([-0.125, -0.5, -0.25]), np.array([0.5, 1.25, 0.75])
SIGNS = [(x, y, z) for x in (1, -1) for y in (1, -1) for z in (1, -1)]
# One colour an octant, in the order of SIGNS.
CODES = np.array([[230, 30, 30], [30, 200, 40], [40, 60, 220], [220, 210, 40],
                  [200, 40, 200], [40, 200, 210], [240, 120, 10], [110, 30, 250]], np.uint8)  # fmt: skip


def marked(cuts=4):
    """An octahedron with six different spikes. Each of its eight sides is a chart: its seams double the vertices."""
    row, column = np.array([(i, j) for i in range(cuts + 1) for j in range(cuts + 1 - i)]).T
    weight = np.stack([cuts - row - column, row, column], axis=1) / cuts
    number = {(i, j): k for k, (i, j) in enumerate(zip(row, column, strict=True))}
    upward = [(number[i, j], number[i + 1, j], number[i, j + 1]) for i, j in number if i + j < cuts]
    downward = [(number[i + 1, j], number[i + 1, j + 1], number[i, j + 1]) for i, j in number if i + j < cuts - 1]
    pattern = np.array(upward + downward)

    vertices, faces, uv = [], [], []
    for chart, sign in enumerate(SIGNS):
        spikes = np.diag([REACH[axis, sign[axis]] for axis in range(3)])
        vertices.append(np.round(weight @ spikes * 2**16) / 2**16)  # on a seam equal to the last bit
        faces.append((pattern if np.prod(sign) > 0 else pattern[:, ::-1]) + chart * len(weight))
        # The chart's square of the texture is a quarter wide and half as high; it stays away from the border.
        uv.append((np.array([chart % 4, chart // 4]) + 0.2 + 0.6 * weight[:, 1:]) / [4, 2])
    return Mesh(*(np.concatenate(part).astype(kind) for part, kind in
                  ((vertices, np.float32), (faces, np.int32), (uv, np.float32))))  # fmt: skip


def painted(side=64):
    """The texture of `marked`: one plain colour an octant."""
    row, column = np.indices((side, side))
    chart = column * 4 // side + 4 * ((side - 1 - row) * 2 // side)
    return Texture(linear_from_srgb(CODES[chart]), np.ones((side, side), bool))


def is_closed(vertices, faces):
    """Whether, vertices at one position being one, every edge is walked once each way and each vertex has one fan."""
    _, at = np.unique(np.asarray(vertices, np.float32) + 0.0, axis=0, return_inverse=True)
    faces = at.reshape(-1)[faces]
    edges = {(int(a), int(b)) for face in faces for a, b in zip(face, np.roll(face, -1), strict=True)}
    if len(edges) != 3 * len(faces) or any((b, a) not in edges for a, b in edges):
        return False
    following = {}
    for a, b, c in faces.tolist():
        for corner, here, there in ((a, b, c), (b, c, a), (c, a, b)):
            following.setdefault(corner, {})[here] = there
    return all(_is_one_ring(ring) for ring in following.values())


def _is_one_ring(ring):
    start = at = next(iter(ring))
    steps = 0
    while steps == 0 or at != start:
        at, steps = ring[at], steps + 1
    return steps == len(ring)


def corners(model):
    """The corners of the faces `(f, 3, 3)`: what must survive any numbering of vertices."""
    return model.vertices[model.faces]
