# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The surface between the samples: marching cubes on the cells through which it passes.

Owns      where on an edge a vertex lies, and the numbering of vertices and faces.
Not here  which triangles a cell gets, and why the result is 2-manifold (`cases`); which samples exist (`octree`).

Every edge of the grid whose ends have different signs carries one vertex, placed by linear interpolation, but not
nearer to an end than `MARGIN`. So vertices on different edges have different positions, also in float32, and a reader
that merges vertices at one position changes nothing. Every cell owns the three edges that start at its least node.
"""

import numpy as np

from fourview.mesh.mesh import Mesh
from fourview.progress import Tick, no_tick
from fourview.surface.array_backend import Array
from fourview.surface.cases import EDGE_STARTS, triangles
from fourview.surface.grid import MARGIN, Samples

CELLS_A_PASS = 65_536  # their tables take about 10 MiB
LARGEST = float(np.finfo(np.float32).max)  # stands for infinity where one is interpolated
_ALONG = np.array([4, 2, 1], np.uint8)  # the corner at the far end of the edge along each axis, from corner 0


def extract(samples: Samples, tick: Tick = no_tick) -> Mesh:
    """The surface where the field is 0, box units; closed, 2-manifold, counter-clockwise seen from outside."""
    backend, count = samples.backend, len(samples.cells)
    xp = backend.xp
    passes = [slice(start, start + CELLS_A_PASS) for start in range(0, count, CELLS_A_PASS)]
    along = backend.array(_ALONG)
    ids, vertices, faces = [], [], []  # ids (n, 3): of the vertices on the edges that a cell owns
    known = 0
    for done, part in enumerate(passes):
        tick(0.4 * done / len(passes))
        cases = samples.cases[part]
        is_crossed = (cases[:, None] >> along ^ cases[:, None]) & 1  # (n, 3)
        ids.append(xp.cumsum(is_crossed.reshape(-1), 0, dtype=xp.int32).reshape(-1, 3) + (known - 1))
        vertices.append(_vertices(samples, samples.cells[part], *xp.where(is_crossed)))
        known += len(vertices[-1])
    owned = xp.concatenate(ids)
    tables = [backend.array(table.astype(np.int64)) for table in triangles()]
    for done, part in enumerate(passes):
        tick(0.4 + 0.6 * done / len(passes))
        faces.append(_faces(samples, part, owned, *tables))
    return Mesh(backend.host(xp.concatenate(vertices)), backend.host(xp.concatenate(faces)))


def inside_nodes(samples: Samples) -> Array:
    """For each vertex of `extract`, in its order, the flat number of the sample inside that it stands beside `(v,)`."""
    backend, xp, flat = samples.backend, samples.backend.xp, samples.values.reshape(-1)
    is_crossed = (samples.cases[:, None] >> backend.array(_ALONG) ^ samples.cases[:, None]) & 1
    cell, axis = xp.where(is_crossed)
    start = samples.cells[cell]
    return xp.where(flat[start] > 0, start, start + backend.array(np.array(samples.grid.strides))[axis])


def _vertices(samples: Samples, cells: Array, cell: Array, axis: Array) -> Array:
    """Positions `(v, 3) float32` on the edges that start at `cells[cell]` and run along `axis`, `(v,)` each."""
    xp, grid, values = samples.backend.xp, samples.grid, samples.values.reshape(-1)
    start = cells[cell]
    end = start + samples.backend.array(np.array(grid.strides))[axis]
    a, b = (xp.asarray(xp.clip(values[at], -LARGEST, LARGEST), dtype=samples.backend.double) for at in (start, end))
    share = xp.clip(a / (a - b), MARGIN, 1 - MARGIN)  # (v,) of the edge
    return grid.points([place + share * (axis == k) for k, place in enumerate(grid.ijk(start))], samples.backend)


def _faces(samples: Samples, part: slice, ids: Array, counts: Array, edges: Array) -> Array:
    """The faces `(f, 3) int32` in the cells of `part`; `counts` and `edges` are the tables of `cases`."""
    backend, xp = samples.backend, samples.backend.xp
    cells, cases = samples.cells[part], xp.asarray(samples.cases[part], dtype=xp.int64)
    owners = xp.stack([xp.searchsorted(samples.cells, cells + corner) for corner in samples.grid.corners(1)[:7]])
    owners = xp.clip(owners, None, len(ids) - 1)  # beyond the last where there is no vertex
    vertex = ids[owners[EDGE_STARTS], backend.array(np.arange(12)[:, None] // 4)].T  # (cells, 12)
    turns = backend.array(np.arange(edges.shape[1]))
    drawn = xp.where((turns < counts[cases][:, None]).reshape(-1))[0]  # (f,) of all places (cells, turns)
    cell = drawn // len(turns)
    return vertex[cell[:, None], edges[cases[cell], drawn - cell * len(turns)]]
