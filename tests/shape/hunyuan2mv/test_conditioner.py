# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import math
from dataclasses import replace

import pytest
import torch
from shape.hunyuan2mv.networks import SMALL, network

from fourview.shape.hunyuan2mv.conditioner import MEAN, SIDES, STD, Conditioner, side_embedding

ATOL = 1e-5
ONE_SIZE = SMALL.dino.image_size


def conditioner(image_size=SMALL.image_size):
    return network(replace(SMALL, image_size=image_size)).conditioner.requires_grad_(False)


def pictures(count, side=56):
    return torch.rand(1, count, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_each_picture_becomes_the_same_rows_alone_and_among_others():
    net, shown = conditioner(), pictures(4)

    context = net(shown, [[0, 1, 2, 3]])

    alone = torch.cat([net(shown[:, [i]], [[i]]) for i in range(4)], dim=1)
    assert context.shape == (1, 4 * net.rows_a_view, SMALL.dino.hidden_size)
    assert torch.allclose(context, alone, atol=ATOL)


def test_the_order_of_the_views_changes_nothing_for_the_transformer():
    small, shown = network(SMALL), pictures(3)
    order = [2, 0, 1]
    latents = torch.randn(1, 20, SMALL.transformer.in_channels, generator=torch.Generator().manual_seed(2))

    with torch.inference_mode():
        sorted_, mixed = (
            small.transformer(latents, torch.tensor([0.3]), small.conditioner(shown[:, views], [views]))
            for views in ([0, 1, 2], order)
        )

    assert torch.allclose(sorted_, mixed, atol=ATOL)


def test_items_of_a_batch_may_show_different_sides():
    net, shown = conditioner(), pictures(2)

    batch = net(torch.cat([shown, shown]), [(0, 2), (1, 3)])

    assert torch.allclose(batch[:1], net(shown, [(0, 2)]), atol=ATOL)
    assert torch.allclose(batch[1:], net(shown, [(1, 3)]), atol=ATOL)


def test_the_side_is_added_to_every_row_of_its_picture():
    net, shown = conditioner(), pictures(1)
    marks = side_embedding(SMALL.dino.hidden_size)

    front, right = net(shown, [[0]]), net(shown, [[3]])

    assert torch.allclose(right - front, (marks[3] - marks[0]).expand_as(front), atol=ATOL)


def test_sides_are_marked_by_sines_then_cosines_at_falling_rates():
    marks = side_embedding(4)

    assert marks.shape == (len(SIDES), 4)
    for number in range(4):
        angles = number, number / 100  # 10000 ** -0.5
        expected = [math.sin(angles[0]), math.sin(angles[1]), math.cos(angles[0]), math.cos(angles[1])]
        assert marks[number].tolist() == pytest.approx(expected, abs=1e-7)


def test_a_picture_of_one_colour_is_scaled_by_mean_and_spread():
    colour = torch.tensor([-1.0, 0.0, 1.0])

    prepared = conditioner().prepare(colour[None, :, None, None].expand(1, 3, 30, 30))

    expected = ((colour + 1) / 2 - torch.tensor(MEAN)) / torch.tensor(STD)
    assert prepared.shape == (1, 3, SMALL.image_size, SMALL.image_size)
    assert torch.allclose(prepared, expected[:, None, None].expand_as(prepared), atol=ATOL)


@pytest.mark.parametrize("is_wide", [True, False])
def test_of_a_longer_picture_the_middle_is_seen(is_wide):
    shown = torch.ones(1, 3, 70, 210)
    shown[..., 70:140] = -1
    shown = shown if is_wide else shown.mT

    prepared = conditioner().prepare(shown)

    black = (0 - torch.tensor(MEAN)) / torch.tensor(STD)
    assert prepared.shape == (1, 3, SMALL.image_size, SMALL.image_size)
    assert torch.allclose(prepared, black[:, None, None].expand_as(prepared), atol=ATOL)


def test_positions_are_used_as_they_are_at_the_size_they_were_learnt_for():
    dino = conditioner().dino
    patches = ONE_SIZE // dino.params.patch_size

    assert dino._positions(patches, patches) is dino.position_embeddings


@pytest.mark.parametrize("patches", [3, 8])
def test_positions_are_resized_for_another_size(patches):
    dino = conditioner().dino
    side = ONE_SIZE // dino.params.patch_size
    ramp = (torch.arange(side) + 0.5) / side  # rises along the rows of patches, to the right
    dino.position_embeddings[:, 1:] = ramp.repeat(side)[None, :, None]

    resized = dino._positions(patches, patches)

    assert resized.shape == (1, 1 + patches**2, dino.params.hidden_size)
    assert resized[:, 0].equal(dino.position_embeddings[:, 0])
    rows = resized[0, 1:, 0].view(patches, patches)
    expected = (torch.arange(patches) + 0.5) / patches
    assert torch.allclose(rows, expected.expand(patches, -1), atol=0.05)  # cubic, and clamped at its ends
    assert (rows.diff(dim=1) > 0).all()


def test_another_size_of_picture_gives_as_many_rows_as_it_has_patches():
    net = conditioner(image_size=28)

    context = net(pictures(2), [[0, 1]])

    assert net.rows_a_view == 5
    assert context.shape == (1, 10, SMALL.dino.hidden_size)


def test_half_precision_stays_half_precision_and_near():
    exact = conditioner()
    rounded = Conditioner(SMALL.dino, SMALL.image_size).to(torch.bfloat16)
    rounded.load_state_dict(exact.state_dict())

    with torch.inference_mode():
        context = rounded(pictures(2), [[0, 2]])

    assert context.dtype == torch.bfloat16
    assert torch.allclose(context.float(), exact(pictures(2), [[0, 2]]), atol=0.1, rtol=0.1)
