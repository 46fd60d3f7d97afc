# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Attention, and attention in which one row stands for many equal ones.

Owns      which kernel computes it. Not here: who attends to whom (`transformer`, `vae`, `conditioner`).

Where n rows are equal, softmax gives each of them the same share, so one row whose logit is raised by ln n does what
all of them did. The kernels that are fast take no such bias, but they can give away the logarithm of their sum:

    all rows but the first:  out, lse = log sum exp of their logits
    the first row:           logit z = q . k0 / sqrt(d) + ln n
    together:                out + sigmoid(z - lse) * (v0 - out)

docs/hunyuan2mv.md has the times of both ways.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, log_repeats: Tensor | None = None) -> Tensor:
    """Softmax attention, `(b, heads, n, d)`; `q` may have fewer rows than `k` and `v`, the last ones.

    With `log_repeats (b,)` the first row of `k` and `v` stands for exp(log_repeats) equal rows.
    """
    if log_repeats is None:
        return F.scaled_dot_product_attention(q, k, v)
    bias = torch.zeros(len(k), 1, 1, k.shape[2], dtype=q.dtype, device=q.device)  # (b, 1, 1, n)
    bias[:, :, :, 0] = log_repeats[:, None, None].to(q.dtype)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand(-1, -1, q.shape[2], -1))
