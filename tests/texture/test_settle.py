# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A mesh in a frame of its own is laid where the views look."""

import numpy as np
import pytest

from fourview.mesh.mesh import Mesh
from fourview.shape.fit_to_views import fit_to_views
from fourview.views.camera import side_camera
from fourview.views.view import View

HALF = np.array([0.4, 1.0, 0.6])  # of the object's box, box units
CENTRE = np.array([0.1, 0.0, -0.2])
CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)


def box_view(name, azimuth_deg, across, centre):
    """A picture of the box: 200 x 240 pixels of 0.01, whose middle looks 0.15 to the right of the origin."""
    column = (np.arange(200) + 0.5 - 100) * 0.01 + 0.15
    row = (120 - np.arange(240) - 0.5) * 0.01
    matte = (np.abs(column - centre) < across)[None, :] & (np.abs(row) < 1.0)[:, None]
    return View(name, np.zeros((240, 200, 3), np.uint8), matte.astype(np.float32),
                side_camera(azimuth_deg, (1.0, 1.2), (0.15, 0.0)))  # fmt: skip


def box_mesh(scale, shift):
    return Mesh((((CORNERS * HALF + CENTRE) - shift) / scale).astype(np.float32), np.zeros((0, 3), np.int32))


FRONT = box_view("front", 0.0, 0.4, 0.1)
LEFT = box_view("left", 90.0, 0.6, 0.2)  # its right is -Z
RIGHT = box_view("right", 270.0, 0.6, -0.2)
BACK = box_view("back", 180.0, 0.4, -0.1)


@pytest.mark.parametrize("views", [[FRONT, LEFT], [FRONT, LEFT, BACK, RIGHT], [BACK, RIGHT]])
def test_scale_and_shift_are_taken_back(views):
    settled = fit_to_views(box_mesh(1.7, np.array([0.3, -0.4, 0.5])), views)

    assert np.allclose(settled.vertices, CORNERS * HALF + CENTRE, atol=1e-5)


def test_an_axis_that_no_picture_shows_is_centred():
    settled = fit_to_views(box_mesh(0.5, np.array([1.0, 2.0, 3.0])), [FRONT])

    assert np.allclose(settled.vertices, CORNERS * HALF + [0.1, 0.0, 0.0], atol=1e-5)
