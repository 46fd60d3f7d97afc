# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from mesh.solids import BOX, TETRAHEDRON, ball, block, inside_out, moved, ring, solid, soup, together
from surface.truths import faults

from fourview.mesh.measure import measure
from fourview.mesh.mesh import Mesh


def test_a_sphere_has_its_volume_its_bounds_and_eulers_number():
    health = measure(solid(ball, 64))

    assert health.watertight
    assert health.manifold
    assert (health.components, health.euler, health.degenerate) == (1, 2, 0)
    assert np.isclose(health.volume, 4 / 3 * np.pi * 0.8**3, rtol=0.005)
    assert np.allclose(health.bounds, BOX * 0.8, atol=0.002)


def test_a_ring_has_eulers_number_0_and_two_parts_add_up():
    torus, sphere = solid(ring, 32), solid(lambda p: ball(p, 0.2), 32)

    both = measure(together(torus, sphere))

    assert measure(torus).euler == 0
    assert both.components == 2
    assert both.euler == 2
    assert both.faces == len(torus.faces) + len(sphere.faces)
    assert np.isclose(both.volume, measure(torus).volume + measure(sphere).volume)


def test_a_soup_of_faces_is_as_healthy_as_the_mesh_it_came_from():
    mesh = solid(block, 20)

    assert measure(soup(mesh)) == measure(mesh)


def test_a_missing_face_leaks_but_is_manifold():
    health = measure(Mesh(TETRAHEDRON.vertices, TETRAHEDRON.faces[1:]))

    assert not health.watertight
    assert health.manifold
    assert health.euler == 1


def test_a_flipped_face_leaks():
    faces = TETRAHEDRON.faces.copy()
    faces[0] = faces[0, ::-1]

    assert not measure(Mesh(TETRAHEDRON.vertices, faces)).watertight


@pytest.mark.parametrize("shared", [{0: 0}, {0: 0, 1: 1}], ids=["a corner", "an edge"])
def test_solids_that_touch_in_a_corner_or_an_edge_are_not_manifold(shared):
    other = np.array([shared.get(k, k + 4) for k in range(4)])
    vertices = np.concatenate([TETRAHEDRON.vertices, -1 - TETRAHEDRON.vertices])
    mesh = Mesh(vertices, np.concatenate([TETRAHEDRON.faces, other[TETRAHEDRON.faces]]).astype(np.int32))

    health = measure(mesh)

    assert faults(mesh)
    assert not health.manifold
    assert health.components == 1
    assert health.watertight == (len(shared) == 1)


def test_inside_out_is_a_negative_volume():
    assert np.isclose(measure(inside_out(TETRAHEDRON)).volume, -1 / 6)


def test_volume_does_not_depend_on_the_place():
    assert np.isclose(measure(moved(TETRAHEDRON, (5, -3, 2))).volume, 1 / 6, atol=1e-5)


def test_faces_without_area_are_counted():
    vertices = np.concatenate([TETRAHEDRON.vertices, [[0.5, 0, 0]]]).astype(np.float32)
    halved = np.concatenate([TETRAHEDRON.faces, [[0, 1, 4]]]).astype(np.int32)

    assert measure(Mesh(vertices, halved)).degenerate == 1


def test_vertices_without_a_face_do_not_count():
    stray = Mesh(np.concatenate([TETRAHEDRON.vertices, [[9, 9, 9]]]).astype(np.float32), TETRAHEDRON.faces)

    assert measure(stray) == measure(TETRAHEDRON)


def test_nothing_is_not_watertight():
    health = measure(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)))

    assert not health.watertight
    assert health.faces == 0
