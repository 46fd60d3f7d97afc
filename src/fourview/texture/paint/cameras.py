# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The cameras that Hunyuan3D-Paint was trained with, and the frame it sees a mesh in.

Owns      the render frame, view matrices, the projection, the camera numbers.
Not here  drawing (`raster`, `maps`), the house's own cameras (`views.camera`).

Render frame from mesh (x, y, z): (-x, z, -y), a reflection; centred on the bounding box and scaled so that the
bounding sphere has the radius FIT / 2. Everything is computed in float64 and rounded once: at the two poles the
direction "right" hangs on the rounding of cos(90 deg), which float32 would lose.
"""

from dataclasses import dataclass

import numpy as np

from fourview.arrays import Float

FIT = 1.15  # diameter of the mesh's bounding sphere in the render frame
DISTANCE = 1.45  # from the camera to the middle of the object
HALF_EXTENT = 0.6  # of the picture, in render units
NEAR, FAR = 0.1, 100.0  # depth range of the projection
CAMERA_ROWS = 5  # rows of the camera embedding that come before camera number 0

# Per elevation in degrees: how many steps of 30 degrees share a number, and the first number of the ring.
RINGS = {-20: (1, 0), 0: (1, 12), 20: (1, 24), -90: (3, 36), 90: (3, 40)}


@dataclass(frozen=True)
class PaintCamera:
    """One view: angles in degrees, and `weight`, what its colours count in the official bake."""

    name: str
    azimuth: float
    elevation: float
    weight: float

    @property
    def number(self) -> int:
        """The number that the network knows this camera by, without the offset CAMERA_ROWS."""
        return camera_number(self.azimuth, self.elevation)


SIX = (
    PaintCamera("front", 0, 0, 1.0),
    PaintCamera("left", 90, 0, 0.1),
    PaintCamera("back", 180, 0, 0.5),
    PaintCamera("right", 270, 0, 0.1),
    PaintCamera("top", 0, 90, 0.05),
    PaintCamera("bottom", 180, -90, 0.05),
)


def camera_number(azimuth: float, elevation: float) -> int:
    """The official number of a camera, 0..43; raises `ValueError` for an elevation that has none."""
    if elevation not in RINGS:
        raise ValueError(f"elevation is {elevation}; the network knows {', '.join(map(str, RINGS))} degrees")
    share, first = RINGS[int(elevation)]
    return (int(azimuth) // 30 + 9) % 12 // share + first


def view_matrix(azimuth: float, elevation: float, distance: float = DISTANCE) -> Float:
    """From the render frame to the camera's, `(4, 4) float32`; the camera looks along -z."""
    e, a = np.radians(-np.float64(elevation)), np.radians(np.float64(azimuth) + 90)
    place = distance * np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    look = -place / np.linalg.norm(place)
    right = np.cross(look, np.array([0.0, 0.0, 1.0]))
    right /= np.linalg.norm(right)
    up = np.cross(right, look)
    up /= np.linalg.norm(up)
    matrix = np.eye(4)
    matrix[:3, :3] = right, up, -look
    matrix[:3, 3] = -matrix[:3, :3] @ place
    return matrix.astype(np.float32)


def projection() -> Float:
    """The orthographic projection, `(4, 4) float32`."""
    depth = FAR - NEAR
    matrix = np.diag([1 / HALF_EXTENT, 1 / HALF_EXTENT, -2 / depth, 1.0])
    matrix[2, 3] = -(FAR + NEAR) / depth
    return matrix.astype(np.float32)


def render_frame(vertices: Float) -> Float:
    """Mesh vertices `(v, 3)` in the render frame, `(v, 3) float32`."""
    x, y, z = np.asarray(vertices, np.float32).T
    turned = np.stack([-x, z, -y], axis=1)
    centre = (turned.max(axis=0) + turned.min(axis=0)) / 2
    diameter = 2 * np.linalg.norm(turned - centre, axis=1).max()
    placed: Float = ((turned - centre) * (FIT / diameter)).astype(np.float32)
    return placed


def camera_space(points: Float, view: Float) -> Float:
    """Render-frame points `(v, 3)` seen from a camera, `(v, 4) float32` with w = 1."""
    homogeneous = np.concatenate([points, np.ones((len(points), 1), np.float32)], axis=1)
    seen: Float = homogeneous @ view.T
    return seen


def clip_space(points: Float, view: Float) -> Float:
    """Render-frame points `(v, 3)` in the clip space of a camera, `(v, 4) float32`."""
    clip: Float = camera_space(points, view) @ projection().T
    return clip
