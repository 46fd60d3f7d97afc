# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""CLIP's text tower, for the one prompt that is needed: the empty one.

Owns      the tower, and the token numbers of the empty prompt. Not here: a tokenizer; no text is ever split.

A. Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021: a transformer with
norms before its attentions, in which a word sees only those before it. Tensors have their official names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourview.errors import CheckpointError

ACTIVATIONS = {"gelu": F.gelu, "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x)}


@dataclass(frozen=True)
class TextParams:
    """The sizes in `text_encoder/config.json`."""

    vocabulary: int
    width: int
    inner: int
    layers: int
    heads: int
    words: int
    epsilon: float
    activation: str

    @staticmethod
    def of(config: Mapping[str, Any]) -> "TextParams":
        """The sizes in a config; where it names none, the library's."""
        activation = str(config.get("hidden_act", "quick_gelu"))
        if activation not in ACTIVATIONS:
            raise ValueError(f"hidden_act is {activation}, expected one of {', '.join(ACTIVATIONS)}")
        return TextParams(
            config.get("vocab_size", 49408),
            config.get("hidden_size", 512),
            config.get("intermediate_size", 2048),
            config.get("num_hidden_layers", 12),
            config.get("num_attention_heads", 8),
            config.get("max_position_embeddings", 77),
            config.get("layer_norm_eps", 1e-5),
            activation,
        )


class _Attention(nn.Module):
    def __init__(self, params: TextParams) -> None:
        super().__init__()
        self.heads = params.heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(params.width, params.width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.out_proj(seen.transpose(1, 2).flatten(2))
        return out


class _Layer(nn.Module):
    def __init__(self, params: TextParams) -> None:
        super().__init__()
        self.self_attn = _Attention(params)
        self.layer_norm1, self.layer_norm2 = (nn.LayerNorm(params.width, params.epsilon) for _ in range(2))
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(params.width, params.inner), "fc2": nn.Linear(params.inner, params.width)}
        )
        self.activation = ACTIVATIONS[params.activation]

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        out: Tensor = x + self.mlp["fc2"](self.activation(self.mlp["fc1"](self.layer_norm2(x))))
        return out


class TextTower(nn.Module):
    """Token numbers `(b, words)` become `(b, words, width)`."""

    def __init__(self, params: TextParams) -> None:
        super().__init__()
        self.params = params
        self.embeddings = nn.ModuleDict(
            {
                "token_embedding": nn.Embedding(params.vocabulary, params.width),
                "position_embedding": nn.Embedding(params.words, params.width),
            }
        )
        self.layers = [_Layer(params) for _ in range(params.layers)]
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(self.layers)})
        self.final_layer_norm = nn.LayerNorm(params.width, params.epsilon)

    def forward(self, words: Tensor) -> Tensor:
        places = torch.arange(words.shape[1], device=words.device)
        x = self.embeddings["token_embedding"](words) + self.embeddings["position_embedding"](places)
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.final_layer_norm(x)
        return out


def empty_prompt(
    vocabulary: Mapping[str, Any], tokenizer: Mapping[str, Any], special: Mapping[str, Any], words: int
) -> Tensor:
    """The token numbers of the empty prompt, `(1, words)`: begin, end, then padding as the tokenizer's folder says."""

    def number(name: str, usual: str) -> int:
        token = tokenizer.get(name) or special.get(name) or usual
        token = token.get("content", usual) if isinstance(token, Mapping) else token
        if not isinstance(vocabulary.get(token), int):
            raise CheckpointError(f"the tokenizer's vocab.json has no {token!r}, its {name}; take the official one")
        return int(vocabulary[token])

    begin, end = number("bos_token", "<|startoftext|>"), number("eos_token", "<|endoftext|>")
    padding = number("pad_token", "<|endoftext|>")
    length = min(words, int(tokenizer.get("model_max_length") or words))
    return torch.tensor([[begin, end] + [padding] * (length - 2)])
