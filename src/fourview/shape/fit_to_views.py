# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Move a mesh from a network's own frame into the frame of the views' cameras.

Owns      one scale and one shift, so that the shape stays. Not here: the cameras (`views.framing`).

A learned network places the object as in its training. In our frame, the outlines give the object's bounds along the
axes that a picture shows. The mesh's bounds are fitted to them by one scale and one shift.
"""

from collections.abc import Sequence

import numpy as np

from fourview.arrays import Float
from fourview.mesh.mesh import Mesh
from fourview.sides import SIDES
from fourview.views.camera import project
from fourview.views.view import View

UP = 1


def fit_to_views(mesh: Mesh, views: Sequence[View]) -> Mesh:
    """`mesh`, scaled and shifted; the axis that no view shows is centred at 0."""
    low, high = mesh.vertices.min(axis=0).astype(float), mesh.vertices.max(axis=0).astype(float)
    wanted = _bounds(views)  # (2, 3)
    side, side_wanted = high - low, wanted[1] - wanted[0]
    is_known = ~np.isnan(side_wanted) & (side > 0)
    scale = (side * side_wanted)[is_known].sum() / np.square(side[is_known]).sum()  # least squares
    middle = np.where(is_known, wanted.mean(axis=0), 0)
    vertices = (mesh.vertices - (low + high) / 2) * scale + middle
    return Mesh(vertices.astype(np.float32), mesh.faces)


def _bounds(views: Sequence[View]) -> Float:
    """Least and greatest corner of the object by its outlines, `(2, 3)`; NaN along an axis that no view shows."""
    found: list[list[Float]] = [[], [], []]
    for view in views:
        side = SIDES[view.name]
        axis, sign = side.right_axis, side.right_sign
        height, width = view.matte.shape
        rows, columns = (np.flatnonzero((view.matte >= 0.5).any(axis=a)) for a in (1, 0))
        middle, _ = project(view.camera, np.zeros((1, 3)), (width, height))  # the pixel that looks at the origin
        half_w, half_h = view.camera.half_extent
        across = (np.array([columns[0], columns[-1] + 1]) - middle[0, 0]) * (2 * half_w / width)
        found[axis].append(np.sort(sign * across))
        found[UP].append((middle[0, 1] - np.array([rows[-1] + 1, rows[0]])) * (2 * half_h / height))
    return np.stack([np.mean(each, axis=0) if each else np.full(2, np.nan) for each in found], axis=1)
