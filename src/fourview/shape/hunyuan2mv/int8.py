# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The transformer's matrix products in 8 bits: a declared approximation.

Owns      how numbers are rounded to 8 bits, and which layers compute so. Not here: the layers' order (`transformer`).

Each output of a layer has a scale for its weights; each row has one for its numbers, computed at run time (vector-wise
quantisation of T. Dettmers et al., "LLM.int8(): 8-bit matrix multiplication for transformers at scale", 2022, without
its exceptions for outliers). Products are summed exactly, in 32 bits. Layers outside of the blocks stay as they are,
and so does the last block, of whose weights a part is used alone. CUDA and CPU only: Apple's GPUs have no such product.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourview.errors import RecipeError
from fourview.shape.hunyuan2mv.transformer import Transformer

LARGEST = 127
ROWS_A_PASS = 2048  # the sums take 4 bytes a number, and 4 again as float32
FEWEST_ROWS = 32  # CUDA's product takes no fewer than 17


class Int8Linear(nn.Module):
    """Approximates `nn.Linear`."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        rounded, scale = round_rows(linear.weight.detach())
        self.register_buffer("weight", rounded)  # (out, in) int8
        self.register_buffer("scale", scale[:, 0])  # (out,) float32
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """`(..., in) -> (..., out)`."""
        return torch.cat([self._rows(rows) for rows in x.flatten(0, -2).split(ROWS_A_PASS)]).unflatten(0, x.shape[:-1])

    def _rows(self, rows: Tensor) -> Tensor:
        rounded, scale = round_rows(rows)
        padded = F.pad(rounded, (0, 0, 0, max(FEWEST_ROWS - len(rows), 0)))
        out = torch._int_mm(padded, self.weight.t())[: len(rows)] * scale  # (rows, out) float32
        out *= self.scale
        if self.bias is not None:
            out += self.bias
        return out.to(rows.dtype)


def round_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """`(n, c)` as int8, and what each row is to be multiplied by, `(n, 1) float32`."""
    wide = x.float()
    scale = wide.abs().amax(dim=-1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny) / LARGEST
    return (wide / scale).round().to(torch.int8), scale


def check_int8(device: torch.device) -> None:
    """Raise `RecipeError` where `device` has no product of 8 bits."""
    if device.type not in ("cpu", "cuda"):
        raise RecipeError(f"the approximation 'int8' runs on cpu and cuda; device is '{device}': leave it out")


def quantize(transformer: Transformer, device: torch.device) -> None:
    """Let the blocks compute in 8 bits on `device`, for good; raises `RecipeError` where it cannot."""
    check_int8(device)
    blocks = [*transformer.double_blocks, *transformer.single_blocks]
    for block in blocks[:-1]:
        for name, part in list(block.named_modules()):
            if isinstance(part, nn.Linear) and not name.endswith("modulation"):
                parent, _, own = name.rpartition(".")
                setattr(block.get_submodule(parent), own, Int8Linear(part))
