# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures become the context that steers the transformer.

Owns      the vision transformer, and how the side of each picture enters its rows.
Not here  how the pictures were framed (`preprocess`).

DINOv2 (M. Oquab et al., 2023) with a gated MLP, SwiGLU (N. Shazeer, 2020), the giant one in the official files. It sees
each picture alone; a sinusoid of the side's number is added to all rows of a picture, then the pictures' rows are
put one after the other:

    (v, 3, 512, 512) -> resize to 518 -> 37 x 37 patches + 1 -> 40 layers -> (v, 1370, 1536) + side -> (1, v 1370, 1536)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourview.shape.hunyuan2mv.attention import attend
from fourview.sides import SIDES as SIDE_TABLE

SIDES = tuple(SIDE_TABLE)  # a side's number is its place here, as in training
SIDE_WAVE = 10_000.0
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the pictures that DINOv2 was trained on, sRGB 0..1


@dataclass(frozen=True)
class DinoParams:
    """Sizes that a checkpoint fixes."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    mlp_ratio: float
    num_channels: int
    patch_size: int  # px
    image_size: int  # px, for which the positions were learnt
    layer_norm_eps: float
    qkv_bias: bool


class Conditioner(nn.Module):
    """Pictures of named sides -> context rows."""

    def __init__(self, params: DinoParams, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size  # px, what the pictures are resized to
        self.dino = Dino(params)

    @property
    def rows_a_view(self) -> int:
        """How many context rows one picture becomes."""
        return (self.image_size // self.dino.params.patch_size) ** 2 + 1

    def forward(self, pictures: Tensor, sides: Sequence[Sequence[int]]) -> Tensor:
        """`pictures (b, v, 3, s, s)` -1..1 of the sides numbered `sides`, v rising numbers an item -> `(b, v m, c)`."""
        b, v = pictures.shape[:2]
        rows = self.dino(self.prepare(pictures.flatten(0, 1))).unflatten(0, (b, v))  # (b, v, m, c)
        of_side = side_embedding(self.dino.params.hidden_size).to(rows.device)[torch.tensor(sides)]  # (b, v, c)
        return (rows + of_side[:, :, None]).to(rows.dtype).flatten(1, 2)  # rounded once

    def prepare(self, pictures: Tensor) -> Tensor:
        """`(n, 3, h, w)` -1..1 -> `(n, 3, s, s)` for DINOv2: the middle square, normalised by mean and spread."""
        dtype = self.dino.layernorm.weight.dtype
        size = self.image_size
        rounded = ((pictures + 1) / 2).to(dtype)
        h, w = pictures.shape[-2:]
        shape = (size, int(size * w / h)) if h <= w else (int(size * h / w), size)
        wide = rounded if dtype == torch.float64 else rounded.float()  # half precision is resized in float32
        is_shrunk = shape[0] < h  # only then it matters, and older torch has no antialiasing for Apple's GPUs
        resized = F.interpolate(wide, shape, mode="bilinear", antialias=is_shrunk, align_corners=False).to(dtype)
        top, left = round((shape[0] - size) / 2), round((shape[1] - size) / 2)
        mean, std = (torch.tensor(x, dtype=dtype, device=pictures.device)[:, None, None] for x in (MEAN, STD))
        return (resized[..., top : top + size, left : left + size] - mean) / std


def side_embedding(width: int) -> Tensor:
    """The embedding of each side, `(4, width) float32`: sines, then cosines, of its number at falling rates."""
    rate = SIDE_WAVE ** (-torch.arange(width // 2, dtype=torch.float64) / (width // 2))
    angle = torch.arange(len(SIDES), dtype=torch.float64)[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=-1).float()


class Dino(nn.Module):
    """Pictures `(n, 3, s, s)` -> rows `(n, 1 + patches, c)`; the first row is that of the whole picture."""

    def __init__(self, params: DinoParams) -> None:
        super().__init__()
        p = self.params = params
        patches = (p.image_size // p.patch_size) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, p.hidden_size))
        self.mask_token = nn.Parameter(torch.zeros(1, p.hidden_size))  # used in training; in the files, unused here
        self.position_embeddings = nn.Parameter(torch.zeros(1, 1 + patches, p.hidden_size))
        self.patches = nn.Conv2d(p.num_channels, p.hidden_size, p.patch_size, stride=p.patch_size)
        self.layers = nn.ModuleList(Layer(p) for _ in range(p.num_hidden_layers))
        self.layernorm = nn.LayerNorm(p.hidden_size, eps=p.layer_norm_eps)

    def forward(self, pictures: Tensor) -> Tensor:
        """`pictures (n, 3, s, s)` as `Conditioner.prepare` leaves them."""
        rows = self.patches(pictures)  # (n, c, s / 14, s / 14)
        positions = self._positions(rows.shape[-2], rows.shape[-1])
        rows = rows.flatten(2).transpose(1, 2)
        rows = torch.cat([self.cls_token.expand(len(rows), -1, -1), rows], dim=1) + positions
        for layer in self.layers:
            rows = layer(rows)
        return self.layernorm(rows)

    def _positions(self, height: int, width: int) -> Tensor:
        """The learnt positions, resized where the grid of patches has another size, `(1, 1 + patches, c)`."""
        side = self.params.image_size // self.params.patch_size
        positions = self.position_embeddings
        if (height, width) == (side, side):
            return positions
        grid = positions[:, 1:].float().unflatten(1, (side, side)).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, (height, width), mode="bicubic", align_corners=False)
        return torch.cat([positions[:, :1], grid.flatten(2).transpose(1, 2).to(positions.dtype)], dim=1)


class Layer(nn.Module):
    """Attention among the rows of a picture, then a gated MLP; each result is scaled by a learnt row."""

    def __init__(self, p: DinoParams) -> None:
        super().__init__()
        c = p.hidden_size
        inner = (int(c * p.mlp_ratio * 2 / 3) + 7) // 8 * 8
        self.num_heads = p.num_attention_heads
        self.norm_1 = nn.LayerNorm(c, eps=p.layer_norm_eps)
        self.query = nn.Linear(c, c, bias=p.qkv_bias)
        self.key = nn.Linear(c, c, bias=p.qkv_bias)
        self.value = nn.Linear(c, c, bias=p.qkv_bias)
        self.project = nn.Linear(c, c)
        self.scale_1 = nn.Parameter(torch.ones(c))
        self.norm_2 = nn.LayerNorm(c, eps=p.layer_norm_eps)
        self.mlp_in = nn.Linear(c, 2 * inner)
        self.mlp_out = nn.Linear(inner, c)
        self.scale_2 = nn.Parameter(torch.ones(c))

    def forward(self, x: Tensor) -> Tensor:
        """`(n, m, c)`, the same."""
        normed = self.norm_1(x)
        q, k, v = (
            linear(normed).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for linear in (self.query, self.key, self.value)
        )
        x = torch.addcmul(x, self.scale_1, self.project(attend(q, k, v).transpose(1, 2).flatten(2)))
        gate, value = self.mlp_in(self.norm_2(x)).chunk(2, dim=-1)
        return torch.addcmul(x, self.scale_2, self.mlp_out(F.silu(gate) * value))
