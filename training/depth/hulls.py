# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The hull's own depth, which the network may follow or leave: the engine's code on the pictures the network sees.

Owns      from pictures to the hull's first surface in each view, on a coarse lattice; other processes that do it.
Not here  the hull itself (`fourview.shape.hull`), what is made of its depth (`network`).

Points that some outline leaves out are not asked: four of five are not.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch
from torch import Tensor

from fourview.arrays import Float
from fourview.shape.hull import hull
from fourview.views.camera import AZIMUTH_DEG, side_camera
from fourview.views.view import View

PIXEL = 2 / 96  # of the hull's maps, frame units
CELLS = 64  # of the lattice along each axis
FLAT = 0.5  # the frame shows twice as much depth where neither side is given
NONE = -1.0  # depth of a line of sight that misses the hull


def hull_depth(pictures: np.ndarray) -> Float:
    """How far before the hull's first surface `(4, 64, 64) float32`, 0..1 of the frame, or NONE.

    `pictures (4, h, h, 4) uint8` show the frame [-1, 1]; an empty matte is a missing view.
    """
    given: np.ndarray = np.any(pictures[..., 3] >= 128, axis=(1, 2))
    if not given[0]:
        return np.full((4, CELLS, CELLS), NONE, np.float32)
    views = [
        View(name, rgba[..., :3], rgba[..., 3] / np.float32(255), side_camera(azimuth, (1.0, 1.0)))
        for (name, azimuth), rgba, is_given in zip(AZIMUTH_DEG.items(), pictures, given, strict=True)
        if is_given
    ]
    depth_scale = 1.0 if given[1] or given[3] else FLAT
    return _first(_values(hull(views, pixel=PIXEL).parts, _possible(pictures, given), depth_scale))


def _possible(pictures: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Which cells `(y downward, x, z) bool` the outlines allow."""
    side = pictures.shape[1]
    solid = pictures[..., 3].reshape(4, CELLS, side // CELLS, CELLS, side // CELLS).max(axis=(2, 4)) >= 128
    across = solid[0] | solid[2][:, ::-1]
    deep = solid[1][:, ::-1] | solid[3] if given[1] or given[3] else np.ones_like(across)
    possible: np.ndarray = across[:, :, None] & deep[:, None, :]
    return possible


def _values(parts: Callable[[Float], Float], possible: np.ndarray, depth_scale: float) -> Float:
    """How far inside the hull the cells `(y, x, z)` lie; well outside where it is not possible."""
    at = (np.arange(CELLS, dtype=np.float32) + 0.5) * np.float32(2 / CELLS) - 1
    row, column, deep = np.nonzero(possible)
    points = np.stack([at[column], -at[row], at[deep] / np.float32(depth_scale)], axis=1)
    values = np.full(possible.shape, np.float32(-1 / CELLS))
    values[row, column, deep] = parts(points).min(axis=1)
    return values


def _first(values: Float) -> Float:
    """The first crossing in each view `(4, 64, 64)`, between the cells' middles."""
    found = np.empty((4, CELLS, CELLS), np.float32)
    along = values.transpose(0, 2, 1)
    for view, lines in enumerate((values[..., ::-1], along[:, ::-1, ::-1], values[:, ::-1], along)):
        is_in = lines > 0
        first = is_in.argmax(axis=2)
        after = np.take_along_axis(lines, first[..., None], 2)[..., 0]
        before = np.take_along_axis(lines, np.maximum(first - 1, 0)[..., None], 2)[..., 0]
        share = np.where(first > 0, after / np.maximum(after - before, 1e-6), 0.5)
        found[view] = np.where(is_in.any(axis=2), (first + 0.5 - np.clip(share, 0, 1)) / CELLS, NONE)
    return found


class Hulls:
    """Hulls of a batch; with `workers`, in so many other processes, while the caller does other things."""

    def __init__(self, workers: int = 0) -> None:
        self._pool = ProcessPoolExecutor(workers, get_context("forkserver")) if workers else None

    def close(self) -> None:
        """End the other processes."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def start(self, pictures: Tensor) -> Callable[[], Tensor]:
        """Of `pictures (b, 4, 4, h, h)` 0..1, straight colours. What comes back waits for `(b, 4, 64, 64)`."""
        seen = (pictures * 255).round().byte().permute(0, 1, 3, 4, 2).contiguous().cpu().numpy()
        found = (self._pool.map if self._pool else map)(hull_depth, seen)
        return lambda: torch.from_numpy(np.stack(list(found))).to(pictures.device)
