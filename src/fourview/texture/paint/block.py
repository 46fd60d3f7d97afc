# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A transformer block of the painting network: that of Stable Diffusion with two more attentions.

Owns      the block's equations, what a run hands to its blocks. Not here: the network around them (`network`).

With n = norm1(x), tokens of one view in a row, (batch views, tokens, width):

    x += attn1(n)                                 inside one view
    x += reference_scale attn_refview(n, r)       r: the reference stream's n, all pictures in a row
    x += views_scale attn_multiview(n)            the tokens of all views in a row; left out for a single view
    x += attn2(norm2(x), text);  x += ff(norm3(x))

The plain path computes exactly this. The prepared path leaves out what does not change during a run or is zero:
keys and values of the references and of the text are computed once a block, all views ask them as one long row, the
unconditional items have no reference, and a text of zeros makes attn2 its output bias.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn

Pair = tuple[Tensor, Tensor]  # keys and values (batch, heads, tokens, width)


@dataclass(frozen=True)
class Prepared:
    """Keys and values of the items that have a condition: of the references and of the text, by block name."""

    reference: Mapping[str, Pair]
    text: Mapping[str, Pair]


@dataclass
class Call:
    """What the blocks need besides tokens in one evaluation.

    `written`: the reference stream leaves n `(batch, pictures tokens, width)` here, by block name; `read`: from where
    the generating stream takes it. Of `prepared` runs the first `unconditional` items have no reference and no text.
    `masks`: by the number of tokens of all views, `(tokens, tokens) bool`, true where a token may attend.
    """

    views: int
    reference_scale: Tensor | float = 1.0  # (batch,) or one for all
    views_scale: float = 1.0
    written: dict[str, Tensor] | None = None
    read: Mapping[str, Tensor] | None = None
    prepared: Prepared | None = None
    unconditional: int = 0
    masks: Mapping[int, Tensor] = field(default_factory=dict)


class Attention(nn.Module):
    """Attention with `heads` heads inside a `width`; tensors are named as those of diffusers."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_width
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, inner, bias=False) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(inner, width)])


class Block(nn.Module):
    """`transformer` with the two further attentions, which the reference stream (`is_reference`) does not have."""

    def __init__(self, name: str, transformer: BasicTransformerBlock, is_reference: bool) -> None:
        super().__init__()
        self.name, self.transformer = name, transformer
        self.call: Call | None = None
        if not is_reference:
            of = transformer.attn1
            width, head_width = of.to_q.in_features, of.to_q.out_features // of.heads
            self.attn_multiview = Attention(width, of.heads, head_width)
            self.attn_refview = Attention(width, of.heads, head_width)

    def forward(self, hidden_states: Tensor, encoder_hidden_states: Tensor, **_: object) -> Tensor:
        """Tokens `(batch views, tokens, width)` and text `(batch views, words, d)`; as diffusers calls its block."""
        if self.call is None:
            raise RuntimeError("a block was called outside of PaintNetwork")
        call, x = self.call, hidden_states
        base = self.transformer
        n = base.norm1(x)
        x = x + attend(base.attn1, n, keys_values(base.attn1, n))
        if call.written is not None:
            call.written[self.name] = n.unflatten(0, (-1, call.views)).flatten(1, 2)
        else:
            x = x + self._reference(n, call)
            if call.views > 1:
                joint = n.unflatten(0, (-1, call.views)).flatten(1, 2)
                mask = call.masks.get(joint.shape[1])
                seen = attend(self.attn_multiview, joint, keys_values(self.attn_multiview, joint), mask)
                x = x + call.views_scale * seen.unflatten(1, (call.views, -1)).flatten(0, 1)
        x = x + self._text(base.norm2(x), encoder_hidden_states, call)
        out: Tensor = x + base.ff(base.norm3(x))
        return out

    def _reference(self, n: Tensor, call: Call) -> Tensor:
        """What the references add, `(batch views, tokens, width)`."""
        if call.prepared is not None:
            rows = n.unflatten(0, (-1, call.views)).flatten(1, 2)  # all views as one row of queries
            seen = attend(self.attn_refview, rows[call.unconditional :], call.prepared.reference[self.name])
            scale = call.reference_scale
            if isinstance(scale, Tensor):
                scale = scale[call.unconditional :, None, None]
            seen = scale * seen
            if call.unconditional:
                seen = torch.cat([torch.zeros_like(rows[: call.unconditional]), seen])
            return seen.unflatten(1, (call.views, -1)).flatten(0, 1)
        if call.read is None:
            raise RuntimeError("the reference stream has not run")
        context = call.read[self.name].repeat_interleave(call.views, dim=0)
        seen = attend(self.attn_refview, n, keys_values(self.attn_refview, context))
        scale = call.reference_scale
        if isinstance(scale, Tensor):
            scale = scale.repeat_interleave(call.views)[:, None, None] if scale.numel() > 1 else scale.reshape(1, 1, 1)
        return scale * seen

    def _text(self, n: Tensor, text: Tensor, call: Call) -> Tensor:
        attention: Any = self.transformer.attn2
        if call.prepared is None:
            return attend(attention, n, keys_values(attention, text))
        rows = n.unflatten(0, (-1, call.views)).flatten(1, 2)
        seen = attend(attention, rows[call.unconditional :], call.prepared.text[self.name])
        if call.unconditional:
            bias = attention.to_out[0].bias.expand(call.unconditional, rows.shape[1], -1)
            seen = torch.cat([bias, seen])
        return seen.unflatten(1, (call.views, -1)).flatten(0, 1)


def keys_values(attention: Any, context: Tensor) -> Pair:
    """Keys and values of `context (b, m, d)`."""
    return _by_head(attention, attention.to_k(context)), _by_head(attention, attention.to_v(context))


def attend(attention: Any, queries: Tensor, context: Pair, mask: Tensor | None = None) -> Tensor:
    """Attention of `queries (b, n, width)` to keys and values; `mask (n, m)` is true where a query may attend."""
    q = _by_head(attention, attention.to_q(queries))
    seen = F.scaled_dot_product_attention(q, *context, attn_mask=mask)
    out: Tensor = attention.to_out[0](seen.transpose(1, 2).flatten(2))
    return out


def _by_head(attention: Any, tokens: Tensor) -> Tensor:
    return tokens.unflatten(-1, (attention.heads, -1)).transpose(1, 2)
