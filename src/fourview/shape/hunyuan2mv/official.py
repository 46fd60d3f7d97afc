# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The grids of the official code, for comparisons: which points they evaluate, and where they place the surface.

Owns      the two grids of `Hunyuan2mv(compat=...)`, `vanilla` and `flashvdm`, and the field that one of them becomes.
Not here  our own grid, which keeps the resolution that was asked for (`surface/`); logits at points (`vae`).

    vanilla   every point of the grid
    flashvdm  every point of a coarse grid; of each finer one, twice as fine, only points near a change of sign. Points
              that lie together attend only to the keys that a few of them agree with most

FlashVDM: Z. Lai et al., "Unleashing vecset diffusion model for fast shape generation", 2025. Its blocks need a number
of points that 4 divides, so its grid often has fewer cells than were asked for: 252 for 256. All grids are `float32`,
NaN where a point was not evaluated. Three faults of the official code are mended here, because they give nonsense:
points of the finer grids are where they belong, sorting is stable, coordinates are never rounded to half precision.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from fourview.arrays import Float
from fourview.errors import SurfaceError
from fourview.progress import Tick, no_tick, part
from fourview.shape.hunyuan2mv.attention import attend
from fourview.shape.hunyuan2mv.key_selection import keys_kept
from fourview.shape.hunyuan2mv.vae import Memory, PointDecoder
from fourview.surface.field import Field

Bounds = float | Sequence[float]  # half the side of a cube, or the least x y z and the greatest x y z
Select = Callable[[Tensor], Memory]  # queries (b, heads, p, d) that lie together -> what they attend to

# All of these are the official code's.
COARSEST = 63  # least number of cells along a side of the first grid
UNSURE = 0.95  # logits smaller than this are refined on the next grid, whatever their sign
BLOCKS = 4  # along a side, into which the first grid is cut
CELLS = 6 - 0.001  # along a side, into which points of finer grids are sorted; a little less keeps the last point in


def vanilla(
    decoder: PointDecoder, memory: Memory, octree_resolution: int, bounds: Bounds, num_chunks: int, tick: Tick = no_tick
) -> Tensor:
    """Logits `(r + 1, r + 1, r + 1)`."""
    points = lattice(bounds, octree_resolution).to(memory.keys.device)
    return chunk_by_chunk(decoder, memory, points.flatten(0, 2), num_chunks, tick).view(points.shape[:3])


def flashvdm(
    decoder: PointDecoder,
    memory: Memory,
    octree_resolution: int,
    bounds: Bounds,
    num_chunks: int,
    level: float = 0.0,
    min_resolution: int = COARSEST,
    tick: Tick = no_tick,
    select: Select | None = None,
) -> Tensor:
    """Logits `(l + 1, l + 1, l + 1)`, l the last of `flash_halvings`.

    `select` chooses the keys of the finer grids; None: the `strongest` ones, as the first grid always does. Raises
    `SurfaceError` where the coarse grid shows no surface.
    """
    keep = keys_kept(memory.keys.shape[2])
    finer = select or (lambda queries: strongest(queries[:, :, ::50], memory, keep))

    def ask_all(points: Tensor, tick: Tick) -> Tensor:
        return _block_by_block(decoder, lambda q: strongest(q[:, :, ::100], memory, keep), points, num_chunks, tick)

    def ask(points: Tensor, tick: Tick) -> Tensor:
        return _group_by_group(decoder, finer, points, num_chunks, tick)

    return coarse_to_fine(
        ask_all, ask, flash_halvings(octree_resolution, min_resolution), bounds, level, memory.keys.device, tick
    )


def as_field(values: Tensor, octree_resolution: int, bounds: Bounds, level: float = 0.0) -> Field:
    """A field that holds an official grid `(l + 1, l + 1, l + 1)`, where the official code places it.

    It can be evaluated only at the nodes of a grid of `octree_resolution` cells over its bounds, as `surface/` does.
    A node that the grid left out gets the sign of the node before it along z; beyond the grid is outside.
    """
    low, sides = box(bounds)
    cells = octree_resolution + 1  # the official code divides by one too many: its shapes are a little too small
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
    """Points of the grid, both ends of each side included, `(cells + 1, cells + 1, cells + 1, 3) float32`."""
    low, sides = box(bounds)
    axes = [
        torch.linspace(a, a + side, cells + 1, dtype=torch.float64).float() for a, side in zip(low, sides, strict=True)
    ]
    return torch.stack(torch.meshgrid(axes, indexing="ij"), dim=-1)


def halvings(octree_resolution: int, min_resolution: int = COARSEST) -> list[int]:
    """Cells along a side of each grid, the coarsest first; it has at least `min_resolution` if the last one does."""
    sizes = [octree_resolution]
    while sizes[0] // 2 >= min_resolution:
        sizes.insert(0, sizes[0] // 2)
    return sizes


def flash_halvings(octree_resolution: int, min_resolution: int = COARSEST) -> list[int]:
    """The same for `flashvdm`: the number of points of the coarsest is a multiple of 4, each next grid doubles it."""
    sizes = halvings(octree_resolution, min_resolution)
    first = round(sizes[0] / BLOCKS) * BLOCKS - 1
    return [first * 2**step for step in range(len(sizes))]


def coarse_to_fine(
    ask_all: Callable[[Tensor, Tick], Tensor],
    ask: Callable[[Tensor, Tick], Tensor],
    sizes: list[int],
    bounds: Bounds,
    level: float,
    device: torch.device,
    tick: Tick,
) -> Tensor:
    """Logits of the finest grid `(s, s, s)`, NaN away from the surface.

    `ask_all` maps a lattice `(s, s, s, 3)` to logits `(s, s, s)`, `ask` points `(n, 3)` to logits `(n,)`.
    """
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
    """Which points of a grid `(x, y, z)` have a neighbour of another sign, `(x, y, z) bool`; `known` points only.

    Zero is a sign of its own. The official code adds `level` where it should subtract it; so does this.
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
    """`mask (x, y, z)`, with the 26 neighbours of each point that is set."""
    for axis, size in enumerate(mask.shape):
        wider = mask.clone()
        wider.narrow(axis, 1, size - 1).logical_or_(mask.narrow(axis, 0, size - 1))
        wider.narrow(axis, 0, size - 1).logical_or_(mask.narrow(axis, 1, size - 1))
        mask = wider
    return mask


def strongest(queries: Tensor, memory: Memory, keep: int) -> Memory:
    """For each head the `keep` keys with the greatest mean logit over `queries (b, heads, p, d)`."""
    agreement = (queries @ memory.keys.mT).mean(dim=2)  # (b, heads, n)
    chosen = agreement.topk(min(keep, agreement.shape[-1])).indices[..., None]
    return Memory(*(x.take_along_dim(chosen, dim=2) for x in (memory.keys, memory.values)))


def cells_of(points: Tensor) -> Tensor:
    """The cell of each of the points `(n, 3)` among 6 x 6 x 6 cells of their bounding box, `(n,)`, z fastest."""
    low, high = points.amin(dim=0), points.amax(dim=0)
    x, y, z = ((points - low) / (high - low) * CELLS).floor().long().unbind(dim=1)
    return 36 * x + 6 * y + z


def calls(sizes: Sequence[int], num_chunks: int) -> Iterator[list[int]]:
    """Groups of these sizes, joined while their sum stays below `num_chunks` points; a group is never split."""
    together: list[int] = []
    for size in sizes:
        if together and sum(together) + size >= num_chunks:
            yield together
            together = []
        together.append(size)
    yield together


def chunk_by_chunk(decoder: PointDecoder, memory: Memory, points: Tensor, num_chunks: int, tick: Tick) -> Tensor:
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
    """Logits `(n,)` at `points (n, 3)`; the points of one cell share their keys."""
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
    return part(tick, step / steps, (step + 1) / steps)
