# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from surface.truths import BOX, cuboid, faults, occupancy, sphere, torus, union, without

from fourview.errors import CanceledError, SurfaceError
from fourview.surface.extract import extract
from fourview.surface.field import Field
from fourview.surface.grid import COARSE_CELLS, Grid
from fourview.surface.octree import LARGEST_PASS, sample, sample_dense


def same(a, b):
    """Vertex for vertex and face for face."""
    return np.array_equal(a.vertices, b.vertices) and np.array_equal(a.faces, b.faces)


SOLIDS = {
    "ball": sphere(0.9),
    "ball off the middle": sphere(0.4, (0.5, -0.3, 0.55)),
    "ring": torus(0.6, 0.3),
    "block": cuboid((0.9, 0.5, 0.7)),
    "bowl": without(without(sphere(0.9), sphere(0.6)), cuboid((0.3, 0.95, 0.3))),
    "two": union(sphere(0.4, (-0.5, 0, 0)), cuboid((0.3, 0.9, 0.3))),
    "beyond the box": sphere(1.2),
    "flat box": cuboid((0.9, 0.9, 0.2), np.array([[-1, -1, -0.3], [1, 1, 0.3]], np.float32)),
}


@pytest.mark.parametrize("name", SOLIDS)
@pytest.mark.parametrize(("r", "coarse_cells"), [(31, 8), (64, 8), (101, 12), (128, 16)])
def test_sparse_is_dense_face_for_face(name, r, coarse_cells):
    for field in (SOLIDS[name], occupancy(SOLIDS[name])):
        sparse, dense = sample(field, r, coarse_cells=coarse_cells), sample_dense(field, r)

        assert sparse.grid.coarsest >= 2
        assert sparse.asked < dense.asked
        assert same(extract(sparse), extract(dense))


def test_sparse_is_dense_at_256_cells_with_the_usual_first_level():
    field = cuboid((0.9, 0.8, 0.1), np.array([[-1, -1, -0.15], [1, 1, 0.15]], np.float32))
    sparse = sample(field, 256)

    assert sparse.grid.coarsest == 4
    assert same(extract(sparse), extract(sample_dense(field, 256)))


@settings(max_examples=40)
@given(st.data())
def test_sparse_is_dense_for_any_two_balls_that_hold_a_coarse_cell(data):
    """A ball as wide as the diagonal of a coarse cell holds one of its corners."""
    number = st.floats(-0.9, 0.9)
    r = data.draw(st.integers(16, 64))
    coarsest = Grid.of(BOX, r, 4).coarsest
    radii = st.floats(np.sqrt(3) / 2 * 1.01 * coarsest * 2 / r, 0.6)
    balls = [sphere(data.draw(radii), data.draw(st.tuples(number, number, number)), BOX) for _ in range(2)]
    field = occupancy(union(*balls))

    assert same(extract(sample(field, r, coarse_cells=4)), extract(sample_dense(field, r)))


def test_a_rod_thinner_than_a_cell_is_followed_from_the_ball_it_grows_from():
    rod = Field(
        lambda p: np.where((np.hypot(p[:, 0] - 0.01, p[:, 1] + 0.02) < 0.03) & (abs(p[:, 2]) < 0.9), 1.0, -1), BOX
    )
    field = union(occupancy(sphere(0.3)), rod)

    sparse = extract(sample(field, 96, coarse_cells=8))

    assert same(sparse, extract(sample_dense(field, 96)))
    assert np.ptp(sparse.vertices[:, 2]) > 1.7


def test_a_plate_between_the_coarse_nodes_is_found_if_the_field_is_a_distance():
    plate = cuboid((0.8, 0.8, 0.02))
    plate = Field(lambda p: plate_distance(p, (0.8, 0.8, 0.02), (0, 0, 0.06)), BOX)
    ball = sphere(0.2, (0, 0, -0.7))
    field = union(ball, plate)

    sparse = extract(sample(field, 96, coarse_cells=8))

    assert same(sparse, extract(sample_dense(field, 96)))


def plate_distance(p, half, centre):
    q = np.abs(p - np.float32(centre)) - np.float32(half)
    return -(np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0))


def test_a_lone_speck_that_shows_at_no_coarse_node_is_missed_beside_a_body_but_not_alone():
    """What docs/how/surface.md says of features thinner than the coarsest cell."""
    speck = occupancy(sphere(0.04, (0.55, 0.56, 0.54)))
    body = occupancy(sphere(0.3, (-0.5, -0.5, -0.5)))

    beside = [find(union(body, speck), 96, coarse_cells=8) for find in (sample, lambda f, r, **_: sample_dense(f, r))]
    alone = sample(speck, 96, coarse_cells=8)

    assert len(extract(beside[0]).faces) < len(extract(beside[1]).faces)
    assert same(extract(alone), extract(sample_dense(speck, 96)))


def test_only_a_band_around_the_surface_is_evaluated():
    for field in (sphere(0.97), torus(0.6, 0.3), SOLIDS["two"], occupancy(SOLIDS["bowl"])):
        asked = []

        def count(points, field=field, asked=asked):
            asked.append(len(points))
            return field(points)

        samples = sample(Field(count, BOX), 256)

        assert samples.asked == samples.evaluated == sum(asked)
        assert samples.share == sum(asked) / 257**3
        assert samples.share < 0.09


def network(points):
    """A field made of matrix products, whose last bits depend on the size of a batch."""
    random = np.random.default_rng(1)
    a, b, c = (random.normal(size=s).astype(np.float32) for s in ((3, 64), (64, 64), (64,)))
    return np.tanh(np.tanh(points @ (2 * a)) @ b * np.float32(0.2)) @ c * np.float32(0.02) + (
        np.float32(0.6) - np.linalg.norm(points, axis=1)
    )


@pytest.mark.bits
@pytest.mark.parametrize("field", [torus(0.6, 0.25), Field(network, BOX, tile=4096)], ids=["pointwise", "network"])
def test_num_chunks_never_changes_a_bit(field):
    meshes = [(sample(field, 72, n), extract(sample(field, 72, n))) for n in (1_000, 7_777, 5_000_000)]

    for samples, mesh in meshes[1:]:
        assert np.array_equal(samples.values, meshes[0][0].values)
        assert same(mesh, meshes[0][1])


@pytest.mark.parametrize("num_chunks", [1_000, 7_777, 200_000, 5_000_000])
def test_a_pass_holds_at_most_num_chunks_points(num_chunks):
    sizes = []
    plain = sphere(0.9)
    sample(Field(lambda p: sizes.append(len(p)) or plain(p), BOX), 128, num_chunks)

    assert max(sizes) <= min(num_chunks, LARGEST_PASS)
    assert max(sizes) >= min(num_chunks, LARGEST_PASS) / 2


@pytest.mark.parametrize("num_chunks", [1_000, 10_000])
def test_a_pass_is_one_tile_of_a_field_that_has_one(num_chunks):
    passes = []

    class Watched(Field):
        def __call__(self, points):
            passes.append(len(points))
            return super().__call__(points)

    plain = sphere(0.9)
    sample(Watched(plain.value, BOX, tile=4096), 48, num_chunks)

    assert max(passes) == 4096


def test_at_256_cells_a_network_is_asked_for_a_tenth_of_the_points_or_less():
    solids = {
        "ball": lambda p: 0.8 - np.linalg.norm(p, axis=1),
        "ring": lambda p: 0.2 - np.hypot(np.hypot(p[:, 0], p[:, 1]) - 0.6, p[:, 2]),
        "cup": lambda p: np.minimum(0.06 - np.abs(np.linalg.norm(p, axis=1) - 0.7), 0.3 - p[:, 1]),
    }

    shares = {
        name: sample(Field(lambda p, solid=solid: solid(p).astype(np.float32), BOX, tile=8192), 256).share
        for name, solid in solids.items()
    }

    assert max(shares.values()) < 0.1, shares  # filler included


def thorns(points):
    """A ball with rods thinner than a cell, which no node of the first level need hold."""
    ways = np.random.default_rng(5).normal(size=(6, 3))
    values = 0.3 - np.linalg.norm(points, axis=1)
    for way in (ways / np.linalg.norm(ways, axis=1, keepdims=True)).astype(np.float32):
        along = points[:, 0] * way[0] + points[:, 1] * way[1] + points[:, 2] * way[2]  # `@` would depend on the batch
        nearest = np.clip(along, 0, 0.9)[:, None] * way
        values = np.maximum(values, 0.012 - np.linalg.norm(points - nearest, axis=1))
    return values.astype(np.float32)


TILED = {**SOLIDS, "thorns": Field(thorns, BOX)}


@pytest.mark.parametrize("name", [*SOLIDS, pytest.param("thorns", marks=pytest.mark.bits)])
@pytest.mark.parametrize("tile", [7, 1_000, 8_192])
def test_a_tile_changes_neither_a_cell_nor_a_face(name, tile):
    field, asked = TILED[name], []
    tiled = Field(lambda p: asked.append(len(p)) or field(p), field.bounds, tile)

    samples, plain = sample(tiled, 96, coarse_cells=24), sample(field, 96, coarse_cells=24)

    assert set(asked) == {tile}
    assert samples.evaluated == sum(asked) >= samples.asked
    assert np.array_equal(samples.cells, plain.cells)
    assert np.array_equal(samples.cases, plain.cases)
    assert same(extract(samples), extract(plain))


def test_tiles_waste_little_and_a_tenth_of_the_dense_points_is_enough():
    """At 256 cells and 8,192 points a tile: copies and guesses that fill up tiles are counted."""
    box = 1.01 * BOX
    fields = [SOLIDS["ball"], SOLIDS["ring"], SOLIDS["bowl"], Field(network, BOX), Field(thorns, BOX)]
    plain = [sample(Field(field.value, box), 256) for field in fields]
    tiled = [sample(Field(field.value, box, 8_192), 256) for field in fields]

    waste = [t.evaluated / p.asked - 1 for t, p in zip(tiled, plain, strict=True)]
    assert np.median(waste) < 0.06
    assert max(waste) < 0.2
    assert max(t.share for t in tiled) < 1 / 10


@pytest.mark.parametrize("value", [-1.0, 0.0, -np.inf])
@pytest.mark.parametrize("find", [sample, sample_dense])
def test_a_field_without_a_positive_sample_is_an_error_with_the_cure(find, value):
    field = Field(lambda p: np.full(len(p), value, np.float32), BOX)

    with pytest.raises(SurfaceError, match=r"nowhere positive: none of the 4,913 points .* check that the mattes"):
        find(field, 16)


@pytest.mark.parametrize("find", [sample, sample_dense])
def test_a_field_that_is_not_a_number_somewhere_is_an_error_that_says_where(find):
    def value(points):
        return np.where(np.linalg.norm(points - np.float32([0.5, 0, 0]), axis=1) < 0.2, np.nan, sphere(0.5)(points))

    with pytest.raises(SurfaceError, match=r"not a number at [\d,]+ of [\d,]+ points, the first at \[0\.\d+, .* check"):
        find(Field(value, BOX), 64)
    with pytest.raises(SurfaceError, match="not a number"):
        find(Field(lambda p: np.full(len(p), np.nan), BOX), 16)


def test_the_tick_rises_to_one_and_stops_the_work():
    ticks = []
    sample(torus(0.6, 0.3), 128, 5_000, ticks.append)

    assert ticks == sorted(ticks)
    assert ticks[-1] == 1
    assert len(ticks) > 50

    def cancel(done):
        raise CanceledError("stop")

    with pytest.raises(CanceledError):
        sample(sphere(0.5), 32, tick=cancel)


@pytest.mark.parametrize("r", range(1, 16))
def test_few_cells_are_enough_for_a_surface(r):
    mesh = extract(sample(sphere(1.01, (-1, -1, -1)), r))

    assert faults(mesh) == []


def test_the_default_first_level_asks_for_little():
    assert (COARSE_CELLS + 3) ** 3 < 0.02 * 257**3
