# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mesh.solids import ball, block, moved, ring, solid, spiky_hull
from surface.truths import faults, lattice

from fourview.errors import CanceledError
from fourview.mesh.measure import measure
from fourview.mesh.mesh import Mesh
from fourview.mesh.simplify import CHILD_FACES, LEFT, fast_start, fewer_faces, simplify
from fourview.surface.extract import extract
from fourview.surface.octree import sample

SOLIDS = {
    "spiky hull": (spiky_hull, 96),
    "noisy blob": (lambda p: ball(p, 0.7) + 0.05 * np.sin(40 * p).sum(axis=1), 64),
    "sheet of a cell": (lambda p: block(p, (0.9, 0.8, 0.016)), 64),
    "ring and ball": (lambda p: np.maximum(ring(p), ball(p, 0.2)), 64),
    "sponge": (lambda p: np.minimum(block(p, (0.9, 0.9, 0.9)), np.sin(12 * p).sum(axis=1)), 48),
}


def assert_promise_kept(small, notices, target):
    assert not notices
    assert 0.98 * target <= len(small.faces) <= target
    assert not faults(small)


@pytest.mark.parametrize("target", [100, 301, 1000, 5000])
@pytest.mark.parametrize("name", SOLIDS)
def test_count_and_closedness_are_promised_to_every_target(name, target):
    full = solid(*SOLIDS[name])
    assert len(full.faces) > target

    small, notices = simplify(full, target)

    assert_promise_kept(small, notices, target)
    assert measure(small).components <= measure(full).components


@pytest.mark.parametrize("name", ["spiky hull", "ring and ball"])
def test_the_shape_stays(name):
    full = solid(*SOLIDS[name])

    small, _ = simplify(full, 3000)

    assert np.isclose(measure(small).volume, measure(full).volume, rtol=0.01)
    assert np.allclose(measure(small).bounds, measure(full).bounds, atol=0.02)
    assert measure(small).components == measure(full).components


def test_a_mesh_that_is_small_enough_comes_back_itself():
    mesh = solid(ball, 12)

    small, notices = simplify(mesh, len(mesh.faces))

    assert small is mesh
    assert not notices


def test_the_same_mesh_gives_the_same_bytes():
    full = solid(spiky_hull, 64)

    one, other = simplify(full, 1000)[0], simplify(full, 1000)[0]

    assert one.vertices.tobytes() == other.vertices.tobytes()
    assert one.faces.tobytes() == other.faces.tobytes()
    assert (one.vertices.dtype, one.faces.dtype) == (np.float32, np.int32)


def test_a_large_mesh_starts_fast_and_keeps_the_promise():
    full = solid(lambda p: spiky_hull(p) + 0.004 * np.sin(170 * p).sum(axis=1), 200)
    assert len(full.faces) > 2 * LEFT[0] + 10_000

    small, notices = simplify(full, 10_000)

    assert_promise_kept(small, notices, 10_000)
    assert measure(small).components <= measure(full).components
    assert np.isclose(measure(small).volume, measure(full).volume, rtol=0.01)


def test_the_fast_start_pinches_and_is_mended():
    full = solid(spiky_hull, 128)
    assert faults(Mesh(*fewer_faces(full.vertices.astype(float), full.faces, 3000)))

    start = fast_start(full.vertices.astype(float), full.faces, 3000, 1, lambda done: None)

    assert start is None or not faults(Mesh(*start))


def test_a_cancel_reaches_a_native_call():
    """So many copies of a ball that the call would take seconds."""
    ball_mesh = solid(ball, 100)
    copies = 1 + CHILD_FACES // len(ball_mesh.faces)
    vertices = np.concatenate([moved(ball_mesh, (3 * k, 0, 0)).vertices for k in range(copies)])
    faces = np.concatenate([ball_mesh.faces + k * len(ball_mesh.vertices) for k in range(copies)]).astype(np.int32)

    def tick(done):
        raise CanceledError("stop")

    with pytest.raises(CanceledError):
        simplify(Mesh(vertices, faces), 10_000, tick)


def test_progress_never_falls():
    seen = []

    simplify(solid(spiky_hull, 64), 500, seen.append)

    assert len(seen) > 10
    assert seen == sorted(seen)
    assert 0 <= seen[0] <= seen[-1] <= 1


def test_an_open_mesh_is_simplified_as_far_as_it_goes():
    full = solid(ball, 32)
    bowl = Mesh(full.vertices, full.faces[full.vertices[full.faces, 1].mean(axis=1) < 0])

    small, notices = simplify(bowl, 500)

    assert len(small.faces) < len(bowl.faces) / 4
    assert all("not closed" in notice.message for notice in notices)


@settings(max_examples=40, deadline=None)
@given(arrays(np.float32, (9, 9, 9), elements=st.floats(-1, 1, width=32)), st.integers(100, 1000))
def test_noise_keeps_the_promise(values, target):
    values[0, 0, 0] = values[4, 4, 4] = 1
    field, resolution = lattice(values)
    full = extract(sample(field, resolution))

    small, notices = simplify(full, target)

    if len(full.faces) <= target:
        assert small is full
    else:
        assert_promise_kept(small, notices, target)
