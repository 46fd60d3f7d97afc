# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from mesh.solids import TETRAHEDRON, ball, block, inside_out, moved, solid, together
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fourview.mesh.crumbs import drop_crumbs
from fourview.mesh.measure import measure
from fourview.mesh.mesh import Mesh
from fourview.mesh.topology import connected


def test_crumbs_are_dropped_and_the_body_is_untouched():
    body = solid(ball, 24)
    crumb = Mesh(TETRAHEDRON.vertices * 0.05, TETRAHEDRON.faces)

    clean, dropped = drop_crumbs(together(moved(crumb, (0.9, 0, 0)), body, moved(crumb, (0, 0.9, 0))))

    assert dropped == 2
    assert np.array_equal(clean.vertices, body.vertices)
    assert np.array_equal(clean.faces, body.faces)


def test_parts_of_a_size_stay():
    pair = solid(lambda p: np.maximum(ball(p, 0.3, (-0.5, 0, 0)), ball(p, 0.4, (0.5, 0, 0))), 32)

    clean, dropped = drop_crumbs(pair)

    assert dropped == 0
    assert clean is pair
    assert measure(clean).components == 2


def test_hollows_are_dropped_and_counted():
    hollow = solid(lambda p: np.minimum(block(p), -ball(p, 0.2)), 40)

    clean, dropped = drop_crumbs(hollow)

    assert dropped == 1
    assert np.isclose(measure(clean).volume, measure(solid(block, 40)).volume)


def test_a_mesh_that_is_inside_out_is_not_taken_for_a_hollow():
    pair = inside_out(together(TETRAHEDRON, moved(TETRAHEDRON, (2, 0, 0))))

    clean, dropped = drop_crumbs(pair)

    assert dropped == 0
    assert len(clean.faces) == 8


def test_an_empty_mesh_stays_empty():
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))

    clean, dropped = drop_crumbs(empty)

    assert dropped == 0
    assert len(clean.faces) == 0


@given(st.integers(1, 60), st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=80))
def test_connected_things_have_one_label_and_others_another(count, links):
    a, b = (np.array([link[k] % count for link in links], np.int32) for k in range(2))

    label = connected(a, b, count)

    parts, plain = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(count, count)), directed=False)
    assert len(np.unique(label)) == parts
    assert len(np.unique(np.stack([label, plain]), axis=1).T) == parts
    assert (label <= np.arange(count)).all()


def test_a_long_chain_is_one_part():
    """Labels that only walked a step a round would need 100,000 rounds."""
    chain = np.random.default_rng(0).permutation(100_000).astype(np.int32)

    label = connected(chain[:-1], chain[1:], len(chain))

    assert (label == 0).all()
