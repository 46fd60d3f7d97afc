# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch
from shape.hunyuan2mv.networks import SMALL, network

from fourview.shape.hunyuan2mv import key_selection
from fourview.shape.hunyuan2mv.key_selection import KeySelection, keys_kept
from fourview.shape.hunyuan2mv.vae import Memory, PointDecoder
from fourview.surface.field import Field

HALF = 1.01
TILE = 512


def decoder_and_memory(num_latents: int = 96, shrink: int = 1) -> tuple[PointDecoder, Memory]:
    vae = dataclasses.replace(
        SMALL.vae, num_latents=num_latents, geo_decoder_downsample_ratio=shrink, geo_decoder_ln_post=shrink == 1
    )
    shape_vae = network(dataclasses.replace(SMALL, vae=vae)).vae
    latents = torch.randn(1, num_latents, 16, generator=torch.Generator().manual_seed(0))
    return shape_vae.points, shape_vae.points.memory(shape_vae.tokens(latents))


def points(count: int) -> torch.Tensor:
    return (2 * torch.rand(count, 3, generator=torch.Generator().manual_seed(1)) - 1) * HALF


def test_as_many_keys_are_kept_as_officially():
    assert [keys_kept(count) for count in (3072, 512, 300, 2)] == [1024, 256, 100, 1]


@pytest.mark.parametrize("shrink", [1, 2], ids=["vae", "turbo_vae"])
@torch.inference_mode()
def test_with_all_keys_it_is_the_plain_decoder(monkeypatch, shrink):
    monkeypatch.setattr(key_selection, "keys_kept", lambda count: count)
    decoder, memory = decoder_and_memory(shrink=shrink)

    selected = KeySelection(decoder, memory, HALF)(points(TILE))

    torch.testing.assert_close(selected, decoder(points(TILE)[None], memory)[0], atol=2e-5, rtol=1e-5)


@torch.inference_mode()
def test_a_cell_keeps_the_keys_that_its_points_look_at_most():
    """By the definition: the mean over the lattice of a cell of every logit, one cell at a time."""
    decoder, memory = decoder_and_memory()
    selection = KeySelection(decoder, memory, HALF)

    for cell, corner in ((0, (0, 0, 0)), (1, (0, 0, 1)), (6, (0, 1, 0)), (215, (5, 5, 5))):
        steps = (torch.arange(4) + 0.5) / 4
        lattice = (torch.cartesian_prod(*((steps + at) for at in corner)) / 6 * 2 - 1) * HALF
        queries = decoder.queries(decoder.rows(lattice[None]))  # (1, heads, 64, d)
        logits = (queries @ memory.keys.mT).mean(dim=2)[0]  # (heads, n)
        kept = torch.zeros_like(logits, dtype=torch.bool).scatter(1, selection.chosen[:, cell], True)
        assert kept.sum(dim=1).tolist() == 2 * [32]
        for of_head, is_kept in zip(logits, kept, strict=True):
            assert of_head[is_kept].min() > of_head[~is_kept].max() - 1e-5


@pytest.mark.bits
@torch.inference_mode()
def test_a_value_is_that_of_its_point_alone_to_the_last_bit():
    decoder, memory = decoder_and_memory()
    selection = KeySelection(decoder, memory, HALF)
    field = Field(selection, np.array([[-HALF] * 3, [HALF] * 3]), TILE, torch, "cpu")
    asked = points(3 * TILE)
    together = field(asked)

    one_cell = asked[(asked.abs() < 0.3).all(dim=1)]  # crowded into a few cells, then alone, then shuffled
    assert torch.equal(field(one_cell), together[(asked.abs() < 0.3).all(dim=1)])
    assert all(torch.equal(field(asked[i : i + 1]), together[i : i + 1]) for i in range(0, len(asked), 100))
    order = torch.randperm(len(asked), generator=torch.Generator().manual_seed(2))
    assert torch.equal(field(asked[order]), together[order])


@torch.inference_mode()
def test_points_beyond_the_box_belong_to_the_nearest_cell():
    decoder, memory = decoder_and_memory()

    values = KeySelection(decoder, memory, HALF)(torch.tensor([[2.0, 0, 0], [-2, -2, 9]]))

    assert values.isfinite().all()
