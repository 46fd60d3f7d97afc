# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The painting network: two UNets of diffusers whose transformer blocks are ours.

Owns      the two streams, camera numbers, learned prompts, one evaluation, what is computed once a run.
Not here  a block's equations (`block`), files (`checkpoint`), the steps (`sampler`).

    references (B R 4 h w) --- unet_dual at time 0 ---> n of every block
                                                          |
    latents, normals, positions (B N 12 h w) ----------> unet ---> (B N 4 h w)

Names of modules and tensors are the official ones.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from fourview.texture.paint.block import Block, Call, Prepared, keys_values
from fourview.texture.paint.cameras import CAMERA_ROWS

CAMERAS = 44  # rows of the camera embedding after the first CAMERA_ROWS
WORDS = 77  # tokens of a learned prompt


class PaintNetwork(nn.Module):
    """Both streams, from the `config` of the folder's `unet/config.json`."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        channels = config.get("in_channels", 4)
        wide = {**config, "in_channels": 3 * channels, "num_class_embeds": CAMERAS + CAMERA_ROWS}
        self.unet = UNet2DConditionModel.from_config(wide)
        self.unet_dual = UNet2DConditionModel.from_config({**config, "in_channels": channels})
        self._blocks = wrap(self.unet, is_reference=False)
        self._dual_blocks = wrap(self.unet_dual, is_reference=True)
        width = self.unet.config["cross_attention_dim"]
        for name in ("learned_text_clip_gen", "learned_text_clip_ref"):
            self.unet.register_parameter(name, nn.Parameter(torch.zeros(1, WORDS, width)))
        self.channels = channels

    @property
    def prompt(self) -> Tensor:
        """The learned text of the generating stream, `(1, words, d)`."""
        prompt: Tensor = self.unet.learned_text_clip_gen
        return prompt

    def references(self, latents: Tensor) -> dict[str, Tensor]:
        """What the reference stream leaves of `latents (b, r, 4, h, w)`: n of each block `(b, r tokens, width)`."""
        batch, pictures = latents.shape[:2]
        call = Call(pictures, written={})
        text = self.unet.learned_text_clip_ref.expand(batch * pictures, -1, -1)
        self._run(self.unet_dual, self._dual_blocks, call, latents.flatten(0, 1), text, 0, None)
        assert call.written is not None
        return call.written

    def prepare(self, features: Mapping[str, Tensor], text: Tensor) -> Prepared:
        """Keys and values of reference features and of `text (b, words, d)`; computed once a run."""
        return Prepared(
            {block.name: keys_values(block.attn_refview, features[block.name]) for block in self._blocks},
            {block.name: keys_values(block.transformer.attn2, text) for block in self._blocks},
        )

    def forward(
        self, sample: Tensor, normal: Tensor, position: Tensor, text: Tensor, cameras: Tensor, time: Tensor, call: Call
    ) -> Tensor:
        """The prediction for `sample (b, n, 4, h, w)` at `time`, of its shape.

        `normal` and `position`: latents of that shape; `text (b, words, d)`; `cameras (b, n)` as in `cameras`, without
        the offset. `call` has the references: read (plain) or prepared.
        """
        stacked = torch.cat([sample, normal, position], dim=2).flatten(0, 1)
        words = text.repeat_interleave(call.views, dim=0)
        rows = cameras.flatten() + CAMERA_ROWS
        out = self._run(self.unet, self._blocks, call, stacked, words, time, rows)
        return out.unflatten(0, sample.shape[:2])

    def _run(
        self,
        unet: Any,
        blocks: list[Block],
        call: Call,
        x: Tensor,
        text: Tensor,
        time: Tensor | int,
        rows: Tensor | None,
    ) -> Tensor:
        for block in blocks:
            block.call = call
        try:
            out: Tensor = unet(x, time, encoder_hidden_states=text, class_labels=rows, return_dict=False)[0]
        finally:
            for block in blocks:
                block.call = None
        return out


def wrap(unet: Any, is_reference: bool) -> list[Block]:
    """Put our blocks in the place of the UNet's, and return them in their order."""
    blocks = []
    for name, transformers in list(_transformers(unet)):
        for number, block in enumerate(transformers):
            ours = Block(f"{name}_{number}", block, is_reference)
            transformers[number] = ours
            blocks.append(ours)
    return blocks


def _transformers(unet: Any) -> Iterator[tuple[str, Any]]:
    """The lists of transformer blocks by the official name of their place."""
    for way, stages in (("down", unet.down_blocks), ("up", unet.up_blocks)):
        for i, stage in enumerate(stages):
            for j, attention in enumerate(getattr(stage, "attentions", ())):
                yield f"{way}_{i}_{j}", attention.transformer_blocks
    for j, attention in enumerate(getattr(unet.mid_block, "attentions", ())):
        yield f"mid_{j}", attention.transformer_blocks
