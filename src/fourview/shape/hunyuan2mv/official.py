# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The grids of the official code: at which points a shape is asked, of which tokens, and where its vertices go.

Owns      the three official volume decoders and the official way from grid to box, for `compat="official"` and parity.
Not here  the house's own grid, which keeps the resolution it was asked for (`surface/`), and the answers (`vae`).

    vanilla       every point
    hierarchical  every point of a coarse grid; of each finer one, twice as fine, only points near a change of sign
    flashvdm      the same; and points that lie together attend to those keys only that a few of them look at most

The last one is that of Z. Lai et al., "Unleashing vecset diffusion model for fast shape generation" (FlashVDM), 2025.
Its blocks need a number of points that 4 divides, so its grid often has fewer cells than were asked for: 252 for 256.
All grids are `float32`, NaN where nothing was asked. The official faults that give nonsense are not here: points of the
finer grids are where they belong, sorting is stable, coordinates are never rounded to half precision.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fourview.arrays import Float
from fourview.errors import SurfaceError
from fourview.progress import Tick, no_tick
from fourview.shape.hunyuan2mv.attention import attend
from fourview.shape.hunyuan2mv.key_selection import keys_kept
from fourview.shape.hunyuan2mv.vae import Memory, PointDecoder
from fourview.surface.field import Field

Bounds = float | Sequence[float]  # half the side of a cube, or the least x y z and the greatest x y z
Select = Callable[[Tensor], Memory]  # queries (b, heads, p, d) that lie together -> what they attend to

COARSEST = 63  # cells along a side that the first grid has at least
UNSURE = 0.95  # a logit smaller than this is looked at more closely, whatever its sign
BLOCKS = 4  # a side, into which the first grid is cut
CELLS = 6 - 0.001  # a side, into which the points of later grids are sorted; the last point still falls into the last
NOTICED = 1e-6  # share of a query's attention above which "merge" keeps a key


def vanilla(
    decoder: PointDecoder, memory: Memory, octree_resolution: int, bounds: Bounds, num_chunks: int, tick: Tick = no_tick
) -> Tensor:
    """Logits `(r + 1, r + 1, r + 1)`."""
    points = lattice(bounds, octree_resolution).to(memory.keys.device)
    return _chunk_by_chunk(decoder, memory, points.flatten(0, 2), num_chunks, tick).view(points.shape[:3])


def hierarchical(
    decoder: PointDecoder,
    memory: Memory,
    octree_resolution: int,
    bounds: Bounds,
    num_chunks: int,
    level: float = 0.0,
    min_resolution: int = COARSEST,
    tick: Tick = no_tick,
) -> Tensor:
    """Logits `(r + 1, r + 1, r + 1)`; raises `SurfaceError` where the coarse grid shows no surface."""

    def ask(points: Tensor, tick: Tick) -> Tensor:
        return _chunk_by_chunk(decoder, memory, points, num_chunks, tick)

    def ask_all(points: Tensor, tick: Tick) -> Tensor:
        return ask(points.flatten(0, 2), tick).view(points.shape[:3])

    return _coarse_to_fine(
        ask_all, ask, halvings(octree_resolution, min_resolution), bounds, level, memory.keys.device, tick
    )


def flashvdm(
    decoder: PointDecoder,
    memory: Memory,
    octree_resolution: int,
    bounds: Bounds,
    num_chunks: int,
    level: float = 0.0,
    min_resolution: int = COARSEST,
    selection: Literal["mean", "merge"] = "mean",
    tick: Tick = no_tick,
) -> Tensor:
    """Logits `(l + 1, l + 1, l + 1)`, l the last of `flash_halvings`; the first grid always selects by "mean".

    Raises `SurfaceError` where the coarse grid shows no surface.
    """
    keep = keys_kept(memory.keys.shape[2])

    def select(queries: Tensor) -> Memory:
        if selection == "merge":
            return noticed(queries[:, :, ::30], memory)
        return strongest(queries[:, :, ::50], memory, keep)

    def ask_all(points: Tensor, tick: Tick) -> Tensor:
        return _block_by_block(decoder, lambda q: strongest(q[:, :, ::100], memory, keep), points, num_chunks, tick)

    def ask(points: Tensor, tick: Tick) -> Tensor:
        return _group_by_group(decoder, select, points, num_chunks, tick)

    return _coarse_to_fine(
        ask_all, ask, flash_halvings(octree_resolution, min_resolution), bounds, level, memory.keys.device, tick
    )


def mapped(vertices: Float, octree_resolution: int, bounds: Bounds) -> Float:
    """Vertices `(v, 3)` counted in cells -> box units float32, as official code does it.

    It divides by one more than the resolution that was asked for, whatever the grid has: shapes come out a little
    smaller than they are, and towards the least corner.
    """
    low, sides = box(bounds)
    return (vertices / (octree_resolution + 1) * sides + low).astype(np.float32)


def as_field(values: Tensor, octree_resolution: int, bounds: Bounds, level: float = 0.0) -> Field:
    """A field that holds an official grid `(l + 1, l + 1, l + 1)`, in the place that `mapped` gives it.

    It may only be asked at the nodes of a grid of `octree_resolution` cells over its bounds, as `surface/` asks. Points
    that were not asked for lie beside ones of their own sign, which they get; beyond the grid is outside.
    """
    low, sides = box(bounds)
    cells = octree_resolution + 1  # the official error
    known = ~values.isnan()
    places = torch.arange(values.shape[2], device=values.device).where(known, 0).cummax(dim=2).values
    outside = -1.0
    signed = torch.where(known.cummax(dim=2).values, values.gather(2, places) - level, outside)  # along z from outside
    origin, size = (torch.tensor(part, dtype=torch.float32, device=values.device) for part in (low, sides / cells))

    def value(points: Tensor) -> Tensor:
        nodes = ((points - origin) / size).round().long()
        is_beyond = (nodes >= len(values)).any(dim=1)
        i, j, k = nodes.clamp_max(len(values) - 1).unbind(dim=1)
        return torch.where(is_beyond, outside, signed[i, j, k])

    corners = np.stack([low, low + sides * octree_resolution / cells])
    return Field(value, corners, xp=torch, device=values.device)


def box(bounds: Bounds) -> tuple[Float, Float]:
    """The least corner `(3,)` and the sides `(3,)`."""
    corners = np.array([[-1.0] * 3, [1.0] * 3]) * bounds if np.ndim(bounds) == 0 else np.reshape(bounds, (2, 3))
    return corners[0], corners[1] - corners[0]


def lattice(bounds: Bounds, cells: int) -> Tensor:
    """Points of the grid, both ends of each side among them, `(cells + 1, cells + 1, cells + 1, 3) float32`."""
    low, sides = box(bounds)
    axes = [
        torch.linspace(a, a + side, cells + 1, dtype=torch.float64).float() for a, side in zip(low, sides, strict=True)
    ]
    return torch.stack(torch.meshgrid(axes, indexing="ij"), dim=-1)


def halvings(octree_resolution: int, min_resolution: int = COARSEST) -> list[int]:
    """Cells a side of each grid, the coarsest first, which has at least `min_resolution` if the last one does."""
    sizes = [octree_resolution]
    while sizes[0] // 2 >= min_resolution:
        sizes.insert(0, sizes[0] // 2)
    return sizes


def flash_halvings(octree_resolution: int, min_resolution: int = COARSEST) -> list[int]:
    """The same for `flashvdm`: the coarsest has a number of points that 4 divides, the others follow it."""
    sizes = halvings(octree_resolution, min_resolution)
    first = round(sizes[0] / BLOCKS) * BLOCKS - 1
    return [first * 2**step for step in range(len(sizes))]


def _coarse_to_fine(
    ask_all: Callable[[Tensor, Tick], Tensor],
    ask: Callable[[Tensor, Tick], Tensor],
    sizes: list[int],
    bounds: Bounds,
    level: float,
    device: torch.device,
    tick: Tick,
) -> Tensor:
    """`ask_all` maps a lattice `(s, s, s, 3)` to logits `(s, s, s)`, `ask` points `(n, 3)` to logits `(n,)`."""
    low, sides = (torch.tensor(part, dtype=torch.float32, device=device) for part in box(bounds))
    values = ask_all(lattice(bounds, sizes[0]).to(device), _share(tick, 0, len(sizes)))
    known = torch.ones_like(values, dtype=torch.bool)
    for step, cells in enumerate(sizes[1:], 1):
        is_last = step == len(sizes) - 1
        active = near_surface(values, known, level) | (known & (values.abs() < UNSURE))
        if not active.any():
            raise SurfaceError(
                f"the field has no surface: of {int(known.sum()):,} points on a grid of {sizes[step - 1]} cells a side "
                "none has a neighbour on the other side; at least one must: check the pictures, or try another seed"
            )
        if not is_last:
            active = dilated(active)
        known = torch.zeros([cells + 1] * 3, dtype=torch.bool, device=device)
        known[::2, ::2, ::2] = active
        for _ in range(2 if is_last else 1):
            known = dilated(known)
        points = known.nonzero() * (sides / cells) + low
        values = torch.zeros(known.shape, device=device)
        values[known] = ask(points, _share(tick, step, len(sizes)))
    return values.masked_fill(~known, torch.nan)


def near_surface(values: Tensor, known: Tensor, level: float) -> Tensor:
    """Which points of a grid `(x, y, z)` have a neighbour of another sign, `(x, y, z) bool`; `known` ones only.

    Zero is a sign of its own. That `level` is added, not taken away, is official.
    """
    sign = (values + level).sign()
    near = torch.zeros_like(known)
    for axis, size in enumerate(values.shape):
        (a, b), (known_a, known_b), (near_a, near_b) = (
            (x.narrow(axis, 0, size - 1), x.narrow(axis, 1, size - 1)) for x in (sign, known, near)
        )
        differ = (a != b) & known_a & known_b
        near_a |= differ
        near_b |= differ
    return near


def dilated(mask: Tensor) -> Tensor:
    """`mask (x, y, z)` and the 26 neighbours of what is set in it."""
    for axis, size in enumerate(mask.shape):
        wider = mask.clone()
        wider.narrow(axis, 1, size - 1).logical_or_(mask.narrow(axis, 0, size - 1))
        wider.narrow(axis, 0, size - 1).logical_or_(mask.narrow(axis, 1, size - 1))
        mask = wider
    return mask


def strongest(queries: Tensor, memory: Memory, keep: int) -> Memory:
    """For each head the `keep` keys that `queries (b, heads, p, d)` agree with most on the average."""
    agreement = (queries @ memory.keys.mT).mean(dim=2)  # (b, heads, n)
    chosen = agreement.topk(min(keep, agreement.shape[-1])).indices[..., None]
    return Memory(*(x.take_along_dim(chosen, dim=2) for x in (memory.keys, memory.values)))


def noticed(queries: Tensor, memory: Memory) -> Memory:
    """For all heads the keys that one of `queries (1, heads, p, d)` notices, as the heads see it together."""
    shares = (queries @ memory.keys.mT).softmax(dim=-1).mean(dim=1)  # (1, p, n)
    chosen = (shares > NOTICED).any(dim=1)[0]
    return Memory(memory.keys[:, :, chosen], memory.values[:, :, chosen])


def cells_of(points: Tensor) -> Tensor:
    """In which of 6 x 6 x 6 cells of their common box the points `(n, 3)` lie, `(n,)`, z fastest."""
    low, high = points.amin(dim=0), points.amax(dim=0)
    x, y, z = ((points - low) / (high - low) * CELLS).floor().long().unbind(dim=1)
    return 36 * x + 6 * y + z


def calls(sizes: Sequence[int], num_chunks: int) -> Iterator[list[int]]:
    """Groups of these sizes, put together as long as they stay below `num_chunks` points; a group is never cut."""
    together: list[int] = []
    for size in sizes:
        if together and sum(together) + size >= num_chunks:
            yield together
            together = []
        together.append(size)
    yield together


def _chunk_by_chunk(decoder: PointDecoder, memory: Memory, points: Tensor, num_chunks: int, tick: Tick) -> Tensor:
    """Logits `(n,)` at `points (n, 3)`."""
    values = []
    for start in range(0, len(points), num_chunks):
        tick(start / len(points))
        values.append(decoder(points[None, start : start + num_chunks], memory)[0].float())
    return torch.cat(values)


def _block_by_block(decoder: PointDecoder, select: Select, points: Tensor, num_chunks: int, tick: Tick) -> Tensor:
    """Logits `(s, s, s)` on a lattice `(s, s, s, 3)`, cut into 4 x 4 x 4 blocks."""
    m = len(points) // BLOCKS
    blocks = points.view(BLOCKS, m, BLOCKS, m, BLOCKS, m, 3).permute(0, 2, 4, 1, 3, 5, 6).reshape(-1, m**3, 3)
    at_once = max(num_chunks // m**3, 1)
    values = []
    for start in range(0, len(blocks), at_once):
        tick(start / len(blocks))
        rows = decoder.rows(blocks[start : start + at_once])
        values.append(decoder.logits(rows, _attend_selected(decoder.queries(rows), select)).float())
    return torch.cat(values).view(BLOCKS, BLOCKS, BLOCKS, m, m, m).permute(0, 3, 1, 4, 2, 5).reshape(points.shape[:3])


def _group_by_group(decoder: PointDecoder, select: Select, points: Tensor, num_chunks: int, tick: Tick) -> Tensor:
    """Logits `(n,)` at `points (n, 3)`, those of a cell together."""
    cells, order = cells_of(points).sort(stable=True)
    sizes = cells.unique_consecutive(return_counts=True)[1].tolist()
    values = torch.empty(len(points), device=points.device)
    start = 0
    for together in calls(sizes, num_chunks):
        tick(start / len(points))
        members = order[start : start + sum(together)]
        start += len(members)
        rows = decoder.rows(points[None, members])
        attended = [_attend_selected(group, select) for group in decoder.queries(rows).split(together, dim=2)]
        values[members] = decoder.logits(rows, torch.cat(attended, dim=2))[0].float()
    return values


def _attend_selected(queries: Tensor, select: Select) -> Tensor:
    memory = select(queries)
    return attend(queries, memory.keys, memory.values)


def _share(tick: Tick, step: int, steps: int) -> Tick:
    """The tick of one step of several."""
    return lambda done: tick((step + done) / steps)
