# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What the network starts from: the two parts of the engine `hull`, for the pictures that it is shown.

Owns      those values at a sample's points and on a coarse lattice (`Base`), worked out here or by other processes.
Not here  the hull itself (`fourview.shape.hull`), what is made of its values (`network`).

It is the engine's own code on the same spoilt pictures that the network sees, so errors of mattes and views that
disagree reach the network as they will in use. Only its maps are coarser, as the pictures are: 2 / 218 of box units,
where values near the surface differ by 1.4 % of a truncation from the engine's own, at a third of the time.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import torch
from torch import Tensor

from fourview.shape.hull import hull
from fourview.shape.mini.frame import CELLS, LIMIT, cells, fill_of, hull_parts
from fourview.views.camera import AZIMUTH_DEG, side_camera
from fourview.views.view import View

PIXEL = 2 / 218  # an object fills 218 of the 256 pixels of a picture


@dataclass(frozen=True)
class Base:
    """The hull's parts, truncations, cut at +-LIMIT."""

    points: Tensor  # (b, n, 2) at a sample's points
    volume: Tensor  # (b, 32 z, 32 y downward, 32 x, 2) in the middles of the coarse volume's cells


def parts_of(pictures: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The hull of `pictures (4, 256, 256, 4) uint8` at `points (n, 3)` of the network's frame `(n, 2)`.

    A picture whose matte is empty is a missing view. Without a front there is nothing: outside everywhere.
    """
    given = (pictures[..., 3] >= 128).any(axis=(1, 2))
    if not given[0]:
        return np.full((len(points), 2), -LIMIT, np.float32)
    fill = fill_of(name for name, is_given in zip(AZIMUTH_DEG, given, strict=True) if is_given)
    views = [
        View(name, rgba[..., :3], rgba[..., 3] / np.float32(255), side_camera(azimuth, (1 / fill, 1 / fill)))
        for (name, azimuth), rgba, is_given in zip(AZIMUTH_DEG.items(), pictures, given, strict=True)
        if is_given
    ]
    return np.clip(hull_parts(hull(views, pixel=PIXEL), points, fill), -LIMIT, LIMIT)


class Bases:
    """Works out the base of samples; with `workers`, in so many other processes, while the caller does other things."""

    def __init__(self, workers: int = 0) -> None:
        self._pool = ProcessPoolExecutor(workers, get_context("forkserver")) if workers else None

    def close(self) -> None:
        """End the other processes."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def start(self, pictures: Tensor, points: Tensor) -> Callable[[], Base]:
        """Of a batch: `pictures (b, 4, 4, 256, 256)` 0..1, `points (b, n, 3)`. What comes back waits for the result."""
        seen = (pictures * 255).round().byte().permute(0, 1, 3, 4, 2).contiguous().cpu().numpy()
        at = points.cpu().numpy()
        asked = [np.concatenate([one, cells()]) for one in at]
        found = (self._pool.map if self._pool else map)(parts_of, seen, asked)

        def base() -> Base:
            parts = torch.from_numpy(np.stack(list(found))).to(points.device)
            near, coarse = parts.split([points.shape[1], CELLS**3], dim=1)
            return Base(near, coarse.unflatten(1, (CELLS, CELLS, CELLS)))

        return base


def base_of(pictures: Tensor, points: Tensor) -> Base:
    """The base of a batch, here and now."""
    return Bases().start(pictures, points)()
