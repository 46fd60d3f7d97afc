# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Bridges: components of one object are joined by the thinnest bridge that the grid can hold.

Owns      whether the components belong together, the way of a bridge through the grid, the cells that it adds.
Not here  which components count (`mesh.crumbs`), the surface itself (`extract`).

Where every outline is connected, the model should be one component. What is thinner than a cell can still fall between
the samples: the tip of a tail, a wire with a ball on it. A bridge is a row of nodes, neighbours along the axes, whose
values are made positive. Its way is the cheapest one (E. Dijkstra, "A note on two problems in connexion with graphs",
1959, with buckets for the costs as in R. Dial's algorithm 360, 1969): a step costs 1, and more the farther the field is
below zero, so a bridge lies where the field is nearly positive. It leaves no outline by more than half the diagonal of
a cell's side. Only the nodes that a search reaches are evaluated.
"""

from collections.abc import Callable, Sequence

import mahotas
import numpy as np

from fourview.arrays import Bool, Float, Int
from fourview.mesh.crumbs import worthy_parts
from fourview.mesh.mesh import Mesh
from fourview.notice import Notice
from fourview.progress import Tick, no_tick
from fourview.surface.extract import extract, inside_nodes
from fourview.surface.field import Field
from fourview.surface.grid import Samples
from fourview.surface.octree import Asking, follow
from fourview.views.camera import project
from fourview.views.outline import pieces
from fourview.views.view import View

THICK = 0.5  # of a cell: the value of a bridge's nodes, which makes it at most one cell thick
DEPTH_COST = 8  # added cost of a step for each cell that the field is below zero there
COST_MAX = 255  # of one step
REACH_NODES = 4_000_000  # that one search may reach; components farther away stay separate
BESIDE = 0.71  # cells off an outline up to which a node may carry a bridge: half the diagonal of a cell's side

Allowed = Callable[[Float], Bool]  # points (n, 3): which of them lie within the outlines (n,)


def bridge(
    field: Field, samples: Samples, mesh: Mesh, views: Sequence[View], tick: Tick = no_tick
) -> tuple[Mesh, list[Notice]]:
    """The surface with bridges between its components, if every view's outline is connected; changes the values.

    `mesh` is what `extract` makes of `samples`; `field` has numpy's arrays and is in the frame of the views' cameras.
    """
    part, is_worthy = worthy_parts(mesh)
    if is_worthy.sum() < 2 or any(pieces(view.matte) > 1 for view in views):
        return mesh, []
    part_of = np.empty(len(mesh.vertices), np.int32)
    part_of[mesh.faces] = part[:, None]
    beside = inside_nodes(samples)
    parts = [np.unique(beside[part_of == number]) for number in np.flatnonzero(is_worthy)]
    parts.sort(key=len)  # the smaller one is at the end of the search
    asking = Asking.further(field, samples, tick)
    ways = _join(asking, parts, _within(views, BESIDE * samples.grid.cell))
    if not ways:
        return mesh, []
    nodes = np.unique(np.concatenate(ways))
    around = [nodes - corner for corner in asking.grid.corners(1)]
    cells, cases = follow(asking, [samples.cells, *around], 1, asking.done, asking.done)
    is_crossed = (cases != 0) & (cases != 255)
    finest = max(samples.grid.cells)
    message = (
        f"{len(ways)} of {len(parts)} pieces were not connected, though every outline is; bridges of one cell"
        f" ({1 / finest:.1%} of the longest side) join them, the longest of {max(map(len, ways))} cells"
    )
    notice = Notice("pieces_bridged", message, "octree_resolution")
    return extract(asking.samples(cells[is_crossed], cases[is_crossed]), tick), [notice]


def _join(asking: Asking, parts: list[Int], allowed: Allowed) -> list[Int]:
    """Make bridges between `parts` (flat nodes inside, beside the surface) positive; their ways, nodes `(n,)` each."""
    groups = dict(enumerate(parts))
    ways = []
    for number in range(len(parts) - 1):
        if number not in groups:
            continue
        others = np.sort(np.concatenate([nodes for other, nodes in groups.items() if other != number]))
        way = _cheapest_way(asking, groups[number], others, allowed)
        if way is None:
            continue
        met = next(other for other, nodes in groups.items() if other != number and _is_in(way[-1:], nodes)[0])
        groups[max(number, met)] = np.unique(np.concatenate([groups.pop(number), groups.pop(met), way]))
        asking.flat[way] = np.maximum(asking.flat[way], np.float32(THICK * asking.grid.cell))
        ways.append(way[1:-1])
    return ways


def _within(views: Sequence[View], slack: float) -> Allowed:
    """Whether points lie within all outlines, or at most `slack` outside, box units."""
    reach = []
    for view in views:
        px = view.matte.shape[1] / (2 * view.camera.half_extent[0])  # of a box unit
        away = np.sqrt(mahotas.distance(np.pad(view.matte < 0.5, 1, constant_values=True)))
        reach.append((view.camera, view.matte.shape, away <= slack * px + 0.5))

    def allowed(points: Float) -> Bool:
        inside = np.ones(len(points), bool)
        for camera, (height, width), near in reach:
            column, row = np.floor(project(camera, points, (width, height))[0]).astype(int).T + 1
            inside &= near[row.clip(0, height + 1), column.clip(0, width + 1)]
        return inside

    return allowed


def _cheapest_way(asking: Asking, own: Int, others: Int, allowed: Allowed) -> Int | None:
    """The nodes of the cheapest way from one of `own (n,)` to one of `others (m,)`, ends included; None: too far."""
    moves = [way * stride for stride in asking.grid.strides for way in (-1, 1)]
    came = asking.backend.zeros((len(asking.flat),), "uint8")  # by which of `moves`, from 1; 0: not reached
    waiting: dict[int, list[tuple[Int, int]]] = {0: [(own, len(moves) + 1)]}
    reached = 0
    while waiting and reached < REACH_NODES:
        cost = min(waiting)
        fresh = []
        for nodes, move in waiting.pop(cost):
            nodes = nodes[came[nodes] == 0]
            came[nodes] = move
            fresh.append(nodes)
        nodes = np.concatenate(fresh)
        reached += len(nodes)
        if len(met := nodes[_is_in(nodes, others)]):
            return _back(came, moves, int(met.min()))
        for move, offset in enumerate(moves, 1):
            beside = nodes + offset
            beside = beside[came[beside] == 0]
            beside = beside[allowed(asking.grid.points(asking.grid.ijk(beside), asking.backend))]
            asking.ask_around([(beside, [0])], 1, asking.done, asking.done)
            below = np.maximum(-asking.flat[beside], 0) / asking.grid.cell
            beside, below = beside[np.isfinite(below)], below[np.isfinite(below)]  # without the padding
            costs = cost + 1 + np.minimum(DEPTH_COST * below, COST_MAX).astype(np.int64)
            for value in np.unique(costs).tolist():
                waiting.setdefault(value, []).append((beside[costs == value], move))
    return None


def _back(came: Int, moves: list[int], node: int) -> Int:
    """The nodes along which `node` was reached, from the first to it."""
    way = [node]
    while came[way[-1]] <= len(moves):
        way.append(way[-1] - moves[came[way[-1]] - 1])
    return np.array(way[::-1])


def _is_in(nodes: Int, rising: Int) -> Bool:
    """Which of `nodes (n,)` are among the `rising` ones."""
    at = np.minimum(np.searchsorted(rising, nodes), len(rising) - 1)
    found: Bool = rising[at] == nodes
    return found
