# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Ways of the official code that no part of `fourview` takes; its recordings are compared with them.

Owns      the hierarchical grid, FlashVDM's selection "merge", the place of a grid's vertices in the box.
Not here  the two grids that `Hunyuan2mv(compat=...)` takes (`fourview.shape.hunyuan2mv.official`).
"""

import numpy as np

from fourview.progress import no_tick
from fourview.shape.hunyuan2mv.official import COARSEST, box, chunk_by_chunk, coarse_to_fine, flashvdm, halvings
from fourview.shape.hunyuan2mv.vae import Memory

NOTICED = 1e-6  # share of a query's attention above which "merge" keeps a key


def hierarchical(
    decoder, memory, octree_resolution, bounds, num_chunks, level=0.0, min_resolution=COARSEST, tick=no_tick
):
    """Every point of a coarse grid; of each finer one only points near a change of sign. `(r + 1, r + 1, r + 1)`."""

    def ask(points, tick):
        return chunk_by_chunk(decoder, memory, points, num_chunks, tick)

    def ask_all(points, tick):
        return ask(points.flatten(0, 2), tick).view(points.shape[:3])

    sizes = halvings(octree_resolution, min_resolution)
    return coarse_to_fine(ask_all, ask, sizes, bounds, level, memory.keys.device, tick)


def flash(decoder, memory, *grid, selection="mean", **options):
    """`flashvdm` with the keys of the finer grids selected by "mean", which is its own way, or by "merge"."""
    merge = {"select": lambda queries: noticed(queries[:, :, ::30], memory)} if selection == "merge" else {}
    return flashvdm(decoder, memory, *grid, **options, **merge)


def noticed(queries, memory):
    """For all heads the keys that get attention from one of `queries (1, heads, p, d)`, averaged over the heads."""
    shares = (queries @ memory.keys.mT).softmax(dim=-1).mean(dim=1)  # (1, p, n)
    chosen = (shares > NOTICED).any(dim=1)[0]
    return Memory(memory.keys[:, :, chosen], memory.values[:, :, chosen])


def mapped(vertices, octree_resolution, bounds):
    """Vertices `(v, 3)` counted in cells -> box units float32.

    The official code divides by one more than the resolution that was asked for, whatever the grid has: shapes come
    out a little too small, and shifted towards the least corner. `official.as_field` does the same to a field.
    """
    low, sides = box(bounds)
    return (vertices / (octree_resolution + 1) * sides + low).astype(np.float32)
