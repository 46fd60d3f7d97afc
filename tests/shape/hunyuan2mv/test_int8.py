# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from shape.hunyuan2mv.live import live_bytes
from shape.hunyuan2mv.networks import SMALL, network
from torch import nn

from fourview.errors import RecipeError
from fourview.shape.hunyuan2mv.int8 import Int8Linear, quantize, round_rows
from fourview.shape.hunyuan2mv.memory import weight_bytes

CPU = torch.device("cpu")


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("rows", [1, 40, 5000], ids=["fewer_than_cuda_takes", "one_pass", "three_passes"])
@torch.inference_mode()
def test_a_layer_in_8_bits_is_the_product_of_the_rounded_numbers(rows):
    linear = nn.Linear(64, 24)
    x = drawn(2, rows, 64)
    x_rounded, x_scale = round_rows(x)
    w_rounded, w_scale = round_rows(linear.weight)

    expected = (x_rounded.double() * x_scale) @ (w_rounded.double() * w_scale).T + linear.bias

    torch.testing.assert_close(Int8Linear(linear)(x).double(), expected, atol=1e-5, rtol=1e-5)


def test_rounding_is_off_by_half_a_step_at_most_and_a_row_of_zeros_stays():
    x = drawn(50, 64)
    x[7] = 0

    rounded, scale = round_rows(x)

    assert ((rounded * scale - x).abs() <= scale / 2 + 1e-7).all()
    assert (rounded[7] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@torch.inference_mode()
def test_the_velocity_is_off_by_a_few_percent_and_weights_take_a_byte(dtype):
    transformer = network(SMALL, dtype=dtype).transformer
    latents, time, context = drawn(1, 24, 16).to(dtype), torch.tensor([0.5]), drawn(1, 10, 128).to(dtype)
    exact, before = transformer(latents, time, context), weight_bytes(transformer, dtype)

    quantize(transformer, CPU)
    near = transformer(latents, time, context)

    assert near.dtype == dtype
    assert 0 < (near - exact).norm() / exact.norm() < 0.05
    rounded = [part for part in transformer.modules() if isinstance(part, Int8Linear)]
    assert len(rounded) == 2 * 8 + 2 * 2  # the last single block is exact
    saved = sum(part.weight.numel() * (dtype.itemsize - 1) for part in rounded)
    scales = sum(part.scale.numel() * dtype.itemsize for part in rounded)
    assert weight_bytes(transformer, dtype) == before - saved + scales


@torch.inference_mode()
def test_many_rows_take_no_more_memory_than_a_pass_of_them():
    layer = Int8Linear(nn.Linear(64, 512))
    few, many = drawn(2048, 64), drawn(8192, 64)

    extra = [live_bytes(lambda x=x: layer(x)) - 512 * 4 * len(x) for x in (few, many)]

    assert extra[1] - extra[0] < 1.1 * 512 * 4 * len(many)  # the parts, before they are one


def test_where_there_is_no_such_product_it_is_refused():
    with pytest.raises(RecipeError, match="'int8' runs on cpu and cuda; device is 'mps'"):
        quantize(network(SMALL).transformer, torch.device("mps"))
