# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The decoder of the shape VAE: latents become tokens, and tokens give how far inside a point lies.

Owns      both networks, and the field they make. Not here: which points are evaluated (`surface/`).

Shapes as sets of vectors are those of B. Zhang et al., "3DShape2VecSet", 2023; sizes are those of Hunyuan3D 2.0
(Zhao et al., 2025). The encoder is not needed to make shapes and not in the ordinary files.

    latents (b, n, 64) / scale_factor --post_kl--> 16 blocks of self-attention --> tokens (b, n, 1024)
    points (p, 3) --sinusoids--> (p, 51) --query_proj--> one cross-attention to the tokens, one MLP --> logit (p,)

The logit is positive inside. Points do not affect each other, so they can be evaluated in any portions. Keys and values
of the tokens do not depend on the points and are projected once for each shape (`Memory`).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourview.shape.hunyuan2mv.attention import attend

NORM_EPS = 1e-6
POST_NORM_EPS = 1e-5  # the last norm alone is trained with this one


@dataclass(frozen=True)
class VaeParams:
    """Sizes that a checkpoint fixes."""

    num_latents: int
    embed_dim: int  # channels of a latent row
    num_freqs: int
    include_pi: bool  # whether the frequencies carry a factor pi
    heads: int
    width: int
    num_decoder_layers: int
    qkv_bias: bool
    qk_norm: bool
    scale_factor: float  # what the transformer's latents are divided by
    geo_decoder_mlp_expand_ratio: int
    geo_decoder_downsample_ratio: int  # the point decoder is so many times narrower than the tokens
    geo_decoder_ln_post: bool  # without it, the point decoder has no norm on queries and keys either


@dataclass(frozen=True)
class Memory:
    """The tokens as the points see them: keys and values `(b, heads, n, d)`."""

    keys: Tensor
    values: Tensor


class ShapeVae(nn.Module):
    """Latents -> tokens -> logits at points."""

    def __init__(self, params: VaeParams) -> None:
        super().__init__()
        self.params = params
        self.post_kl = nn.Linear(params.embed_dim, params.width)
        self.blocks = nn.ModuleList(Block(params) for _ in range(params.num_decoder_layers))
        self.points = PointDecoder(params)

    def tokens(self, latents: Tensor) -> Tensor:
        """`latents (b, n, embed_dim)` as the transformer leaves them -> `(b, n, width)`."""
        tokens = self.post_kl(latents / self.params.scale_factor)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens

    def forward(self, tokens: Tensor, points: Tensor) -> Tensor:
        """The plain way: logits `(b, p)` at `points (b, p, 3)`."""
        return self.points(points, self.points.memory(tokens))


class Block(nn.Module):
    """Self-attention among the tokens, then an MLP."""

    def __init__(self, p: VaeParams) -> None:
        super().__init__()
        self.heads = p.heads
        self.norm_1 = nn.LayerNorm(p.width, eps=NORM_EPS)
        self.qkv = nn.Linear(p.width, 3 * p.width, bias=p.qkv_bias)
        self.query_norm = _head_norm(p.width // p.heads, p.qk_norm)
        self.key_norm = _head_norm(p.width // p.heads, p.qk_norm)
        self.project = nn.Linear(p.width, p.width)
        self.norm_2 = nn.LayerNorm(p.width, eps=NORM_EPS)
        self.mlp_in = nn.Linear(p.width, 4 * p.width)
        self.mlp_out = nn.Linear(4 * p.width, p.width)

    def forward(self, x: Tensor) -> Tensor:
        """`(b, n, width)`, the same."""
        q, k, v = _heads(self.qkv(self.norm_1(x)), 3, self.heads)
        x = x + self.project(_joined(attend(self.query_norm(q), self.key_norm(k), v)))
        return x + self.mlp_out(F.gelu(self.mlp_in(self.norm_2(x))))


class PointDecoder(nn.Module):
    """Points ask the tokens."""

    def __init__(self, p: VaeParams) -> None:
        super().__init__()
        shrink = p.geo_decoder_downsample_ratio
        width, self.heads = p.width // shrink, p.heads // shrink
        inner = width * p.geo_decoder_mlp_expand_ratio
        has_head_norms = p.qk_norm and p.geo_decoder_ln_post
        self.frequencies = [2.0**i * (math.pi if p.include_pi else 1) for i in range(p.num_freqs)]
        self.query_proj = nn.Linear(3 * (2 * p.num_freqs + 1), width)
        self.latents_proj = nn.Linear(p.width, width) if shrink > 1 else None
        self.norm_query = nn.LayerNorm(width, eps=NORM_EPS)
        self.norm_tokens = nn.LayerNorm(width, eps=NORM_EPS)
        self.query = nn.Linear(width, width, bias=p.qkv_bias)
        self.key_value = nn.Linear(width, 2 * width, bias=p.qkv_bias)
        self.query_norm = _head_norm(width // self.heads, has_head_norms)
        self.key_norm = _head_norm(width // self.heads, has_head_norms)
        self.project = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp_in = nn.Linear(width, inner)
        self.mlp_out = nn.Linear(inner, width)
        self.norm_post = nn.LayerNorm(width, eps=POST_NORM_EPS) if p.geo_decoder_ln_post else None
        self.output_proj = nn.Linear(width, 1)

    def memory(self, tokens: Tensor) -> Memory:
        """Keys and values of `tokens (b, n, width)`, projected once."""
        if self.latents_proj is not None:
            tokens = self.latents_proj(tokens)
        k, v = _heads(self.key_value(self.norm_tokens(tokens)), 2, self.heads)
        return Memory(self.key_norm(k), v)

    def forward(self, points: Tensor, memory: Memory) -> Tensor:
        """Logits `(b, p)` at `points (b, p, 3)`."""
        rows = self.rows(points)
        return self.logits(rows, attend(self.queries(rows), memory.keys, memory.values))

    def rows(self, points: Tensor) -> Tensor:
        """`points (b, p, 3)`, better in float32: at frequency 128 float16 is off by 0.06 rad -> `(b, p, width)`."""
        return self.query_proj(sinusoids(points, self.frequencies).to(self.query_proj.weight.dtype))

    def queries(self, rows: Tensor) -> Tensor:
        """`rows (b, p, width)` as queries `(b, heads, p, d)`."""
        (q,) = _heads(self.query(self.norm_query(rows)), 1, self.heads)
        return self.query_norm(q)

    def logits(self, rows: Tensor, attended: Tensor) -> Tensor:
        """Logits `(b, p)` from `rows (b, p, width)` and what they `attended (b, heads, p, d)` to."""
        rows = rows + self.project(_joined(attended))
        rows = rows + self.mlp_out(F.gelu(self.mlp_in(self.norm_mlp(rows))))
        if self.norm_post is not None:
            rows = self.norm_post(rows)
        return self.output_proj(rows)[..., 0]


def sinusoids(points: Tensor, frequencies: list[float]) -> Tensor:
    """`(b, p, 3) -> (b, p, 3 + 6 f)`: x y z, the sines of x at every frequency, of y, of z, then the cosines."""
    angle = (points[..., None] * torch.tensor(frequencies, dtype=points.dtype, device=points.device)).flatten(-2)
    return torch.cat([points, angle.sin(), angle.cos()], dim=-1)


def _head_norm(width: int, exists: bool) -> nn.Module:
    return nn.LayerNorm(width, eps=NORM_EPS) if exists else nn.Identity()


def _heads(rows: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """`(b, n, parts width)` -> so many `(b, heads, n, d)`; each head's columns are part after part."""
    return rows.unflatten(-1, (heads, parts, -1)).transpose(1, 2).unbind(3)


def _joined(heads: Tensor) -> Tensor:
    """`(b, heads, n, d) -> (b, n, heads d)`."""
    return heads.transpose(1, 2).flatten(2)
