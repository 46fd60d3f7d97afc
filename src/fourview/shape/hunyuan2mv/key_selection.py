# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Points attend only to the tokens that matter in their part of the box: a declared approximation.

Owns      which keys a cell of the box has, and evaluating points cell by cell. Not here: the point decoder (`vae`).

Z. Lai et al., "Unleashing vecset diffusion model for fast shape generation" (FlashVDM), 2025: neighbouring points
attend to the same few tokens, so each part of space keeps the keys with the greatest mean logit over some of its
points. There, the parts and points are those of one call. A `Field` must not depend on the call, so here the cells are
fixed parts of the box, and their points a lattice in each; both are chosen once for each shape.

A value depends on its point alone, to the last bit, if the field is evaluated in tiles: within a cell, points attend in
groups of equal size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from fourview.shape.hunyuan2mv.attention import attend
from fourview.shape.hunyuan2mv.vae import Memory, PointDecoder

CELLS = 6  # along each axis, as officially
PROBES = 4  # points along each axis of a cell, by which its keys are chosen
GROUP = 128  # points; smaller ones waste less at the edge of a cell, larger ones suit the kernels of GPUs


def keys_kept(count: int) -> int:
    """How many of `count` keys a cell keeps, as officially."""
    return {3072: 1024, 512: 256}.get(count, max(count // 3, 1))


class KeySelection:
    """Logits at points: those of `decoder`, without the keys left out."""

    def __init__(self, decoder: PointDecoder, memory: Memory, half: float) -> None:
        """`memory` of one shape; its box reaches from -half to half along each axis."""
        self.decoder, self.half = decoder, half
        self.keys, self.values = memory.keys[0], memory.values[0]  # (heads, n, d)
        count = CELLS * PROBES
        axis = ((torch.arange(count, device=self.keys.device) + 0.5) / count * 2 - 1) * half
        probes = torch.cartesian_prod(axis, axis, axis)
        _, order = self._cells(probes).sort(stable=True)
        queries = decoder.queries(decoder.rows(probes[order].view(CELLS**3, -1, 3)))  # (cells, heads, probes, d)
        logits = queries.mean(dim=2).transpose(0, 1) @ self.keys.mT  # (heads, cells, n)
        self.chosen = logits.topk(keys_kept(logits.shape[-1])).indices.sort().values  # (heads, cells, kept)

    def __call__(self, points: Tensor) -> Tensor:
        """`(p, 3) -> (p,)`."""
        rows = self.decoder.rows(points[None])
        queries = self.decoder.queries(rows)[0]  # (heads, p, d)
        attended = torch.empty_like(queries)
        cells, order = self._cells(points).sort(stable=True)
        start = 0
        for cell, count in zip(*(x.tolist() for x in cells.unique_consecutive(return_counts=True)), strict=True):
            places = order[start : start + count]
            attended[:, places] = self._attend(queries[:, places], cell)
            start += count
        return self.decoder.logits(rows, attended[None])[0]

    def _attend(self, queries: Tensor, cell: int) -> Tensor:
        """Attention of `queries (heads, p, d)` of points in `cell`, the same shape."""
        count = queries.shape[1]
        groups = -(-count // GROUP)
        padded = F.pad(queries, (0, 0, 0, groups * GROUP - count)).unflatten(1, (groups, GROUP)).transpose(0, 1)
        chosen = self.chosen[:, cell, :, None].expand(-1, -1, queries.shape[-1])
        k, v = (x.gather(1, chosen).expand(groups, -1, -1, -1) for x in (self.keys, self.values))
        return attend(padded, k, v).transpose(0, 1).flatten(1, 2)[:, :count]

    def _cells(self, points: Tensor) -> Tensor:
        """The number of the cell of each of `points (p, 3)`, `(p,)`; x counts most."""
        i, j, k = ((points / self.half + 1) / 2 * CELLS).long().clamp(0, CELLS - 1).unbind(-1)
        return (i * CELLS + j) * CELLS + k
