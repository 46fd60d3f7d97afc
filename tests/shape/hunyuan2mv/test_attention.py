# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from shape.hunyuan2mv.small import PLAIN, difference, drawn

from fourview.shape.hunyuan2mv import attention
from fourview.shape.hunyuan2mv.attention import attend, attend_with_mask, kernel_with_sum

REPEATS = torch.tensor([1, 5480])  # of the first row, in the items of the batch
CPU = torch.device("cpu")

# bfloat16 has 8 bits, float16 11; outputs are rounded once, probabilities once.
HALF = {torch.bfloat16: 8e-3, torch.float16: 1e-3}


def rows(n, seed, dtype=torch.float64):
    return 2 * drawn(2, 3, n, 16, dtype=dtype, seed=seed)


def plain(q, k, v):
    """Attention to all of the equal rows, item after item, written out."""
    out = []
    for i, n in enumerate(REPEATS.tolist()):
        k_i, v_i = (torch.cat([t[i, :, :1].expand(-1, n, -1), t[i, :, 1:]], dim=1) for t in (k, v))
        out.append((q[i] @ k_i.mT / q.shape[-1] ** 0.5).softmax(dim=-1) @ v_i)
    return torch.stack(out)


def log_repeats(dtype):
    return REPEATS.to(torch.promote_types(dtype, torch.float32)).log()


@pytest.mark.parametrize("way", [attend, attend_with_mask])
@pytest.mark.parametrize("dtype", PLAIN)
def test_one_row_counted_n_times_does_what_n_equal_rows_do(way, dtype):
    q, k, v = (rows(45, seed, dtype) for seed in range(3))

    found = way(q, k, v, log_repeats(dtype))

    assert difference(found, plain(q, k, v)) < PLAIN[dtype]


@pytest.mark.parametrize("way", [attend, attend_with_mask])
def test_the_queries_may_be_the_last_rows_only(way):
    q, k, v = (rows(45, seed) for seed in range(3))

    found = way(q[:, :, 7:], k, v, log_repeats(q.dtype))

    assert difference(found, plain(q, k, v)[:, :, 7:]) < 1e-10


@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_is_as_near_to_float64_as_its_own_rounding(dtype):
    q, k, v = (rows(45, seed, dtype) for seed in range(3))

    found = attend(q, k, v, log_repeats(dtype))

    assert found.dtype == dtype
    assert difference(found.double(), plain(q.double(), k.double(), v.double())) < HALF[dtype]


def test_in_bfloat16_the_merge_keeps_the_share_that_a_mask_rounds_away():
    """ln 4460 is 8.403, and bfloat16's nearest 8.375. Queries of zero share alike, values of 1 and 0 show the share."""
    q, k, v = (torch.zeros(1, 1, 3073, 16, dtype=torch.bfloat16) for _ in range(3))
    v[:, :, 0] = 1
    share = 4460 / (4460 + 3072)

    merged, masked = (way(q, k, v, torch.tensor([4460.0]).log())[0, 0, 0, 0] for way in (attend, attend_with_mask))

    assert abs(merged / share - 1) < 0.004
    assert abs(masked / share - 1) > 0.008


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_the_cpu_has_a_kernel_that_gives_its_sum_away(dtype):
    assert kernel_with_sum(CPU, dtype, 64) == "flash_for_cpu"


def refusing(q, k, v):
    raise RuntimeError("no kernel for this machine")


def to_base_2(q, k, v):
    out, lse = attention._flash_for_cpu(q, k, v)
    return out, lse / math.log(2)


@pytest.mark.parametrize(("width", "kernel"), [(24, refusing), (40, to_base_2), (56, lambda q: q)])
def test_an_operator_that_has_changed_is_passed_over(width, kernel, monkeypatch):
    """Each with a width of its own: what was found for one is remembered."""
    monkeypatch.setitem(attention.KERNELS, "flash_for_cpu", ("cpu", kernel))
    q, k, v = (drawn(2, 3, 45, width, seed=seed) for seed in range(3))

    found = attend(q, k, v, log_repeats(q.dtype))

    assert kernel_with_sum(CPU, q.dtype, width) is None
    assert difference(found, plain(q, k, v)) < 1e-10
