# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
from surface.truths import BOX

from fourview.surface.field import Field


def test_a_field_with_a_tile_is_asked_for_exactly_that_many_points():
    asked = []

    def value(points):
        asked.append(len(points))
        return points[:, 0]

    points = np.arange(3 * 10, dtype=np.float32).reshape(10, 3)
    values = Field(value, BOX, tile=4)(points)

    assert asked == [4, 4, 4]
    assert np.array_equal(values, points[:, 0])


def test_a_field_without_a_tile_is_asked_once():
    asked = []
    Field(lambda points: asked.append(len(points)) or points[:, 0], BOX)(np.zeros((10, 3), np.float32))

    assert asked == [10]
