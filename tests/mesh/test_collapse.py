# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from mesh.solids import TETRAHEDRON, ball, block, ring, solid
from surface.truths import faults

from fourview.errors import CanceledError
from fourview.mesh.collapse import collapse
from fourview.mesh.measure import measure
from fourview.mesh.mesh import Mesh, keep_faces


def collapsed(mesh, target):
    vertices, faces = collapse(mesh.vertices.astype(np.float64), mesh.faces, target)
    return keep_faces(Mesh(vertices, faces), np.ones(len(faces), bool))


@pytest.mark.parametrize("target", [4, 20, 101, 500])
def test_the_count_is_met_to_the_face(target):
    small = collapsed(solid(ball, 20), target)

    assert len(small.faces) == target - target % 2
    assert not faults(small)


def test_a_coarse_sphere_is_still_round():
    """300 flat faces with their corners on the sphere would enclose 4 % less; quadrics put them a little outside."""
    small = collapsed(solid(ball, 48), 300)

    assert np.isclose(measure(small).volume, 4 / 3 * np.pi * 0.8**3, rtol=0.02)
    assert abs(np.linalg.norm(small.vertices, axis=1) - 0.8).max() < 0.03


def test_flat_sides_go_first_and_edges_stay_sharp():
    """A block needs 12 faces; the extracted one has its 12 edges and 8 corners cut off by a cell, nothing else."""
    full = solid(block, 60)

    small = collapsed(full, 300)

    assert np.isclose(measure(small).volume, measure(full).volume, rtol=1e-4)
    assert np.allclose(measure(small).bounds, measure(full).bounds, atol=1e-3)


def test_a_hole_is_never_closed():
    small = collapsed(solid(ring, 32), 4)

    assert measure(small).euler == 0
    assert not faults(small)
    assert 14 <= len(small.faces) < 40  # a torus needs 14 (Möbius, 1886)


def test_a_tetrahedron_cannot_shrink():
    small = collapsed(TETRAHEDRON, 2)

    assert np.array_equal(small.faces, TETRAHEDRON.faces)


def test_faces_keep_their_side():
    small = collapsed(solid(ball, 32), 200)

    a, b, c = (small.vertices[small.faces[:, k]] for k in range(3))
    assert ((np.cross(b - a, c - a) * (a + b + c)).sum(axis=1) > 0).all()


def test_a_cancel_is_heard_in_every_round():
    full = solid(ball, 32)
    heard = []

    def tick(done):
        heard.append(done)
        if len(heard) == 3:
            raise CanceledError("stop")

    with pytest.raises(CanceledError):
        collapse(full.vertices.astype(np.float64), full.faces, 100, tick)

    assert heard == sorted(heard)
    assert 0 <= heard[0] < heard[2] < 1
