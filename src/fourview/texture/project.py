# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What one view shows at points of the surface: the colour, and how far to trust it.

Owns      occlusion, the rim, the colours beside the silhouette. Not here: how several views mix (`blend`).

A point is seen where no part of the mesh is nearer to the camera. The depth of the mesh is known at pixel middles only,
so the test has a tolerance that grows with the slope of the surface. Near the silhouette, and near the edge of a part
in front of another, picture and mesh never agree to the pixel, so trust fades there. Colours at the rim of the matte
are mixed with the backdrop; they and everything outside are replaced by colours grown from inside.
"""

from collections.abc import Callable
from dataclasses import dataclass

import mahotas
import numpy as np

from fourview.arrays import Bool, Byte, Float
from fourview.mesh.mesh import Mesh
from fourview.texture.inpaint import grow
from fourview.texture.rasterize import interpolate, rasterize
from fourview.texture.texture import linear_from_srgb
from fourview.views.camera import Camera, project
from fourview.views.view import View

RIM_PX = 4.0  # from the silhouette or from an edge in depth over which trust rises from 0 to 1
SOLID = 0.98  # matte from which a colour is that of the object alone
JUMP_PX = 6.0  # difference in depth of neighbouring pixels that is an edge; surfaces that can be painted are less steep
TURNING = 4.0  # factor of a face's own cosine, so that it fades only what turns away; at 1 every crease would show
SLACK_PX, SLACK_PER_SLOPE = 1.0, 1.5  # tolerance of the depth test, in pixels: flat on, and for each unit of slope


@dataclass(frozen=True)
class Source:
    """A view made ready: `light (h, w, 3)` linear, without backdrop; `depth (h, w)`, -inf where no mesh is;
    `trust (h, w)` 0..1; `pixels_per_px` how many of the picture's pixels one pixel here stands for.
    """

    name: str
    camera: Camera
    size: tuple[int, int]  # (width, height) of the picture itself
    pixels_per_px: int
    light: Float
    depth: Float
    trust: Float
    silhouette_iou: float


def prepare(view: View, mesh: Mesh, texels_per_unit: float) -> Source:
    """The source that a view becomes. Pictures much finer than the texture are reduced first, or they would alias."""
    height, width = view.matte.shape
    px_per_unit = width / (2 * view.camera.half_extent[0])
    step = int(px_per_unit / max(texels_per_unit, 1e-6))  # very large where charts share texels: a few pixels stay
    step = max(1, min(step, min(height, width) // 4))
    matte = _block_means(view.matte[..., None], step)[..., 0]
    solid = _eroded(view.matte >= SOLID)
    share = _block_means(solid[..., None].astype(np.float32), step)
    light: Float = _block_means(linear_from_srgb(view.image) * solid[..., None], step) / np.maximum(share, 1e-6)
    known = share[..., 0] > 0
    if not known.any():  # no solid pixels: use the soft ones
        light, known = _block_means(linear_from_srgb(view.image), step), matte >= 0.5

    xy, depth = project(view.camera, mesh.vertices, (width, height))
    seen = rasterize(xy / step, depth, mesh.faces, (matte.shape[1], matte.shape[0]))
    covered, inside = seen.face >= 0, matte >= 0.5
    depth_map = np.where(covered, interpolate(seen, mesh.faces, depth[:, None])[..., 0], -np.inf)
    edge = _depth_edges(depth_map, JUMP_PX * step / px_per_unit)
    distance = np.sqrt(mahotas.distance(np.pad(inside & ~edge, 1)).astype(np.float32))[1:-1, 1:-1]
    trust = smoothstep(distance / RIM_PX)
    depth_map = np.where(covered, depth_map, _grown(depth_map))  # else hidden points would show at the silhouette
    iou = int(np.count_nonzero(covered & inside)) / max(int(np.count_nonzero(covered | inside)), 1)
    return Source(view.name, view.camera, (width, height), step, grow(light, known), depth_map, trust, iou)


def look(source: Source, points: Float, normals: Float, slopes: Float) -> tuple[Float, Float, Float]:
    """Light `(n, 3)`, facing `(n,)` (cosine; 0 where hidden or turned away) and trust `(n,)` 0..1 of `points (n, 3)`.

    `normals (n, 3)` are the smooth ones; `slopes (n, 3)` those of the faces, which decide what is turned away.
    """
    toward = source.camera.view_from_world[2, :3]
    cosine = slopes @ toward
    facing = np.minimum(normals @ toward, TURNING * cosine)
    light, trust = np.zeros((len(points), 3), np.float32), np.zeros(len(points), np.float32)
    ahead = np.flatnonzero(facing > 0)
    xy, depth = project(source.camera, points[ahead], source.size)
    xy = xy / source.pixels_per_px
    height, width = source.depth.shape
    inside = ((xy >= 0) & (xy < [width, height])).all(axis=1)
    ahead, xy, depth = ahead[inside], xy[inside], depth[inside]
    column, row = xy.astype(np.int64).T

    px = 2 * source.camera.half_extent[0] / source.size[0] * source.pixels_per_px
    slope = np.sqrt(np.maximum(1 / cosine[ahead] ** 2 - 1, 0))
    visible = depth >= source.depth[row, column] - px * (SLACK_PX + SLACK_PER_SLOPE * slope)
    ahead, xy = ahead[visible], xy[visible]
    light[ahead] = sample(source.light, xy)
    trust[ahead] = sample(source.trust[..., None], xy)[:, 0]
    shown = np.zeros(len(points), np.float32)
    shown[ahead] = facing[ahead]
    return light, shown, trust


def sample(image: Float | Byte, xy: Float, light: Callable[[Byte], Float] | None = None) -> Float:
    """`image (h, w, c)` at `xy (n, 2)`, pixel middles at +0.5, linear between them, `(n, c)`.

    `light` turns the codes of an image that is not unpacked into numbers.
    """
    height, width, channels = image.shape
    x, y = np.clip(xy[:, 0] - 0.5, 0, width - 1), np.clip(xy[:, 1] - 0.5, 0, height - 1)
    column, row = np.minimum(x.astype(np.int64), max(width - 2, 0)), np.minimum(y.astype(np.int64), max(height - 2, 0))
    fx, fy = (x - column).astype(np.float32)[:, None], (y - row).astype(np.float32)[:, None]
    right, down = int(width > 1), width * int(height > 1)
    flat, at = image.reshape(-1, channels), row * width + column
    a, b, c, d = (
        flat[at + step] if light is None else light(flat[at + step]) for step in (0, right, down, down + right)
    )
    above = a * (1 - fx) + b * fx
    below = c * (1 - fx) + d * fx
    mixed: Float = above * (1 - fy) + below * fy
    return mixed


def smoothstep(x: Float) -> Float:
    """0 below 0, 1 above 1, smooth between."""
    t = np.clip(x, 0, 1)
    smooth: Float = t * t * (3 - 2 * t)
    return smooth


def _eroded(inside: Bool) -> Bool:
    """`inside` without its outermost pixels; what touches the picture's border stays."""
    p = np.pad(inside, 1, constant_values=True)
    rows = p[:-2] & p[1:-1] & p[2:]
    eroded: Bool = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
    return eroded


def _depth_edges(depth: Float, jump: float) -> Bool:
    """Pixels with a neighbour whose depth differs by more than `jump`; beside the mesh too."""
    edge = np.zeros(depth.shape, bool)
    filled = np.where(np.isfinite(depth), depth, -1e9)
    for axis in (0, 1):
        wide = np.abs(np.diff(filled, axis=axis)) > jump
        near, far = [slice(None), slice(None)], [slice(None), slice(None)]
        near[axis], far[axis] = slice(None, -1), slice(1, None)
        edge[tuple(near)] |= wide
        edge[tuple(far)] |= wide
    return edge


def _grown(depth: Float) -> Float:
    """The greatest depth among each pixel's 3 x 3."""
    p = np.pad(depth, 1, constant_values=-np.inf)
    rows = np.maximum(np.maximum(p[:-2], p[1:-1]), p[2:])
    greatest: Float = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return greatest


def _block_means(image: Float, step: int) -> Float:
    """Means of blocks of `step` x `step` pixels, the last ones padded with 0."""
    if step == 1:
        return image.astype(np.float32)
    h, w, c = image.shape
    padded = np.pad(image, [(0, -h % step), (0, -w % step), (0, 0)])
    blocks = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step, c)
    means: Float = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means
