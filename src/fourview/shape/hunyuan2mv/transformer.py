# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The flow transformer: latents, a time and a condition go in, the velocity of the latents comes out.

Owns      the blocks and their order. Not here: what a condition is made of (`conditioner`), the steps (`sampler`).

A diffusion transformer (W. Peebles, S. Xie, "Scalable diffusion models with transformers", 2023) of the FLUX kind
(Black Forest Labs, 2024; its double-stream blocks are those of P. Esser et al., "Scaling rectified flow transformers
for high-resolution image synthesis", 2024), sized for Hunyuan3D 2.0 (Zhao et al., 2025):

    latents (b, n, 64) --latent_in--+                         +-- latents --+
                                    +--> 16 double blocks --> |             +--> 32 single blocks --> final --> velocity
    context (b, m, 1536) -cond_in---+   own weights for each  +- condition -+    one set of weights   latents only
                                        side, joint attention
    time (b,) [, guidance (b,)] --> modulation: shift, scale and gate of every block

No row has a position: the latents are a set, and so is the condition. Three savings follow, which change
nothing but rounding:

- *Modulations depend on the time alone*, so those of a whole schedule are computed before its first step.
- *The null condition is one row.* Equal rows stay equal through every block, and without a condition all m rows are
  zero. One row is enough, if attention counts it m times (`Condition.log_repeats`).
- *The last block computes latent rows only*; the others are not used.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourview.shape.hunyuan2mv.attention import attend

SINUSOIDS = 256  # width of the vector that a time becomes
NORM_EPS = 1e-6


@dataclass(frozen=True)
class TransformerParams:
    """Sizes that a checkpoint fixes."""

    in_channels: int  # of a latent row
    context_in_dim: int  # of a condition row
    hidden_size: int  # h
    mlp_ratio: float
    num_heads: int
    depth: int  # double blocks
    depth_single_blocks: int
    qkv_bias: bool
    guidance_embed: bool  # the guidance scale is an input: one branch instead of two


@dataclass(frozen=True)
class Condition:
    """What steers the latents, projected once for each run.

    `rows (b, m, h)`. With `log_repeats (b,)` the single row of each item stands for exp(log_repeats) equal ones.
    """

    rows: Tensor
    log_repeats: Tensor | None = None


class Transformer(nn.Module):
    """Latents `(b, n, in_channels)` -> their velocity, the same shape."""

    def __init__(self, params: TransformerParams) -> None:
        super().__init__()
        p = self.params = params
        self.latent_in = nn.Linear(p.in_channels, p.hidden_size)
        self.cond_in = nn.Linear(p.context_in_dim, p.hidden_size)
        self.time_in = ScalarEmbedding(p.hidden_size)
        self.guidance_in = ScalarEmbedding(p.hidden_size) if p.guidance_embed else None
        self.double_blocks = nn.ModuleList(DoubleBlock(p) for _ in range(p.depth))
        self.single_blocks = nn.ModuleList(SingleBlock(p) for _ in range(p.depth_single_blocks))
        self.final_layer = FinalLayer(p)

    def forward(self, latents: Tensor, time: Tensor, context: Tensor, guidance: Tensor | None = None) -> Tensor:
        """All in one call: `time (b,)` 0 = noise .. 1 = data, `context (b, m, context_in_dim)`, `guidance (b,)`."""
        return self.velocity(latents, self.condition(context), self.modulations(time, guidance))

    def condition(self, context: Tensor) -> Condition:
        """`context (b, m, context_in_dim)`, projected."""
        return Condition(self.cond_in(context))

    def null_condition(self, rows: Tensor) -> Condition:
        """The null condition: `rows (b,)` zero rows for each item, held as one row."""
        bias = self.cond_in.bias
        return Condition(
            bias.expand(len(rows), 1, -1), rows.to(bias.device, torch.promote_types(bias.dtype, torch.float32)).log()
        )

    def modulations(self, time: Tensor, guidance: Tensor | None = None) -> Tensor:
        """Shifts, scales and gates of every block in the order of the forward pass, `(b, k, h)`; `time (b,)`.

        The times may be those of several steps: a whole schedule is computed at once, and sliced.
        """
        if (guidance is None) != (self.guidance_in is None):
            raise ValueError(f"guidance is {guidance}, but guidance_embed is {self.params.guidance_embed}")
        vector = self.time_in(time)
        if self.guidance_in is not None:
            vector = vector + self.guidance_in(guidance)
        vector = F.silu(vector)
        parts = [linear(vector) for linear in self._modulating()]
        return torch.cat(parts, dim=-1).unflatten(-1, (-1, self.params.hidden_size))

    def velocity(self, latents: Tensor, condition: Condition, modulations: Tensor) -> Tensor:
        """One pass; `modulations (b or 1, k, h)`: each item of the batch may be at a step of its own."""
        x, c = self.latent_in(latents), condition.rows
        modulations = modulations[:, :, None]  # (b, k, 1, h): one for all rows of an item
        used = 0
        for block in self.double_blocks:
            x, c = block(x, c, modulations[:, used : used + 12], condition.log_repeats)
            used += 12
        rows = torch.cat([c, x], dim=1)
        for number, block in enumerate(self.single_blocks, 1):
            is_last = number == len(self.single_blocks)
            rows = block(rows, modulations[:, used : used + 3], condition.log_repeats, c.shape[1] if is_last else 0)
            used += 3
        if not self.single_blocks:
            rows = x
        return self.final_layer(rows, modulations[:, used : used + 2])

    def _modulating(self) -> list[nn.Module]:
        """In the order of the forward pass, which is that of `__init__`."""
        return [module for name, module in self.named_modules() if name.endswith("modulation")]


class ScalarEmbedding(nn.Module):
    """A number for each item becomes a vector: sinusoids, then a small network."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.in_layer = nn.Linear(SINUSOIDS, hidden_size)
        self.out_layer = nn.Linear(hidden_size, hidden_size)

    def forward(self, scalar: Tensor) -> Tensor:
        """`(b,) -> (b, h)`."""
        return self.out_layer(F.silu(self.in_layer(sinusoids(scalar).to(self.in_layer.weight.dtype))))


def sinusoids(scalar: Tensor) -> Tensor:
    """`(b,) -> (b, 256)`: cosines, then sines, of 1000 s at wavelengths that grow from 2 pi to 2000 pi.

    The longest is ten times shorter than usual, as in the training of the checkpoints. In float32 at least: float16 has
    steps of 0.5 at 1000 s.
    """
    wide = scalar if scalar.dtype == torch.float64 else scalar.float()
    half = SINUSOIDS // 2
    exponent = torch.arange(half, dtype=torch.float32, device=scalar.device) / half
    angle = (1000 * wide)[:, None] * torch.exp(-math.log(1000) * exponent)
    return torch.cat([angle.cos(), angle.sin()], dim=-1)


class DoubleBlock(nn.Module):
    """Latents and condition attend to both, each side with weights of its own."""

    def __init__(self, p: TransformerParams) -> None:
        super().__init__()
        self.latents = Side(p)
        self.condition = Side(p)

    def forward(
        self, x: Tensor, c: Tensor, modulations: Tensor, log_repeats: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Latents `x (b, n, h)`, condition `c (b, m, h)`; `modulations (b, 12, 1, h)`, those of the latents first."""
        of_x, of_c = modulations[:, :6], modulations[:, 6:]
        qkv_x, qkv_c = self.latents.qkv_of(x, of_x), self.condition.qkv_of(c, of_c)
        q, k, v = (torch.cat(pair, dim=2) for pair in zip(qkv_c, qkv_x, strict=True))
        attended = _joined(attend(q, k, v, log_repeats))
        at_c, at_x = attended.split([c.shape[1], x.shape[1]], dim=1)
        return self.latents.finish(x, at_x, of_x), self.condition.finish(c, at_c, of_c)


class Side(nn.Module):
    """One side of a double block: attention's projections, and an MLP."""

    def __init__(self, p: TransformerParams) -> None:
        super().__init__()
        h, inner = p.hidden_size, int(p.hidden_size * p.mlp_ratio)
        self.num_heads = p.num_heads
        self.modulation = nn.Linear(h, 6 * h)
        self.qkv = nn.Linear(h, 3 * h, bias=p.qkv_bias)
        self.query_norm = HeadNorm(h // p.num_heads)
        self.key_norm = HeadNorm(h // p.num_heads)
        self.project = nn.Linear(h, h)
        self.mlp_in = nn.Linear(h, inner)
        self.mlp_out = nn.Linear(inner, h)

    def qkv_of(self, x: Tensor, modulations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of rows `(b, n, h)`, `(b, heads, n, d)` each."""
        shift, scale, _, _, _, _ = modulations.unbind(1)
        q, k, v = _heads(self.qkv(_modulated(x, shift, scale)), 3, self.num_heads)
        return self.query_norm(q), self.key_norm(k), v

    def finish(self, x: Tensor, attended: Tensor, modulations: Tensor) -> Tensor:
        """Rows `(b, n, h)` with what they attended to, and what the MLP makes of that."""
        _, _, gate_1, shift, scale, gate_2 = modulations.unbind(1)
        x = torch.addcmul(x, gate_1, self.project(attended))
        inner = F.gelu(self.mlp_in(_modulated(x, shift, scale)), approximate="tanh")
        return torch.addcmul(x, gate_2, self.mlp_out(inner))


class SingleBlock(nn.Module):
    """All rows attend to all; attention and MLP side by side, from one projection into another."""

    def __init__(self, p: TransformerParams) -> None:
        super().__init__()
        h, self.inner = p.hidden_size, int(p.hidden_size * p.mlp_ratio)
        self.num_heads = p.num_heads
        self.modulation = nn.Linear(h, 3 * h)
        self.project_in = nn.Linear(h, 3 * h + self.inner)  # queries, keys, values, MLP
        self.project_out = nn.Linear(h + self.inner, h)
        self.query_norm = HeadNorm(h // p.num_heads)
        self.key_norm = HeadNorm(h // p.num_heads)

    def forward(self, rows: Tensor, modulations: Tensor, log_repeats: Tensor | None = None, drop: int = 0) -> Tensor:
        """`rows (b, m + n, h)`, condition first -> the same without the first `drop`; `modulations (b, 3, 1, h)`."""
        shift, scale, gate = modulations.unbind(1)
        h = rows.shape[-1]
        normed = _modulated(rows, shift, scale)
        qkv, mlp = self.project_in(normed[:, drop:]).split([3 * h, self.inner], dim=-1)
        q, k, v = _heads(qkv, 3, self.num_heads)
        if drop:  # of these rows only keys and values are needed
            only_kv = slice(h, 3 * h)
            kv = F.linear(normed[:, :drop], self.project_in.weight[only_kv], self.project_in.bias[only_kv])
            k, v = (torch.cat(pair, dim=2) for pair in zip(_heads(kv, 2, self.num_heads), (k, v), strict=True))
        attended = _joined(attend(self.query_norm(q), self.key_norm(k), v, log_repeats))
        out = self.project_out(torch.cat([attended, F.gelu(mlp, approximate="tanh")], dim=-1))
        return torch.addcmul(rows[:, drop:], gate, out)


class FinalLayer(nn.Module):
    """Latent rows become velocities."""

    def __init__(self, p: TransformerParams) -> None:
        super().__init__()
        self.modulation = nn.Linear(p.hidden_size, 2 * p.hidden_size)
        self.linear = nn.Linear(p.hidden_size, p.in_channels)

    def forward(self, x: Tensor, modulations: Tensor) -> Tensor:
        """`(b, n, h) -> (b, n, in_channels)`; `modulations (b, 2, 1, h)`."""
        shift, scale = modulations.unbind(1)
        return self.linear(_modulated(x, shift, scale))


class HeadNorm(nn.Module):
    """Root-mean-square norm of each head's row (B. Zhang, R. Sennrich, 2019), computed in float32 or wider."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """`(b, heads, n, d)`, the same."""
        return F.rms_norm(x, x.shape[-1:], self.scale, NORM_EPS)


def _modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Norm of rows `(b, n, h)`, then shift and scale `(b or 1, 1, h)`."""
    if len(shift) == 1:  # the norm's own kernel does it in the same pass
        return F.layer_norm(x, x.shape[-1:], 1 + scale[0, 0], shift[0, 0], NORM_EPS)
    return torch.addcmul(shift, 1 + scale, F.layer_norm(x, x.shape[-1:], eps=NORM_EPS))


def _heads(rows: Tensor, parts: int, num_heads: int) -> tuple[Tensor, ...]:
    """`(b, n, parts h)` -> so many `(b, heads, n, d)`; each part's columns are head after head."""
    return rows.unflatten(-1, (parts, num_heads, -1)).transpose(1, 3).unbind(2)


def _joined(heads: Tensor) -> Tensor:
    """`(b, heads, n, d) -> (b, n, heads d)`."""
    return heads.transpose(1, 2).flatten(2)
