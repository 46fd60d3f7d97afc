# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from surface.truths import BOX, area, cuboid, euler, faults, lattice, sphere, torus, volume, windings

from fourview.errors import CanceledError, SurfaceError
from fourview.mesh.mesh import merge_vertices
from fourview.surface.extract import CELLS_A_PASS, extract
from fourview.surface.field import Field
from fourview.surface.octree import sample, sample_dense

BIG = float(np.finfo(np.float32).max)
SMALL = float(np.finfo(np.float32).smallest_subnormal)


def mesh_of(values):
    field, r = lattice(values)
    return extract(sample(field, r))


@pytest.mark.parametrize(("r", "error"), [(32, 4e-3), (64, 1e-3), (128, 2.5e-4)])
def test_volume_and_area_of_a_ball_converge_with_the_square_of_the_cell(r, error):
    mesh = extract(sample(sphere(0.8), r))

    assert volume(mesh) == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=error)
    assert area(mesh) == pytest.approx(4 * np.pi * 0.8**2, rel=error)


def test_every_vertex_of_a_ball_lies_on_it_within_a_twentieth_of_a_cell():
    mesh = extract(sample(sphere(0.8), 64))

    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.8).max() < 0.05 * 2 / 64


def test_euler_numbers_are_those_of_the_solids():
    ball, ring = extract(sample(sphere(0.7), 61)), extract(sample(torus(0.6, 0.3), 61))

    assert (euler(ball), euler(ring)) == (2, 0)
    assert faults(ball) == faults(ring) == []
    assert volume(ring) == pytest.approx(2 * np.pi**2 * 0.6 * 0.3**2, rel=0.01)


def test_types_are_small():
    mesh = extract(sample(sphere(0.7), 16))

    assert (mesh.vertices.dtype, mesh.faces.dtype, mesh.uv) == (np.float32, np.int32, None)


@pytest.mark.parametrize("r", [16, 31, 64])
def test_a_cuboid_whose_sides_are_exactly_zero_on_samples_is_closed(r):
    """Its six planes pass through samples at r = 16 and 64."""
    mesh = extract(sample(cuboid((0.5, 0.75, 0.25)), r))

    assert faults(mesh) == []
    assert euler(mesh) == 2
    assert volume(mesh) == pytest.approx(8 * 0.5 * 0.75 * 0.25, rel=0.03 if r == 31 else 0.02)


def test_a_plane_through_samples_and_through_the_border_closes_with_the_box():
    mesh = extract(sample(Field(lambda p: -p[:, 0], BOX), 16))

    assert faults(mesh) == []
    assert euler(mesh) == 2
    assert volume(mesh) == pytest.approx(4, rel=0.02)
    assert mesh.vertices[:, 0].max() == pytest.approx(0, abs=0.05 * 2 / 16)


@pytest.mark.parametrize("r", [1, 2, 16, 17])
@pytest.mark.parametrize("value", [SMALL, 1, BIG, np.inf])
def test_a_field_that_is_positive_everywhere_becomes_its_box(r, value):
    mesh = extract(sample(Field(lambda p: np.full(len(p), value, np.float32), BOX), r))

    assert faults(mesh) == []
    assert euler(mesh) == 2
    assert windings(mesh, [[0, 0, 0], [0.9, -0.9, 0.9]]) == pytest.approx(1)
    assert volume(mesh) == pytest.approx(8, rel=0.15 if np.isfinite(value) and value < BIG else 10)


@pytest.mark.parametrize("r", [16, 17, 101, 251])
def test_the_mesh_has_exactly_as_many_cells_as_were_asked_for(r):
    """Above each sample on the upper side of a full box stands one vertex."""
    bounds = np.array([[-1, -0.1, -0.05], [1, 0.1, 0.05]], np.float32)
    mesh = extract(sample(Field(lambda p: np.ones(len(p), np.float32), bounds), r))
    top = mesh.vertices[mesh.vertices[:, 2] == mesh.vertices[:, 2].max()]

    assert len(np.unique(top[:, 0])) == r + 1
    assert (top[:, 0].min(), top[:, 0].max()) == (-1, 1)


def test_values_beyond_float32_have_a_clear_sign():
    mesh = extract(sample(Field(lambda p: (0.51 - np.abs(p).max(axis=1)) * np.float64(1e300), BOX), 16))

    assert faults(mesh) == []
    assert volume(mesh) == pytest.approx((1 + 2 / 16) ** 3, rel=0.05)  # infinity on both sides: half-way


def test_checkerboards_are_manifold():
    board = np.indices((8, 9, 10)).sum(axis=0) % 2 * 2.0 - 1

    zeros = np.where(board > 0, 0, -1.0)
    zeros[0, 0, 1] = 1

    for values in (board, -board, zeros, np.where(board > 0, board, -BIG)):
        assert faults(mesh_of(values)) == []


def test_one_cell_sheets_are_manifold_and_two_sided():
    for axis in range(3):
        values = np.full((9, 9, 9), -1.0)
        values[(slice(None),) * axis + (4,)] = 0.001
        values[(0, 8), :, :] = values[:, (0, 8), :] = values[:, :, (0, 8)] = -1.0
        mesh = mesh_of(values)

        assert faults(mesh) == []
        assert euler(mesh) == 2
    diagonal = np.where(np.indices((8, 8, 8)).sum(axis=0) == 9, 1.0, -1.0)
    assert faults(mesh_of(diagonal)) == []


def test_all_4096_pairs_of_cells_are_manifold_and_wound_outward():
    """Every way in which the 2 x 2 x 3 samples of two neighbours can be inside, all in one grid, along each axis."""
    pair = np.arange(4096)[:, None] >> np.arange(12) & 1  # (4096, 12)
    for turn in range(3):
        tiles = np.zeros((16, 16, 16, 4, 4, 5), int)
        tiles[..., :2, :2, :3] = pair.reshape(16, 16, 16, 2, 2, 3)
        values = np.moveaxis(tiles, (0, 1, 2, 3, 4, 5), (0, 2, 4, 1, 3, 5)).reshape(64, 64, 80) * 2.0 - 1
        values = np.transpose(values, np.roll([0, 1, 2], turn))
        field, r = lattice(values)
        mesh = extract(sample_dense(field, r))

        assert faults(mesh) == []
        assert euler(mesh) > 0
        assert volume(mesh) > 0


numbers = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, SMALL, -SMALL, BIG, -BIG, np.inf, -np.inf]),
    st.floats(width=32, allow_nan=False),
)
shapes = st.tuples(st.integers(2, 6), st.integers(2, 6), st.integers(2, 6))


@settings(max_examples=300, deadline=None)
@given(arrays(np.float32, shapes, elements=numbers))
def test_any_field_gives_a_closed_manifold_with_its_samples_on_the_right_side_or_a_named_error(values):
    field, r = lattice(values)

    try:
        samples = sample_dense(field, r)
    except SurfaceError:
        assert not (values > 0).any()
        return
    mesh = extract(samples)

    assert faults(mesh) == []
    assert faults(merge_vertices(mesh)[0]) == []
    nodes = np.indices(values.shape).reshape(3, -1)
    wound = windings(mesh, samples.grid.points(nodes + 1, samples.backend))
    assert np.allclose(wound, (values >= 0).ravel(), atol=1e-3)
    assert faults(extract(sample(field, r))) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.2, 0.5, 0.8, 0.98]), st.sampled_from([1, 2, 4]))
def test_white_noise_is_manifold_and_sparse_as_dense(seed, share, coarse_cells):
    random = np.random.default_rng(seed)
    values = random.normal(size=random.integers(5, 14, 3)) + np.where(random.random() < share, 1.0, -1.0)
    values.flat[random.integers(values.size)] = 0.5
    field, r = lattice(np.where(random.random(values.shape) < 0.1, 0, values))

    mesh = extract(sample_dense(field, r))

    assert faults(mesh) == []
    assert volume(mesh) > 0
    assert faults(extract(sample(field, r, coarse_cells=coarse_cells))) == []


@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_cells_of_noise_are_manifold(seed):
    values = np.random.default_rng(seed).normal(size=(25, 25, 25)).astype(np.float32)

    assert faults(mesh_of(values)) == []
    assert faults(mesh_of(np.rint(values))) == []


def test_the_tick_rises_and_stops_the_work():
    samples = sample(sphere(0.9), 200)
    ticks = []
    extract(samples, ticks.append)

    assert ticks == sorted(ticks)
    assert len(ticks) >= 2 * len(samples.cells) / CELLS_A_PASS

    def cancel(done):
        raise CanceledError("stop")

    with pytest.raises(CanceledError):
        extract(samples, cancel)
