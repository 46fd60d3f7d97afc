"""The surface between the samples: marching cubes on the blocks that it passes through.

Owns      where on an edge a vertex lies, and the numbering of vertices and faces.
Not here  which triangles a cell gets, and why the result is 2-manifold (`cases`); which samples exist (`octree`).

One vertex on every edge of the grid whose ends differ, placed by linear interpolation, but never nearer to an end
than `MARGIN`: vertices on different edges then have different positions, also in float32, and merging those at one
position changes nothing. Every block owns the 24 edges that start at its first 2 x 2 x 2 nodes.
"""

import math

import numpy as np

from fourview.arrays import Bool, Float, Int
from fourview.mesh.mesh import Mesh
from fourview.progress import Tick, no_tick
from fourview.surface.cases import CORNERS, EDGE_STARTS, triangles
from fourview.surface.grid import MARGIN, Samples

BLOCKS_A_PASS = 16_384  # tables of one pass stay in the cache: about 5 MiB
LARGEST = float(np.finfo(np.float32).max)  # stands for infinity where one is interpolated

_BITS = np.array([9, 3, 1])  # from a node of a block to the next along each axis, in bits of its signs
_OWNED = CORNERS @ _BITS  # (8,) bits of the nodes whose edges a block owns
_CORNERS = _OWNED[:, None] + _OWNED  # (8, 8) bits of the corners of each of a block's 8 cells
# Where in a block's 8 cells the 12 edges start, 0..2 along each axis; that block of the 2 x 2 x 2 from here on which
# owns the edge, and its place among the 24 edges there.
_STARTS = CORNERS[:, None] + CORNERS[EDGE_STARTS]  # (8, 12, 3)
_OWNER = _STARTS // 2 @ [4, 2, 1]  # (8, 12)
_SLOT = _STARTS % 2 @ [4, 2, 1] * 3 + np.arange(12) // 4  # (8, 12)


def extract(samples: Samples, tick: Tick = no_tick) -> Mesh:
    """The surface where the field is 0, box units; closed, 2-manifold, counter-clockwise seen from outside."""
    count = len(samples.blocks)
    passes = [slice(start, start + BLOCKS_A_PASS) for start in range(0, count, BLOCKS_A_PASS)]
    ids = np.empty((count, 24), np.int32)  # of the vertices on the edges of each block
    vertices, faces = [], []
    known = 0
    for done, part in enumerate(passes):
        tick(0.4 * done / len(passes))
        is_crossed = _crossed(samples.signs[part])
        ids[part] = np.cumsum(is_crossed, dtype=np.int32).reshape(-1, 24) + (known - 1)
        vertices.append(_vertices(samples, samples.blocks[part], np.flatnonzero(is_crossed)))
        known += len(vertices[-1])
    # One layer more than there are blocks: the neighbours of the last are looked up too, though nothing is in them.
    row_of_block = np.zeros(math.prod(np.add(samples.grid.block_shape(1), 1)), np.int32)
    row_of_block[samples.blocks] = np.arange(count, dtype=np.int32)
    for done, part in enumerate(passes):
        tick(0.4 + 0.6 * done / len(passes))
        faces.append(_faces(samples, part, row_of_block, ids.reshape(-1)))
    return Mesh(np.concatenate(vertices), np.concatenate(faces))


def _crossed(signs: Int) -> Bool:
    """`(n, 24) bool`: which of a block's edges, three for each of its nodes, have ends of different sign."""
    is_crossed = np.empty((len(signs), 8, 3), bool)
    for axis, bits in enumerate(_BITS):
        differs = signs ^ (signs >> np.uint32(bits))
        for node, bit in enumerate(_OWNED):
            is_crossed[:, node, axis] = differs & np.uint32(1 << bit)
    return is_crossed.reshape(-1, 24)


def _vertices(samples: Samples, blocks: Int, edges: Int) -> Float:
    """Positions `(v, 3) float32` of the vertices on `edges (v,)`, flat numbers in a table of 24 a block."""
    grid, values = samples.grid, samples.values.reshape(-1)
    block, node, axis = edges // 24, edges % 24 // 3, edges % 3
    start = grid.first_nodes(blocks, 1)[block] + (CORNERS @ grid.strides)[node]
    a, b = (np.clip(values[at], -LARGEST, LARGEST).astype(np.float64) for at in (start, start + grid.strides[axis]))
    place = np.stack(np.unravel_index(blocks, grid.block_shape(1)), axis=1)[block] * 2.0 + CORNERS[node]  # (v, 3)
    place[np.arange(len(edges)), axis] += np.clip(a / (a - b), MARGIN, 1 - MARGIN)
    return grid.points(place)


def _faces(samples: Samples, part: slice, row_of_block: Int, ids: Int) -> Int:
    """The faces `(f, 3) int32` in the blocks of `part`."""
    blocks, signs = samples.blocks[part], samples.signs[part]
    cases = np.zeros((len(blocks), 8), np.uint8)
    for cell, bits in enumerate(_CORNERS):
        for corner, bit in enumerate(bits):
            cases[:, cell] |= ((signs >> np.uint32(bit) & np.uint32(1)) << np.uint32(corner)).astype(np.uint8)
    case = cases.ravel()  # (n,) of every cell, 8 a block
    counts, edges = triangles()
    count = counts[case]
    home = np.repeat(np.arange(len(case)), count)  # (f,) the cell of each face
    turn = np.arange(len(home)) - np.repeat(np.cumsum(count) - count, count)  # (f,) 0, 1, .. within its cell
    edge = edges[case[home], turn]  # (f, 3)
    block, place = home[:, None] // 8, home[:, None] % 8
    shape = samples.grid.block_shape(1)
    owners = blocks[:, None] + CORNERS @ [shape[1] * shape[2], shape[2], 1]  # (blocks, 8)
    faces: Int = ids[row_of_block[owners][block, _OWNER[place, edge]] * 24 + _SLOT[place, edge]]
    return faces
