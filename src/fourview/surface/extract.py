# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The surface between the samples: marching cubes on the cells that it passes through.

Owns      where on an edge a vertex lies, and the numbering of vertices and faces.
Not here  which triangles a cell gets, and why the result is 2-manifold (`cases`); which samples exist (`octree`).

One vertex on every edge of the grid whose ends differ, placed by linear interpolation, but never nearer to an end
than `MARGIN`: vertices on different edges then have different positions, also in float32, and merging those at one
position changes nothing. Every cell owns the three edges that start at its least node.
"""

import numpy as np

from fourview.arrays import Float, Int
from fourview.mesh.mesh import Mesh
from fourview.progress import Tick, no_tick
from fourview.surface.cases import EDGE_STARTS, triangles
from fourview.surface.grid import MARGIN, Samples

CELLS_A_PASS = 65_536  # their tables take about 10 MiB
LARGEST = float(np.finfo(np.float32).max)  # stands for infinity where one is interpolated
_ALONG = np.array([4, 2, 1], np.uint8)  # the corner at the far end of the edge along each axis, from corner 0


def extract(samples: Samples, tick: Tick = no_tick) -> Mesh:
    """The surface where the field is 0, box units; closed, 2-manifold, counter-clockwise seen from outside."""
    count = len(samples.cells)
    passes = [slice(start, start + CELLS_A_PASS) for start in range(0, count, CELLS_A_PASS)]
    ids = np.empty((count, 3), np.int32)  # of the vertices on the edges that a cell owns
    vertices, faces = [], []
    known = 0
    for done, part in enumerate(passes):
        tick(0.4 * done / len(passes))
        cases = samples.cases[part]
        is_crossed = (cases[:, None] >> _ALONG ^ cases[:, None]) & 1  # (n, 3)
        ids[part] = np.cumsum(is_crossed, dtype=np.int32).reshape(-1, 3) + (known - 1)
        vertices.append(_vertices(samples, samples.cells[part], *np.nonzero(is_crossed)))
        known += len(vertices[-1])
    for done, part in enumerate(passes):
        tick(0.4 + 0.6 * done / len(passes))
        faces.append(_faces(samples, part, ids))
    return Mesh(np.concatenate(vertices), np.concatenate(faces))


def _vertices(samples: Samples, cells: Int, cell: Int, axis: Int) -> Float:
    """Positions `(v, 3) float32` on the edges that start at `cells[cell]` and run along `axis`, `(v,)` each."""
    grid, values = samples.grid, samples.values.reshape(-1)
    start = cells[cell]
    a, b = (np.clip(values[at], -LARGEST, LARGEST).astype(np.float64) for at in (start, start + grid.strides[axis]))
    place = np.stack(np.unravel_index(cells, grid.shape), axis=1).astype(np.float64)[cell]  # (v, 3)
    place[np.arange(len(place)), axis] += np.clip(a / (a - b), MARGIN, 1 - MARGIN)
    return grid.points(place)


def _faces(samples: Samples, part: slice, ids: Int) -> Int:
    """The faces `(f, 3) int32` in the cells of `part`."""
    cells, cases = samples.cells[part], samples.cases[part]
    owners = np.stack([np.searchsorted(samples.cells, cells + corner) for corner in samples.grid.corners(1)[:7]])
    owners = np.minimum(owners, len(ids) - 1)  # beyond the last where there is no vertex
    vertex = ids[owners[EDGE_STARTS], np.arange(12)[:, None] // 4].T  # (cells, 12)
    counts, edges = triangles()
    count = counts[cases]
    home = np.repeat(np.arange(len(cells)), count)  # (f,) the cell of each face
    turn = np.arange(len(home)) - np.repeat(np.cumsum(count) - count, count)  # (f,) 0, 1, .. within its cell
    faces: Int = vertex[home[:, None], edges[cases[home], turn]]
    return faces
