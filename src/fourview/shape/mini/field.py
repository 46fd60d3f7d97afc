# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The network's second half: its corrections become a field.

Owns      correct.onnx, the lattice on which it is run, the field near the surface and far from it, the field's box.
Not here  the rows that points look up (`encoder`).

The network runs once, on a lattice as fine as its maps. Between the nodes its corrections are interpolated, because
right corrections are smooth: fine detail of the surface is in the hull's parts, and fine detail of the corrections is
mostly noise. They remove nothing that an outline shows. The network knows distances up to one truncation. Farther away
the hull's distance is used: values are multiplied by the hull's where that is more than 1. Signs are the network's.
"""

from dataclasses import replace
from itertools import product
from typing import Any

import mahotas
import numpy as np

from fourview.arrays import Float
from fourview.progress import Tick, no_tick
from fourview.shape.hull import Hull
from fourview.shape.mini.encoder import Rows
from fourview.shape.mini.frame import CELLS, LIMIT, TRUNCATION, cells, hull_parts
from fourview.surface.field import Field

TILE = 8192  # points of a call: the graph's shapes are fixed
NODES = 64  # of the lattice, along each axis
THIN = 0.9  # greatest correction of the body, as a share of how far the point lies within the outlines
# Where an outline would lose a pixel: KEPT is the share of the hull's greatest value along the ray that is kept, FLOOR
# the most that is kept, truncations; values less than the greatest by up to ALIKE truncations are kept with it.
KEPT, FLOOR, ALIKE = 0.8, 0.1, 0.3
BESIDE = 0.25  # truncations from an outline up to which a ray counts as inside it
FAR = 1.5  # truncations outside the hull from which nothing is added
EDGE = 0.06  # distance from the box of the outlines from which corrections count in full: an object's tips fix its size


def corrected(session: Any, rows: Rows, hull: Hull, fill: float, is_deep_known: bool, tick: Tick = no_tick) -> Field:
    """The field of `hull` as the network corrects it."""
    lattice = _lattice(session, rows, hull, fill, is_deep_known, tick)
    box = hull.box * np.float32(fill)
    if not is_deep_known:
        box[:, 2] = -np.inf, np.inf

    def value(points: Float) -> Float:
        asked = points * np.float32(fill)
        parts = hull_parts(hull, asked, fill)
        least = np.minimum(*parts.T)
        more = _interpolated(lattice, np.clip(asked, -1, 1)) * (least > -LIMIT)[:, None]
        more = _limited(more, parts) * _away_from(box, asked)[:, None]  # again: limbs are finer than the lattice
        near: Float = np.minimum(*(np.clip(parts, -1, 1) + more).T)
        near *= np.maximum(np.abs(least), 1) * np.float32(TRUNCATION / fill)
        return near

    field = Field(value, hull.bounds)
    return field if is_deep_known else replace(field, bounds=_deepened(field, fill))


def _lattice(session: Any, rows: Rows, hull: Hull, fill: float, is_deep_known: bool, tick: Tick) -> Float:
    """The corrections of the parts, `(NODES, NODES, NODES, 2)` over x, y, z, smoothed over each node's neighbours."""
    at = (np.arange(NODES, dtype=np.float32) + 0.5) * np.float32(2 / NODES) - 1
    points = np.stack(np.meshgrid(at, at, at, indexing="ij"), axis=-1).reshape(-1, 3)
    parts = np.clip(hull_parts(hull, points, fill), -LIMIT, LIMIT)
    asks = np.flatnonzero(parts.min(axis=1) > -LIMIT)
    more = np.zeros((len(points), 3), np.float32)  # the third channel: whether the network was run there
    more[asks, 2] = 1
    for start in range(0, len(asks), TILE):
        some = asks[np.minimum(np.arange(start, start + TILE), len(asks) - 1)]
        more[some, :2] = session.run(None, {**rows, "points": points[some], "hull": parts[some]})[0]
        tick(min((start + TILE) / len(asks), 1.0))
    smooth: Float = more.reshape(NODES, NODES, NODES, 3)
    for axis in range(3):
        padded = np.pad(smooth, [(int(axis == k),) * 2 for k in range(4)], mode="edge")
        before, after = (np.take(padded, np.arange(k, k + NODES), axis=axis) for k in (0, 2))
        smooth = smooth / 2 + (before + after) / 4
    wanted = smooth[..., :2] / np.maximum(smooth[..., 2:], np.float32(1e-6))
    parts = parts.reshape(wanted.shape)
    return _filled(_rooted(_limited(wanted, parts), parts), parts, axes=(2, 0) if is_deep_known else (2,))


def _limited(more: Float, parts: Float) -> Float:
    """Corrections `(.., 2)` with that of the body limited, because the body is thin where it meets the outlines."""
    most = np.maximum(np.float32(THIN) * parts[..., 0], 0)
    return np.stack([more[..., 0], np.clip(more[..., 1], -most, most)], axis=-1)


def _rooted(more: Float, parts: Float) -> Float:
    """Corrections without what they would add far from the hull, or as components that do not touch it."""
    more = np.where(parts.min(axis=-1, keepdims=True) < -FAR, np.minimum(more, 0), more)
    labels, _ = mahotas.label((np.clip(parts, -1, 1) + more).min(axis=-1) > 0)
    is_loose = (labels > 0) & ~np.isin(labels, labels[parts.min(axis=-1) > 0])
    return np.where(is_loose[..., None], np.minimum(more, 0), more)


def _away_from(box: Float, points: Float) -> Float:
    """From 0 on the faces of `box (2, 3)` and outside to 1 where a point `(n, 3)` is EDGE away from all, `(n,)`."""
    share: Float = np.clip(np.minimum(points - box[0], box[1] - points).min(axis=1) / np.float32(EDGE), 0, 1)
    return share


def _filled(more: Float, parts: Float, axes: tuple[int, ...]) -> Float:
    """Corrections `(x, y, z, 2)` that keep something along every ray along `axes` on which the hull has something.

    The outlines are known, depths are estimated: where the network doubts every place along a ray (which of two legs is
    in front?), the likeliest is kept.
    """
    least, near = parts.min(axis=-1), np.clip(parts, -1, 1)
    for axis in axes:
        value = (near + more).min(axis=-1)
        top, most = (v.max(axis=axis, keepdims=True) for v in (value, least))
        lack = np.clip(np.minimum(np.float32(KEPT) * most, np.float32(FLOOR)) - top, 0, None) * (most > 0)
        lack = lack * np.clip(1 - (top - value) / np.float32(ALIKE), 0, 1)
        more = np.where(lack[..., None] > 0, np.maximum(more, (value + lack)[..., None] - near), more)
    is_lost = np.zeros(least.shape, bool)  # outlines between the nodes: there the hull is kept
    for axis in axes:
        top, shown = (v.max(axis=axis, keepdims=True) for v in ((near + more).min(axis=-1), parts[..., 0]))
        is_lost |= (top < FLOOR / 2) & (shown > -BESIDE)
    return np.where(is_lost[..., None], np.maximum(more, 0), more)


def _interpolated(lattice: Float, points: Float) -> Float:
    """Values `(n, c)` of a lattice `(m, m, m, c)` at points `(n, 3)` of the network's frame."""
    side = len(lattice)
    place = np.clip((points + 1) * np.float32(side / 2) - np.float32(0.5), 0, side - 1)
    low = np.minimum(place.astype(np.intp), side - 2)
    share = place - low.astype(np.float32)
    flat, first = lattice.reshape(-1, lattice.shape[-1]), (low[:, 0] * side + low[:, 1]) * side + low[:, 2]
    out = np.zeros((len(points), lattice.shape[-1]), np.float32)
    for i, j, k in product((0, 1), repeat=3):
        weight = np.prod(np.where([i, j, k], share, 1 - share), axis=1, dtype=np.float32)
        out += flat[first + (i * side + j) * side + k] * weight[:, None]
    return out


def _deepened(field: Field, fill: float) -> Float:
    """The bounds `(2, 3)` of a field whose depth the hull estimated: coarse samples give how far it reaches."""
    inside = np.abs(cells()[field(cells() / np.float32(fill)) > 0, 2])  # (k,) depths, network frame
    bounds = field.bounds.copy()
    bounds[1, 2] = max(bounds[1, 2], (inside.max(initial=0) + 2 / CELLS) / fill)
    bounds[0, 2] = -bounds[1, 2]
    return bounds
