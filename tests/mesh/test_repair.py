# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh.solids import TETRAHEDRON, moved, ring, solid, spiky_hull, together
from surface.truths import faults

from fourview.mesh.collapse import squeeze
from fourview.mesh.measure import measure
from fourview.mesh.mesh import Mesh, merge_vertices
from fourview.mesh.repair import cancel_doubles, make_manifold, settle


def mended(mesh):
    return Mesh(*make_manifold(mesh.vertices.astype(np.float64), mesh.faces))


def test_a_sound_mesh_keeps_every_face_where_it_is():
    mesh = solid(ring, 16)

    same = mended(mesh)

    assert np.array_equal(same.vertices[same.faces], mesh.vertices[mesh.faces])


def test_faces_back_to_back_cancel_out():
    doubled = np.concatenate([TETRAHEDRON.faces, [[0, 1, 2], [5, 4, 6], [2, 1, 0], [4, 5, 6], [4, 5, 6]]])

    kept = cancel_doubles(doubled)

    assert sorted(map(sorted, kept.tolist())) == sorted([*map(sorted, TETRAHEDRON.faces.tolist()), [4, 5, 6]])


@pytest.mark.parametrize("steps", [(1, 1, 1), (1, 1, 0)], ids=["a corner", "an edge"])
def test_cubes_that_touch_get_vertices_of_their_own_and_stay_as_large(steps):
    cube = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32)
    sides = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    box = Mesh(cube, np.array([[s[0], s[k], s[k + 1]] for s in sides for k in (1, 2)], np.int32))
    touching, _ = merge_vertices(together(box, moved(box, steps)))
    assert faults(touching)

    apart = mended(touching)

    assert not faults(apart)
    assert np.isclose(measure(apart).volume, 2, rtol=0.1)


def test_a_neck_squeezed_to_an_edge_stays_connected():
    """Two pyramids base to base over a line: what is left of a rod whose section collapsed."""
    vertices = np.array([[0, 0, -1], [0, 0, 1], [-2, -1, 0], [-2, 1, 0], [2, -1, 0], [2, 1, 0]], np.float32)
    left = [[0, 1, 2], [1, 0, 3], [0, 2, 3], [1, 3, 2]]
    right = [[1, 0, 4], [0, 1, 5], [0, 5, 4], [1, 4, 5]]
    pinched = Mesh(vertices, np.array(left + right, np.int32))
    pinched = pinched if measure(pinched).volume > 0 else Mesh(vertices, pinched.faces[:, ::-1])
    assert faults(pinched)

    whole = mended(pinched)

    assert not faults(whole)
    assert measure(whole).components == 1
    assert measure(Mesh(*make_manifold(pinched.vertices.astype(float), pinched.faces, cut=True))).components == 2


def test_an_open_mesh_is_beyond_repair():
    assert make_manifold(TETRAHEDRON.vertices.astype(float), TETRAHEDRON.faces[1:]) is None


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 400), st.lists(st.booleans(), min_size=1, max_size=4))
def test_whatever_is_squeezed_can_be_mended(count, cuts):
    mesh = solid(spiky_hull, 24)
    vertices, faces = mesh.vertices.astype(float), mesh.faces

    for cut in cuts:
        vertices, faces = make_manifold(*squeeze(vertices, faces, count), cut)

    assert not faults(Mesh(vertices, faces))


@given(st.lists(st.tuples(*[st.floats(-2, 2, width=32)] * 3), min_size=1, max_size=30), st.integers(1, 4))
def test_settled_positions_survive_a_change_of_unit_and_origin(points, copies):
    vertices = np.tile(np.array([*points, (2, 0, 0)], np.float64), (copies, 1))

    settled = settle(vertices)

    in_millimetres = (settled * np.float32(437.3) + np.float32([1000, 0.1, -333])).astype(np.float32)
    assert len(np.unique(in_millimetres, axis=0)) == len(vertices)
    assert abs(settled - vertices).max() < 0.001
