# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from parity import oracle

from fourview.errors import CanceledError, SurfaceError
from fourview.shape.hunyuan2mv import official
from fourview.shape.hunyuan2mv.attention import attend
from fourview.shape.hunyuan2mv.vae import Memory, ShapeVae, VaeParams

BOUNDS = 1.01
ATOL = 1e-5  # float32, the same sum in another order
TOKENS = 24


def shape(heads=2, has_surface=True):
    """A small decoder with random weights, and the tokens of a random shape, which has a surface or is solid."""
    torch.manual_seed(5)
    params = VaeParams(TOKENS, 8, 4, False, heads, 32, 0, False, True, 1.0, 2, 1, True)
    decoder = ShapeVae(params).points.requires_grad_(False)
    for weight in decoder.parameters():
        weight += 0.3 * torch.randn_like(weight)
    memory = decoder.memory(torch.randn(1, TOKENS, 32))
    values = official.vanilla(decoder, memory, 8, BOUNDS, 1000)
    decoder.output_proj.bias -= values.median() if has_surface else values.min() - 2
    return decoder, memory


@pytest.mark.parametrize(
    ("resolution", "sizes", "flash"),
    [
        (16, [16], [15]),
        (62, [62], [63]),
        (128, [64, 128], [63, 126]),
        (255, [63, 127, 255], [63, 126, 252]),
        (256, [64, 128, 256], [63, 126, 252]),
        (380, [95, 190, 380], [95, 190, 380]),
        (384, [96, 192, 384], [95, 190, 380]),
        (512, [64, 128, 256, 512], [63, 126, 252, 504]),
    ],
)
def test_the_grids_have_the_official_sizes(resolution, sizes, flash):
    assert official.halvings(resolution) == sizes
    assert official.flash_halvings(resolution) == flash


def test_a_lattice_reaches_from_end_to_end_of_a_box():
    points = official.lattice((-1.0, -0.5, -2.0, 1.0, 1.5, 3.0), 10)

    assert points.shape == (11, 11, 11, 3)
    assert points[0, 0, 0].tolist() == [-1, -0.5, -2]
    assert points[-1, -1, -1].tolist() == [1, 1.5, 3]
    assert torch.allclose(points[2, 5, 10], torch.tensor([-0.6, 0.5, 3]))


def test_mapping_divides_by_one_more_than_the_resolution():
    ends = np.array([[0, 0, 0], [9, 9, 9]])

    assert np.allclose(oracle.mapped(ends, 9, 1.0), [[-1, -1, -1], [0.8, 0.8, 0.8]])
    assert np.allclose(oracle.mapped(ends, 9, (0.0, 0, 0, 1, 2, 10)), [[0, 0, 0], [0.9, 1.8, 9]])


def test_the_plain_grid_is_the_decoder_at_every_point_whatever_the_chunk():
    decoder, memory = shape()
    points = official.lattice(BOUNDS, 6)

    grid = official.vanilla(decoder, memory, 6, BOUNDS, 100)

    assert torch.allclose(grid.flatten(), decoder(points.view(1, -1, 3), memory)[0], atol=ATOL)
    assert torch.allclose(grid, official.vanilla(decoder, memory, 6, BOUNDS, 10_000), atol=ATOL)


def test_one_level_is_the_plain_grid():
    decoder, memory = shape()

    assert oracle.hierarchical(decoder, memory, 12, BOUNDS, 500).equal(
        official.vanilla(decoder, memory, 12, BOUNDS, 500)
    )


@pytest.mark.parametrize("resolution", [24, 25, 36])
def test_what_several_levels_ask_is_what_the_plain_grid_has(resolution):
    decoder, memory = shape()
    plain = official.vanilla(decoder, memory, resolution, BOUNDS, 5000)

    grid = oracle.hierarchical(decoder, memory, resolution, BOUNDS, 5000, min_resolution=6)

    asked = ~grid.isnan()
    assert 0.05 < asked.float().mean() < 0.95
    assert torch.allclose(grid[asked], plain[asked], atol=ATOL)


def test_points_on_both_sides_of_the_surface_are_asked():
    decoder, memory = shape()
    plain = official.vanilla(decoder, memory, 24, BOUNDS, 5000)

    grid = oracle.hierarchical(decoder, memory, 24, BOUNDS, 5000, min_resolution=12)

    crossed = official.near_surface(plain, torch.ones_like(plain, dtype=torch.bool), 0)
    assert crossed.any()
    assert not grid[crossed].isnan().any()


@pytest.mark.parametrize(("selection", "coarsest"), [("mean", 8), ("merge", 8), ("mean", 63)])
def test_with_all_keys_selection_is_the_plain_grid(selection, coarsest, monkeypatch):
    decoder, memory = shape()
    monkeypatch.setattr(official, "keys_kept", lambda count: count)
    monkeypatch.setattr(oracle, "NOTICED", -1.0)

    grid = oracle.flash(decoder, memory, 32, BOUNDS, 300, min_resolution=coarsest, selection=selection)

    cells = official.flash_halvings(32, coarsest)[-1]
    asked = ~grid.isnan()
    assert asked.all() == (coarsest == 63)
    assert asked.float().mean() > 0.05
    assert torch.allclose(grid[asked], official.vanilla(decoder, memory, cells, BOUNDS, 9999)[asked], atol=ATOL)


@pytest.mark.parametrize("selection", ["mean", "merge"])
def test_selection_does_not_depend_on_the_chunk_even_if_a_block_is_larger(selection):
    decoder, memory = shape()

    small, large = (
        oracle.flash(decoder, memory, 32, BOUNDS, chunk, min_resolution=16, selection=selection) for chunk in (10, 4000)
    )

    assert torch.allclose(small, large, atol=ATOL, equal_nan=True)
    assert not torch.allclose(small, official.vanilla(decoder, memory, 30, BOUNDS, 4000), atol=0.01, equal_nan=True)


def test_a_decoder_with_one_head_selects_too():
    decoder, memory = shape(heads=1)

    assert official.flashvdm(decoder, memory, 12, BOUNDS, 500).isfinite().all()


class Plane:
    """Stands for a decoder: the logit is `slope` times x. Counts the points of each call."""

    memory = Memory(torch.zeros(0), torch.zeros(0))

    def __init__(self, slope):
        self.slope, self.asked = slope, []

    def __call__(self, points, memory):
        self.asked.append(points.shape[1])
        return self.slope * points[..., 0]


def test_around_a_plane_so_many_layers_are_asked():
    plane = Plane(slope=1000)

    grid = oracle.hierarchical(plane, plane.memory, 30, BOUNDS, 10**6, min_resolution=7)

    # Halves of 30: 15 and 7. Two layers of the first are near; grown by one each side they are 4 of every second of the
    # next, between and beside them 9. Of those two are near, 2 of every second of the last, grown twice 7.
    assert plane.asked == [8**3, 9 * 16**2, 7 * 31**2]
    assert (~grid.isnan()).sum() == 7 * 31**2


def test_points_with_small_logits_are_looked_at_again():
    plane = Plane(slope=0.9)

    grid = oracle.hierarchical(plane, plane.memory, 30, BOUNDS, 10**6, min_resolution=7)

    assert not grid.isnan().any()


def test_a_field_without_a_surface_is_a_clear_error():
    decoder, memory = shape(has_surface=False)

    with pytest.raises(SurfaceError, match=r"of 343 points on a grid of 6 cells a side none has a neighbour"):
        oracle.hierarchical(decoder, memory, 12, BOUNDS, 500, min_resolution=6)


def test_a_grid_can_be_cancelled_between_two_chunks():
    decoder, memory = shape()
    told = []

    def tick(done):
        told.append(done)
        if len(told) == 9:
            raise CanceledError

    with pytest.raises(CanceledError):
        official.flashvdm(decoder, memory, 32, BOUNDS, 100, min_resolution=8, tick=tick)

    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] < 1


def test_a_point_is_near_where_a_known_neighbour_has_another_sign():
    values = torch.tensor([-1.0, -1, 3, 0, 0, -2, 4])[None, None]
    known = torch.tensor([True, True, True, True, True, True, False])[None, None]

    near = official.near_surface(values, known, 0.0)

    assert near[0, 0].tolist() == [False, True, True, True, True, True, False]
    assert not official.near_surface(values, known, 5.0).any()
    assert official.near_surface(values, known, 1.0)[0, 0].tolist() == [False, True, True, False, True, True, False]


def test_a_mask_grows_by_all_neighbours():
    mask = torch.zeros(5, 5, 5, dtype=torch.bool)
    mask[0, 2, 2] = True

    grown = official.dilated(mask)

    assert grown.sum() == 18
    assert grown[:2, 1:4, 1:4].all()
    assert mask.sum() == 1


def test_the_keys_that_queries_agree_with_most_are_kept_for_each_head():
    torch.manual_seed(0)
    queries, memory = torch.randn(3, 2, 5, 4), Memory(torch.randn(1, 2, 9, 4), torch.randn(1, 2, 9, 4))

    kept = official.strongest(queries, memory, 3)

    for item in range(3):
        for head in range(2):
            agreement = torch.stack([(memory.keys[0, head] @ q) for q in queries[item, head]]).mean(dim=0)
            chosen = agreement.argsort(descending=True)[:3]
            assert kept.keys[item, head].equal(memory.keys[0, head, chosen])
            assert kept.values[item, head].equal(memory.values[0, head, chosen])


def test_keys_that_nobody_notices_are_left_out_and_not_missed():
    torch.manual_seed(0)
    queries, keys = torch.randn(1, 2, 5, 4).abs(), torch.randn(1, 2, 9, 4)
    keys[:, :, 3:] = -40  # far from every query
    memory = Memory(keys, torch.randn(1, 2, 9, 4))

    kept = oracle.noticed(queries, memory)

    assert kept.keys.equal(keys[:, :, :3])
    assert torch.allclose(
        attend(queries, kept.keys, kept.values), attend(queries, memory.keys, memory.values), atol=ATOL
    )


def test_points_are_sorted_into_cells_of_their_common_box():
    points = official.lattice((3.0, 3, 3, 4, 4, 4), 11).view(-1, 3)

    cells = official.cells_of(points).view(12, 12, 12)

    assert cells.unique().equal(torch.arange(216))
    assert cells[0, 0, :3].tolist() == [0, 0, 1]
    assert cells[-1, -1, -1] == 215


def test_groups_share_a_call_as_long_as_it_stays_below_the_limit():
    assert list(official.calls([4, 5, 1, 20, 3, 3, 3], 10)) == [[4, 5], [1], [20], [3, 3, 3]]
    assert list(official.calls([7], 3)) == [[7]]
