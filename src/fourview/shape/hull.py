"""The hull: a solid that casts the given silhouettes and is round where nothing says otherwise.

Owns      silhouettes -> field. Needs no learning; takes any views that include the front.
Not here  cameras and mattes (`views/`), sampling and extraction (`surface/`).

The visual hull (A. Laurentini, "The visual hull concept for silhouette-based image understanding", PAMI 1994) is the
largest solid with given silhouettes. Two pairs of opposite level views make it a stack of rectangles, so its corners
stick out where real things are round. Each rectangle is therefore replaced by a super-ellipse (A. Barr, "Superquadrics
and angle-preserving transformations", 1981), which touches the four sides and leaves the silhouettes as they are.

Opposite views show one outline, so each pair becomes one `_Plate`: maps over (across, up) with across = x for
front and back, z for left and right. A missing side is inflated from the front outline: each point is as deep as the
outline is thick there (T. Igarashi et al., "Teddy", SIGGRAPH 1999).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import mahotas
import numpy as np

from fourview.arrays import Bool, Float
from fourview.errors import PictureError
from fourview.progress import Tick, no_tick
from fourview.surface.field import Field
from fourview.views.camera import project
from fourview.views.view import View

# How square a cross-section is: 2 is an ellipse, infinity the rectangle of the plain hull.
EXPONENT = 2.4
# Side of a map pixel, box units: about the pixel of a 512 px picture that the object fills to 85 %.
PIXEL = 2 / 436
# The field's box is larger than the object by this share of its longest side, so that the surface never touches it.
MARGIN = 0.03
POINTS_A_PASS = 1 << 18


@dataclass(frozen=True)
class _Plate:
    """Maps over one pair of sides, `maps (rows, columns, c) float32`; row 0 is lowest, column 0 least across.

    Pixel (0, 0) has its middle at `corner` (across, up), box units. Channels: `inside`, the signed distance to the
    outline; `rim`, 0 in the middle of a row's run and 1 at its ends; `half`, half the length of that run.
    """

    maps: Float
    corner: tuple[float, float]


def hull(views: Sequence[View], tick: Tick = no_tick) -> Field:
    """The field of the solid that `views` (framed; the front among them) show."""
    named = {view.name: view for view in views}
    if "front" not in named:
        raise PictureError(f"the views are {', '.join(named) or 'none'}; the front is needed: send a 'front' picture")
    low, high = _extent(views)
    front = _plate([named[n] for n in ("front", "back") if n in named], low[[0, 1]], high[[0, 1]])
    tick(0.5)
    sides = [named[n] for n in ("left", "right") if n in named]
    side = _plate(sides, low[[2, 1]], high[[2, 1]]) if sides else None
    tick(1.0)

    def value(points: Float) -> Float:
        out = np.empty(len(points), np.float32)
        for start in range(0, len(points), POINTS_A_PASS):
            part = np.asarray(points[start : start + POINTS_A_PASS], np.float32)
            out[start : start + len(part)] = _both(front, side, part) if side else _inflated(front, part)
        return out

    if side is None:
        high[2] = front.maps[..., 3].max() + 2 * PIXEL
        low[2] = -high[2]
    grow = MARGIN * (high - low).max()
    return Field(value, np.stack([low - grow, high + grow]).astype(np.float32))


def _both(front: _Plate, side: _Plate, points: Float) -> Float:
    """Values `(n,)` where both pairs of sides are known."""
    f = _look_up(front, points[:, 0], points[:, 1])
    s = _look_up(side, points[:, 2], points[:, 1])
    radius = (f[1] ** EXPONENT + s[1] ** EXPONENT) ** (1 / EXPONENT)
    rounded = (1 - radius) * np.minimum(f[2], s[2])
    return np.minimum(np.minimum(f[0], s[0]), rounded)


def _inflated(front: _Plate, points: Float) -> Float:
    """Values `(n,)` where no side is known: the front outline, as deep as it is thick."""
    f = _look_up(front, points[:, 0], points[:, 1])
    return np.minimum(f[0], f[3] - np.abs(points[:, 2]))


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


def _plate(views: Sequence[View], low: Float, high: Float) -> _Plate:
    """The maps of one pair of sides (one or both of them given) between `low` and `high` (across, up)."""
    pad = 4
    columns, rows = np.ceil((high - low) / PIXEL).astype(int) + 2 * pad
    corner = low - (pad - 0.5) * PIXEL
    across, up = (corner[k] + PIXEL * np.arange(n) for k, n in enumerate((columns, rows)))
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)  # (rows * columns, 2)
    matte = np.mean([_seen(view, grid) for view in views], axis=0).reshape(rows, columns)
    solid = matte >= 0.5
    inside = _signed_distance(matte)
    rim, half = _runs(solid)
    maps = np.stack([inside, rim, half, _depth(inside)], axis=-1).astype(np.float32)
    return _Plate(maps, (float(corner[0]), float(corner[1])))


def _seen(view: View, grid: Float) -> Float:
    """The matte of `view` at `grid (n, 2)` (across, up); 0 beyond the picture."""
    toward = view.camera.view_from_world[2, :3]
    points = np.zeros((len(grid), 3))
    points[:, 0 if abs(toward[2]) > 0.5 else 2] = grid[:, 0]
    points[:, 1] = grid[:, 1]
    h, w = view.matte.shape
    pixels, _ = project(view.camera, points, (w, h))
    padded = np.pad(view.matte.astype(np.float32), 1)[..., None]
    column = np.clip(pixels[:, 0] + 0.5, 0, w + 0.999).astype(np.float32)
    row = np.clip(pixels[:, 1] + 0.5, 0, h + 0.999).astype(np.float32)
    return _bilinear(padded, column, row)[0]


def _signed_distance(matte: Float) -> Float:
    """Distance to the outline, box units, positive inside; finer than a pixel where the matte is soft."""
    solid = matte >= 0.5
    within, without = np.sqrt(mahotas.distance(solid)), np.sqrt(mahotas.distance(~solid))
    whole = np.where(solid, within - 0.5, 0.5 - without)
    return np.where(np.abs(whole) <= 0.5, matte - 0.5, whole) * PIXEL


def _runs(solid: Bool) -> tuple[Float, Float]:
    """For each pixel, how far (0 middle .. 1 end) it lies from the middle of its row's run, and half the run's length.

    Pixels outside take the values of a run's end.
    """
    columns = np.arange(solid.shape[1])
    last_gap = np.maximum.accumulate(np.where(solid, -1, columns), axis=1)
    next_gap = np.minimum.accumulate(np.where(solid, solid.shape[1], columns)[:, ::-1], axis=1)[:, ::-1]
    half = np.where(solid, (next_gap - last_gap - 1) / 2, 0.5)
    middle = (next_gap + last_gap) / 2
    rim = np.where(solid, np.abs(columns - middle) / half, 1.0)
    return np.clip(rim, 0, 1), half * PIXEL


def _depth(inside: Float) -> Float:
    """Half the depth of a solid blown up from its outline, box units: a circle across each ridge of the outline."""
    thickness = _thickness(inside)
    depth: Float = np.sqrt(np.maximum(inside * (2 * thickness - inside), 0))
    return depth


def _thickness(inside: Float) -> Float:
    """Radius of the largest disc that fits in the outline and covers the pixel, box units; 0 outside."""
    out = np.maximum(inside, 0)
    radii = np.geomspace(2 * PIXEL, max(inside.max(), 4 * PIXEL), 24)
    for radius in radii:
        covered = np.sqrt(mahotas.distance(inside < radius)) * PIXEL < radius
        out[covered & (inside > 0)] = np.maximum(out, radius)[covered & (inside > 0)]
    return out


def _look_up(plate: _Plate, across: Float, up: Float) -> list[Float]:
    """The channels of a plate at points, each `(n,) float32`; beyond the plate its border goes on."""
    rows, columns, _ = plate.maps.shape
    column = np.clip((across - np.float32(plate.corner[0])) / np.float32(PIXEL), 0, np.float32(columns - 1.001))
    row = np.clip((up - np.float32(plate.corner[1])) / np.float32(PIXEL), 0, np.float32(rows - 1.001))
    return _bilinear(plate.maps, column, row)


def _bilinear(maps: Float, column: Float, row: Float) -> list[Float]:
    """Channels of `maps (rows, columns, c)` at fractional indices, each `(n,) float32`."""
    i, j = row.astype(np.int32), column.astype(np.int32)
    a, b = row - i, column - j
    at = i * maps.shape[1] + j
    flat = maps.reshape(-1, maps.shape[2])
    out = []
    for channel in flat.T.copy():
        low = channel[at] * (1 - b) + channel[at + 1] * b
        high = channel[at + maps.shape[1]] * (1 - b) + channel[at + maps.shape[1] + 1] * b
        out.append(low * (1 - a) + high * a)
    return out
