# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The hull: a solid with the given silhouettes, round where they leave its form open.

Owns      silhouettes -> field, without learning, from any views that include the front.
Not here  cameras and mattes (`views/`), sampling and extraction (`surface/`).

The visual hull (A. Laurentini, "The visual hull concept for silhouette-based image understanding", PAMI 1994) is the
largest solid with given silhouettes. From level views it is a stack of rectangles: it has corners where real objects
are round, and at the height of an outstretched arm the arm is as deep as the chest. So each outline is first inflated
alone: h solves the Poisson equation  d2h/dx2 + d2h/dy2 = -4  inside it and is 0 on its edge (as in
L. Gorelick et al., "Shape representation and classification using the Poisson equation", PAMI 2006); sqrt(h) turns a
disc into a ball and makes thin parts thin. In each row, h is divided by its greatest value there. With these two
shares, a(x, y) from the front and b(z, y) from the side, a point is inside where

    a^k + b^k >= 1.

For k = 1 an ellipsoid's outlines give the ellipsoid, exactly. The outlines are kept for any k, because each row of
each map somewhere reaches 1. Smaller k is squarer (A. Barr, "Superquadrics and angle-preserving transformations",
1981), k = 0 the visual hull; `Build` tells how k is chosen.
A missing side is inflated from the front outline (T. Igarashi et al., "Teddy", SIGGRAPH 1999). The numbers are in
docs/how/hull.md.

Opposite views show one outline, so each pair becomes one `_Plate`: maps over (across, up) with across = x for
front and back, z for left and right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import mahotas
import numpy as np

from fourview.arrays import Bool, Float
from fourview.errors import PictureError
from fourview.progress import Tick, no_tick
from fourview.shape.hull_build import (
    GROWN,
    Build,
    judge,
)
from fourview.surface.field import Field
from fourview.views.camera import project
from fourview.views.view import View

# Side of a map pixel, box units: about the pixel of a 512 px picture that the object fills to 85 %.
PIXEL = 2 / 436
# Distances are measured on pixels this many times finer: at the plate's own size, edges through a pixel would jump.
FINER = 2
# Empty pixels around the outline on each plate.
PAD = 4
# The field's box is larger than the object by this share of its longest side, so that the surface does not touch it.
MARGIN = 0.03
# Box units: opposite outlines that differ by less than the first are averaged; by more than the second, united.
DISAGREE = (0.03, 0.06)
POINTS_A_PASS = 1 << 18


@dataclass(frozen=True)
class _Plate:
    """Maps over one pair of sides, `maps (rows, columns, c) float32`; row 0 is lowest, column 0 least across.

    Pixel (0, 0) has its middle at `corner` (across, up), box units. Channels: the signed distance to the outline;
    the share of the header (a or b) to the power k; how deep the row's thickest part is, box units.
    """

    maps: Float
    corner: Float
    pixel: float  # side of a pixel, box units


@dataclass(frozen=True)
class Hull(Field):
    """A field that is the lesser of two: `parts` maps points `(n, 3)` to `(n, 2)`, how far inside the outlines and how
    far inside the round body a point lies. `box (2, 3)` is what the outlines span."""

    parts: Callable[[Float], Float] = field(kw_only=True)
    box: Float = field(kw_only=True)


def hull(views: Sequence[View], tick: Tick = no_tick, pixel: float = PIXEL) -> Hull:
    """The field of the solid that `views` (framed; the front among them) show; its maps have pixels of `pixel`."""
    named = {view.name: view for view in views}
    if "front" not in named:
        raise PictureError(f"the views are {', '.join(named) or 'none'}; the front is needed: send a 'front' picture")
    low, high = _extent(views)
    outline = _outline([named[n] for n in ("front", "back") if n in named], low[:2], high[:2], pixel)
    tick(0.3)
    sides = [named[n] for n in ("left", "right") if n in named]
    side_outline = _outline(sides, low[[2, 1]], high[[2, 1]], pixel) if sides else None
    tick(0.5)
    build = GROWN if side_outline is None else judge(outline, side_outline, views, pixel)
    front = _plate(outline, low[:2], build, pixel)
    side = None if side_outline is None else _plate(side_outline, low[[2, 1]], build, pixel)
    if side is None:
        high[2] = front.maps[..., 2].max()
        low[2] = -high[2]
    tick(1.0)

    def parts(points: Float) -> Float:
        out = np.empty((2, len(points)), np.float32)
        for start in range(0, len(points), POINTS_A_PASS):
            some = np.asarray(points[start : start + POINTS_A_PASS], np.float32)
            out[:, start : start + len(some)] = _parts(front, side, some)
        return out.T

    grow = MARGIN * (high - low).max()
    bounds, box = (np.stack([low - more, high + more]).astype(np.float32) for more in (grow, 0))
    return Hull(lambda points: np.minimum(*parts(points).T), bounds, parts=parts, box=box)


def _parts(front: _Plate, side: _Plate | None, points: Float) -> tuple[Float, Float]:
    """How far inside the outlines and the body points `(n, 3)` lie, each `(n,)`.

    Without a side, each row is as deep as the inflated front.
    """
    inside, a, deep = _look_up(front, points[:, 0], points[:, 1])
    b: Float
    if side is None:
        b = 1 - (points[:, 2] / deep) ** 2
    else:
        inside_side, b, deep_side = _look_up(side, points[:, 2], points[:, 1])
        inside, deep = np.minimum(inside, inside_side), np.minimum(deep, deep_side)
    radius = np.sqrt(np.maximum(2 - a - b, 0))  # in an ellipsoid: 0 on its axis, growing evenly to 1 on its skin
    return inside, (1 - radius) * deep


def _extent(views: Sequence[View]) -> tuple[Float, Float]:
    """Least and greatest corner `(3,)` of the box that the silhouettes span; unknown depth is 0."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for view in views:
        h, w = view.matte.shape
        rows, columns = np.nonzero(view.matte >= 0.5)
        if len(rows) == 0:
            raise PictureError(f"the matte of the '{view.name}' picture is empty; cut out the subject and try again")
        right = ((np.array([columns.min(), columns.max() + 1]) / w) * 2 - 1) * view.camera.half_extent[0]
        up = (1 - (np.array([rows.max() + 1, rows.min()]) / h) * 2) * view.camera.half_extent[1]
        world_from_view = np.linalg.inv(view.camera.view_from_world)
        corners = np.stack([right, up, [0, 0], [1, 1]], axis=1) @ world_from_view.T  # (2, 4)
        seen = np.abs(world_from_view[:3, :2]).sum(axis=1) > 0.5  # the axes this camera shows
        low[seen] = np.minimum(low, corners.min(axis=0)[:3])[seen]
        high[seen] = np.maximum(high, corners.max(axis=0)[:3])[seen]
    known = np.isfinite(low)
    return np.where(known, low, 0.0), np.where(known, high, 0.0)


def _outline(views: Sequence[View], low: Float, high: Float, pixel: float) -> Float:
    """Signed distance `(rows, columns)` to the outline of one pair of sides (one or both given), box units.

    Two drawn outlines never agree to the pixel: their mean is taken. Where they differ by more, one view shows a part
    that the other lacks (a limb that is cut off or hidden), and the part is kept.
    """
    columns, rows = np.ceil((high - low) / pixel).astype(int) + 2 * PAD
    fine = pixel / FINER
    across, up = (low[k] - PAD * pixel + fine * (np.arange(n * FINER) + 0.5) for k, n in enumerate((columns, rows)))
    each = [_block_means(_signed_distance(_seen(view, across, up), pixel)) for view in views]
    least, greatest = np.minimum(each[0], each[-1]), np.maximum(each[0], each[-1])
    apart = np.clip((greatest - least - DISAGREE[0]) / (DISAGREE[1] - DISAGREE[0]), 0, 1)
    outline: Float = (least + greatest) / 2 * (1 - apart) + greatest * apart
    return outline


def _seen(view: View, across: Float, up: Float) -> Float:
    """The matte of `view` `(rows, columns)` over the plate's pixels; 0 beyond the picture."""
    axis = int(np.argmax(np.abs(view.camera.view_from_world[0, :3])))
    ends = np.zeros((2, 3))  # the plate's two far corners; pixels grow evenly between them
    ends[:, axis], ends[:, 1] = across[[0, -1]], up[[0, -1]]
    h, w = view.matte.shape
    (left, below), (right, above) = project(view.camera, ends, (w, h))[0]
    padded = np.pad(view.matte.astype(np.float32), 1)
    rows = _resampled(padded, np.linspace(below, above, len(up)) + 0.5)
    return _resampled(rows.T, np.linspace(left, right, len(across)) + 0.5).T


def _resampled(values: Float, at: Float) -> Float:
    """Rows of `values` at fractional indices, interpolated; beyond the ends the last rows are repeated."""
    at = np.clip(at, 0, len(values) - 1.001)
    low = at.astype(np.intp)
    share = (at - low).astype(np.float32)[:, None]
    between: Float = values[low] * (1 - share) + values[low + 1] * share
    return between


def _signed_distance(matte: Float, pixel: float) -> Float:
    """Distance to the outline, box units, positive inside, on pixels `FINER` times as fine as the plate's.

    Distances between middles of pixels are half a pixel off the outline; near it, the soft matte gives the distance.
    """
    solid = matte >= 0.5
    within, without = np.sqrt(mahotas.distance(solid)), np.sqrt(mahotas.distance(~solid))
    whole = np.where(solid, within - 0.5, 0.5 - without)
    at_edge = np.clip((matte - 0.5) * FINER, -0.5, 0.5)
    distance: Float = np.where(np.abs(whole) <= 0.5, at_edge, whole) * (pixel / FINER)
    return distance


def _block_means(values: Float) -> Float:
    """Means of blocks of `FINER` x `FINER` pixels."""
    rows, columns = (n // FINER for n in values.shape)
    means: Float = values.reshape(rows, FINER, columns, FINER).mean(axis=(1, 3))
    return means


def _plate(inside: Float, low: Float, build: Build, pixel: float) -> _Plate:
    """The maps of one outline, given as signed distance."""
    h = _blow_up(inside > 0, pixel, build.tie)
    row = np.maximum(h.max(axis=1, keepdims=True), pixel**2)
    maps = np.stack([inside, (h / row) ** build.power, np.broadcast_to(np.sqrt(row), h.shape)], axis=-1)
    return _Plate(maps.astype(np.float32), low + (0.5 - PAD) * pixel, pixel)


SWEEPS, WIDTH_PX = 80, 100  # within 1 % of the exact solution on outlines of 436 px


def _blow_up(solid: Bool, pixel: float, tie: float) -> Float:
    """h `(rows, columns)` of the header: d2h/dx2 + tie d2h/dy2 = -4 where `solid`, 0 elsewhere.

    Jacobi's sweeps with Chebyshev's weights (G. Golub and R. Varga, "Chebyshev semi-iterative methods", 1961), from
    the solution on half the pixels; the weights suit parts up to `WIDTH_PX` wide, the coarser grids cover the wider.
    """
    rows, columns = solid.shape
    if min(rows, columns) > 24:
        even = np.pad(solid, ((0, rows % 2), (0, columns % 2)))
        quarters = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).sum(axis=(1, 3))
        start = _twice(_twice(_blow_up(quarters >= 2, 2 * pixel, tie)).T).T[:rows, :columns]
    else:
        start = np.zeros(solid.shape, np.float32)
    new = np.pad(np.where(solid, start, 0), 1).astype(np.float32)
    old, source = new.copy(), np.float32(4 * pixel**2)
    share = solid * np.float32(0.5 / (1 + tie))
    rho2, weight = np.cos(np.pi / WIDTH_PX) ** 2, 2.0
    for sweep in range(SWEEPS):
        weight = 1.0 if sweep == 0 else 1 / (1 - rho2 * weight / 4)
        beside = new[1:-1, :-2] + new[1:-1, 2:] + np.float32(tie) * (new[:-2, 1:-1] + new[2:, 1:-1])
        inner = old[1:-1, 1:-1]
        inner += np.float32(weight) * ((beside + source) * share - inner)
        old, new = new, old
    return np.maximum(new[1:-1, 1:-1], 0)


def _twice(rows: Float) -> Float:
    """Twice as many rows, interpolated; the middles of the new ones lie a quarter off those of the old."""
    around = np.pad(rows, ((1, 1), (0, 0)), mode="edge")
    near, below, above = 0.75 * rows, 0.25 * around[:-2], 0.25 * around[2:]
    return np.stack([near + below, near + above], axis=1).reshape(-1, rows.shape[1])


def _look_up(plate: _Plate, across: Float, up: Float) -> list[Float]:
    """The channels of a plate at points, each `(n,) float32`; beyond the plate its border is repeated."""
    rows, columns, _ = plate.maps.shape
    column = np.clip((across - np.float32(plate.corner[0])) / np.float32(plate.pixel), 0, np.float32(columns - 1.001))
    row = np.clip((up - np.float32(plate.corner[1])) / np.float32(plate.pixel), 0, np.float32(rows - 1.001))
    return _bilinear(plate.maps, column, row)


def _bilinear(maps: Float, column: Float, row: Float) -> list[Float]:
    """Channels of `maps (rows, columns, c)` at fractional indices, each `(n,) float32`."""
    i, j = row.astype(np.int32), column.astype(np.int32)
    a, b = row - i.astype(np.float32), column - j.astype(np.float32)
    at = i.astype(np.intp) * maps.shape[1] + j
    out = []
    for channel in np.moveaxis(maps, -1, 0).reshape(maps.shape[2], -1):
        near, far = channel.take(at), channel.take(at + maps.shape[1])
        near += (channel.take(at + 1) - near) * b
        far += (channel.take(at + maps.shape[1] + 1) - far) * b
        out.append(near + (far - near) * a)
    return out
