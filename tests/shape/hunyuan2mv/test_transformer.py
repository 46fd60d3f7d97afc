# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Every way to save work, against `plain_velocity`, which saves none."""

import pytest
import torch
from shape.hunyuan2mv.small import LATENTS, PLAIN, ROWS_A_VIEW, difference, drawn, plain_velocity, small

# Of a few blocks, as a share of the largest velocity: bfloat16 has 8 bits, float16 11.
HALF = {torch.bfloat16: 1.5e-2, torch.float16: 2e-3}


def latents_at(times, dtype=torch.float64):
    """One item a time, `(b, n, 8)`, and the times."""
    return drawn(len(times), LATENTS, 8, dtype=dtype), torch.tensor(times, dtype=dtype)


@pytest.mark.parametrize("dtype", PLAIN)
@pytest.mark.parametrize("views", [1, 2, 3, 4])
def test_one_row_of_nothing_does_what_as_many_as_the_views_have_do(views, dtype):
    transformer = small(dtype=dtype)
    latents, time = latents_at([0.3, 0.8], dtype)
    rows = views * ROWS_A_VIEW

    one = transformer.null_condition(torch.tensor([rows, rows]))
    found = transformer.velocity(latents, one, transformer.modulations(time))

    expected = plain_velocity(transformer, latents, time, torch.zeros(2, rows, 12, dtype=dtype))
    assert one.rows.shape == (2, 1, 64)
    assert difference(found, expected) < PLAIN[dtype]


def test_items_of_a_batch_may_stand_for_different_numbers_of_rows():
    transformer = small()
    latents, time = latents_at([0.3, 0.8])

    found = transformer.velocity(
        latents, transformer.null_condition(torch.tensor([37, 148])), transformer.modulations(time)
    )

    for i, rows in enumerate([37, 148]):
        item = slice(i, i + 1)
        zeros = torch.zeros(1, rows, 12, dtype=torch.float64)
        assert difference(found[item], plain_velocity(transformer, latents[item], time[item], zeros)) < 1e-10


def test_one_row_that_is_not_counted_would_be_another_network():
    transformer = small()
    latents, time = latents_at([0.3])
    zeros = torch.zeros(1, 148, 12, dtype=torch.float64)

    found = transformer.velocity(latents, transformer.condition(zeros[:, :1]), transformer.modulations(time))

    assert difference(found, plain_velocity(transformer, latents, time, zeros)) > 0.01


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("views", [1, 4])
def test_in_half_precision_one_row_is_as_near_to_float64_as_all_of_them(views, dtype):
    transformer = small(dtype=dtype)
    latents, time = latents_at([0.3], dtype)
    zeros = torch.zeros(1, views * ROWS_A_VIEW, 12, dtype=dtype)
    null = transformer.null_condition(torch.tensor([zeros.shape[1]]))

    one = transformer.velocity(latents, null, transformer.modulations(time))
    all_rows = plain_velocity(transformer, latents, time, zeros)

    wide = small().to(dtype).double()  # the same rounded weights
    expected = plain_velocity(wide, latents.double(), time.double(), zeros.double())
    assert one.dtype == dtype
    assert difference(one.double(), expected) < HALF[dtype]
    assert difference(one.double(), expected) < 2 * difference(all_rows.double(), expected)


@pytest.mark.parametrize("guidance_embed", [False, True])
@pytest.mark.parametrize("dtype", PLAIN)
def test_modulations_of_a_schedule_are_those_of_its_times_one_by_one(guidance_embed, dtype):
    transformer = small(guidance_embed, dtype=dtype)
    times = torch.linspace(0, 1, 7, dtype=dtype)
    guidance = torch.full_like(times, 5) if guidance_embed else None

    table = transformer.modulations(times, guidance)

    assert table.shape == (7, 2 * 12 + 2 * 3 + 2, 64)
    for i in range(7):
        one = transformer.modulations(times[i : i + 1], None if guidance is None else guidance[i : i + 1])
        assert difference(table[i : i + 1], one) < PLAIN[dtype]


@pytest.mark.parametrize("dtype", PLAIN)
@pytest.mark.parametrize(("depth", "depth_single_blocks"), [(2, 3), (1, 1), (2, 0), (0, 2)])
def test_the_last_block_may_compute_the_latent_rows_only(depth, depth_single_blocks, dtype):
    transformer = small(depth=depth, depth_single_blocks=depth_single_blocks, dtype=dtype)
    latents, time = latents_at([0.3, 0.8], dtype)
    context = drawn(2, 2 * ROWS_A_VIEW, 12, dtype=dtype, seed=1)

    found = transformer(latents, time, context)

    assert difference(found, plain_velocity(transformer, latents, time, context)) < PLAIN[dtype]


@pytest.mark.parametrize("dtype", PLAIN)
def test_items_at_different_steps_share_a_pass(dtype):
    transformer = small(guidance_embed=True, dtype=dtype)
    latents, time = latents_at([0.0, 0.3, 0.8], dtype)
    guidance = torch.tensor([5, 1, 7.5], dtype=dtype)
    context = drawn(3, ROWS_A_VIEW, 12, dtype=dtype, seed=1)

    found = transformer(latents, time, context, guidance)

    for i in range(3):
        item = slice(i, i + 1)
        alone = plain_velocity(transformer, latents[item], time[item], context[item], guidance[item])
        assert difference(found[item], alone) < PLAIN[dtype]


@pytest.mark.parametrize("guidance_embed", [False, True])
def test_guidance_is_given_to_those_that_take_it_and_to_no_other(guidance_embed):
    transformer = small(guidance_embed)
    time = torch.zeros(1, dtype=torch.float64)

    with pytest.raises(ValueError, match=f"guidance_embed is {guidance_embed}"):
        transformer.modulations(time, None if guidance_embed else time)
