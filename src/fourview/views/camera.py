# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Where a picture was taken from: one orthographic camera for each side of the object.

Owns      the map between box units and pixels; CONVENTIONS.md draws it.
Not here  the sides and their azimuths (`fourview.sides`).
"""

from dataclasses import dataclass

import numpy as np

from fourview.arrays import Float
from fourview.sides import SIDES

# By side, in the order of `SIDES`: azimuth of the camera around +Y, degrees, 0 at +Z, 90 at +X.
AZIMUTH_DEG: dict[str, float] = {name: side.azimuth_deg for name, side in SIDES.items()}


@dataclass(frozen=True)
class Camera:
    """An orthographic camera: looks down its own -z, +x is the picture's right, +y the picture's up.

    `view_from_world (4, 4)` is rigid; `half_extent` is half the width and half the height of the picture, box units.
    """

    view_from_world: Float
    half_extent: tuple[float, float]


def side_camera(
    azimuth_deg: float, half_extent: tuple[float, float], centre: tuple[float, float] = (0.0, 0.0)
) -> Camera:
    """A level camera at `azimuth_deg` whose picture's middle looks at `centre` (right, up) in box units."""
    a = np.deg2rad(azimuth_deg)
    right = np.round([np.cos(a), 0.0, -np.sin(a)], 12)
    toward = np.round([np.sin(a), 0.0, np.cos(a)], 12)
    view_from_world = np.eye(4)
    view_from_world[:3, :3] = np.stack([right, np.array([0.0, 1.0, 0.0]), toward])
    view_from_world[:2, 3] = [-centre[0], -centre[1]]
    return Camera(view_from_world, half_extent)


def project(camera: Camera, points: Float, size: tuple[int, int]) -> tuple[Float, Float]:
    """Pixels `(n, 2)` (column, row; the middle of the first pixel is 0.5, 0.5) and depth `(n,)` (greater = nearer).

    `points (n, 3)` box units; `size` is the picture's (width, height) in pixels.
    """
    view = points @ camera.view_from_world[:3, :3].T + camera.view_from_world[:3, 3]
    (width, height), (half_w, half_h) = size, camera.half_extent
    column = (view[:, 0] / half_w + 1) * (width / 2)
    row = (1 - view[:, 1] / half_h) * (height / 2)
    return np.stack([column, row], axis=1), view[:, 2]
