# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The checker of the other tests finds what it should."""

import numpy as np
from surface.truths import BOX, faults, volume, windings

from fourview.mesh.mesh import Mesh

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32)


def test_a_tetrahedron_has_no_fault():
    mesh = Mesh(CORNERS, FACES)

    assert faults(mesh) == []
    assert abs(volume(mesh) - 1 / 6) < 1e-6
    assert np.allclose(windings(mesh, [[0.1, 0.1, 0.1], BOX[1]]), [1, 0])


def test_two_that_touch_at_a_position_are_not_one_fan():
    twin = Mesh(np.concatenate([CORNERS, -CORNERS]), np.concatenate([FACES, FACES[:, ::-1] + 4]))

    assert faults(twin) == ["the faces around a vertex are not one closed fan"]


def test_two_that_touch_along_an_edge_are_seen():
    turned = CORNERS * np.float32([1, -1, -1])
    twin = Mesh(np.concatenate([CORNERS, turned]), np.concatenate([FACES, FACES + 4]))

    assert "an edge has not exactly two faces, one each way" in faults(twin)


def test_a_hole_a_turned_face_and_a_lone_vertex_are_seen():
    assert "an edge has not exactly two faces, one each way" in faults(Mesh(CORNERS, FACES[1:]))
    turned = np.concatenate([FACES[1:], FACES[:1, ::-1]])
    assert "an edge has not exactly two faces, one each way" in faults(Mesh(CORNERS, turned))
    assert faults(Mesh(np.concatenate([CORNERS, BOX]), FACES)) == ["a vertex has no face"]
