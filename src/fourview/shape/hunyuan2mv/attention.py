# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Attention, and attention in which one row stands for many equal ones.

Owns      which kernel computes it. Not here: who attends to whom (`transformer`, `vae`, `conditioner`).

Where n rows are equal, softmax gives each of them the same share, so one row whose logit is raised by ln n replaces all
of them. The fast kernels take no such bias, or round it to half precision. But they return the logarithm of their sum
(T. Dao et al., "FlashAttention", 2022), and with it one more row can be added in closed form, in float32:

    all rows but the first:  out, lse = log sum exp of their logits
    the first row:           logit z = q . k0 / sqrt(d) + ln n
    together:                out + sigmoid(z - lse) * (v0 - out)

docs/how/hunyuan2mv_speed.md has the times of this and of the slower alternatives.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

# q, k, v -> what they attend to `(b, heads, n, d)`, and lse `(b, heads, n or more, ...)`.
Kernel = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

PROBE_TOLERANCE = 0.02  # of log-sum-exps in half precision; a logarithm to another base is off by far more


def attend(q: Tensor, k: Tensor, v: Tensor, log_repeats: Tensor | None = None) -> Tensor:
    """Softmax attention, `(b, heads, n, d)`; `q` may have fewer rows than `k` and `v`, the last ones.

    With `log_repeats (b,)` the first row of `k` and `v` stands for exp(log_repeats) equal rows.
    """
    if log_repeats is None:
        return F.scaled_dot_product_attention(q, k, v)
    name = kernel_with_sum(q.device, q.dtype, q.shape[-1])
    if name is None:
        return attend_with_mask(q, k, v, log_repeats)
    return attend_and_merge(KERNELS[name][1], q, k, v, log_repeats)


def attend_and_merge(kernel: Kernel, q: Tensor, k: Tensor, v: Tensor, log_repeats: Tensor) -> Tensor:
    """`kernel` for all rows but the first, which is added after it."""
    out, lse = kernel(q, k[:, :, 1:], v[:, :, 1:])
    lse = lse.flatten(2)[..., : q.shape[2]]  # (b, heads, n)
    wide = torch.promote_types(q.dtype, torch.float32)
    logit = (q * (k[:, :, :1].to(wide) * q.shape[-1] ** -0.5)).sum(dim=-1)  # (b, heads, n)
    share = torch.sigmoid(logit + (log_repeats[:, None, None] - lse))
    return torch.lerp(out, v[:, :, :1], share[..., None].to(out.dtype))


def attend_with_mask(q: Tensor, k: Tensor, v: Tensor, log_repeats: Tensor) -> Tensor:
    """The same where no kernel returns its sum (as on MPS). Float16 rounds the bias by up to 0.4 %."""
    bias = torch.zeros(len(k), 1, 1, k.shape[2], dtype=q.dtype, device=q.device)  # (b, 1, 1, n)
    bias[:, :, :, 0] = log_repeats[:, None, None].to(q.dtype)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand(-1, -1, q.shape[2], -1))


def kernel_with_sum(device: torch.device, dtype: torch.dtype, width: int) -> str | None:
    """The first of `KERNELS` that runs on `device` and returns the logarithm of the sum; `width` is that of a head.

    A constant to torch.compile, which would trace the probe instead of running it.
    """
    return _probed(device, dtype, width)


@lru_cache
def _probed(device: torch.device, dtype: torch.dtype, width: int) -> str | None:
    """Try the kernels: they are no public operators of torch, and one that is gone or has changed is skipped."""
    q = torch.linspace(-2, 2, 3 * width, dtype=dtype, device=device).view(1, 1, 3, width)
    k = torch.linspace(1, -2, 5 * width, dtype=dtype, device=device).view(1, 1, 5, width)
    expected = (q.float() @ k.float().mT * width**-0.5).logsumexp(dim=-1)
    for name, (device_type, kernel) in KERNELS.items():
        if device_type != device.type:
            continue
        try:
            _, lse = kernel(q, k, k)
        except (AttributeError, RuntimeError, TypeError, ValueError):
            continue
        if torch.allclose(lse.flatten(2)[..., :3].float(), expected, rtol=PROBE_TOLERANCE, atol=PROBE_TOLERANCE):
            return name
    return None


def _flash_for_cpu(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)
    return out, lse


def _flash(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Half precision only."""
    out, lse, *_ = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v)
    return out, lse


def _efficient(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Float32 and older GPUs too; slower."""
    out, lse, *_ = torch.ops.aten._scaled_dot_product_efficient_attention(q, k, v, None, compute_log_sumexp=True)
    return out, lse


KERNELS: dict[str, tuple[str, Kernel]] = {  # with the device they run on, in order of speed
    "flash_for_cpu": ("cpu", _flash_for_cpu),
    "flash": ("cuda", _flash),
    "efficient": ("cuda", _efficient),
}
