# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What the files of a checkpoint call each tensor, and what our modules call it.

Owns      one table for each network, and the patterns made of it.
Not here  reading the files (`weights.load`), the sizes (`checkpoint`).
"""

import re

# What the files call a module, and what we do; `*` is a number. What is not named has the same name in both.
Names = tuple[tuple[str, str], ...]
TRANSFORMER_NAMES: Names = (
    ("double_blocks.*.img_mod.lin", "double_blocks.*.latents.modulation"),
    ("double_blocks.*.img_attn.qkv", "double_blocks.*.latents.qkv"),
    ("double_blocks.*.img_attn.norm.query_norm", "double_blocks.*.latents.query_norm"),
    ("double_blocks.*.img_attn.norm.key_norm", "double_blocks.*.latents.key_norm"),
    ("double_blocks.*.img_attn.proj", "double_blocks.*.latents.project"),
    ("double_blocks.*.img_mlp.0", "double_blocks.*.latents.mlp_in"),
    ("double_blocks.*.img_mlp.2", "double_blocks.*.latents.mlp_out"),
    ("double_blocks.*.txt_mod.lin", "double_blocks.*.condition.modulation"),
    ("double_blocks.*.txt_attn.qkv", "double_blocks.*.condition.qkv"),
    ("double_blocks.*.txt_attn.norm.query_norm", "double_blocks.*.condition.query_norm"),
    ("double_blocks.*.txt_attn.norm.key_norm", "double_blocks.*.condition.key_norm"),
    ("double_blocks.*.txt_attn.proj", "double_blocks.*.condition.project"),
    ("double_blocks.*.txt_mlp.0", "double_blocks.*.condition.mlp_in"),
    ("double_blocks.*.txt_mlp.2", "double_blocks.*.condition.mlp_out"),
    ("single_blocks.*.modulation.lin", "single_blocks.*.modulation"),
    ("single_blocks.*.linear1", "single_blocks.*.project_in"),
    ("single_blocks.*.linear2", "single_blocks.*.project_out"),
    ("single_blocks.*.norm.query_norm", "single_blocks.*.query_norm"),
    ("single_blocks.*.norm.key_norm", "single_blocks.*.key_norm"),
    ("final_layer.adaLN_modulation.1", "final_layer.modulation"),
)
VAE_NAMES: Names = (
    ("transformer.resblocks.*.ln_1", "blocks.*.norm_1"),
    ("transformer.resblocks.*.attn.c_qkv", "blocks.*.qkv"),
    ("transformer.resblocks.*.attn.attention.q_norm", "blocks.*.query_norm"),
    ("transformer.resblocks.*.attn.attention.k_norm", "blocks.*.key_norm"),
    ("transformer.resblocks.*.attn.c_proj", "blocks.*.project"),
    ("transformer.resblocks.*.ln_2", "blocks.*.norm_2"),
    ("transformer.resblocks.*.mlp.c_fc", "blocks.*.mlp_in"),
    ("transformer.resblocks.*.mlp.c_proj", "blocks.*.mlp_out"),
    ("geo_decoder.query_proj", "points.query_proj"),
    ("geo_decoder.latents_proj", "points.latents_proj"),
    ("geo_decoder.cross_attn_decoder.ln_1", "points.norm_query"),
    ("geo_decoder.cross_attn_decoder.ln_2", "points.norm_tokens"),
    ("geo_decoder.cross_attn_decoder.ln_3", "points.norm_mlp"),
    ("geo_decoder.cross_attn_decoder.attn.c_q", "points.query"),
    ("geo_decoder.cross_attn_decoder.attn.c_kv", "points.key_value"),
    ("geo_decoder.cross_attn_decoder.attn.attention.q_norm", "points.query_norm"),
    ("geo_decoder.cross_attn_decoder.attn.attention.k_norm", "points.key_norm"),
    ("geo_decoder.cross_attn_decoder.attn.c_proj", "points.project"),
    ("geo_decoder.cross_attn_decoder.mlp.c_fc", "points.mlp_in"),
    ("geo_decoder.cross_attn_decoder.mlp.c_proj", "points.mlp_out"),
    ("geo_decoder.ln_post", "points.norm_post"),
    ("geo_decoder.output_proj", "points.output_proj"),
)
CONDITIONER_NAMES: Names = (
    ("embeddings.cls_token", "cls_token"),
    ("embeddings.mask_token", "mask_token"),
    ("embeddings.position_embeddings", "position_embeddings"),
    ("embeddings.patch_embeddings.projection", "patches"),
    ("encoder.layer.*.norm1", "layers.*.norm_1"),
    ("encoder.layer.*.attention.attention.query", "layers.*.query"),
    ("encoder.layer.*.attention.attention.key", "layers.*.key"),
    ("encoder.layer.*.attention.attention.value", "layers.*.value"),
    ("encoder.layer.*.attention.output.dense", "layers.*.project"),
    ("encoder.layer.*.layer_scale1.lambda1", "layers.*.scale_1"),
    ("encoder.layer.*.norm2", "layers.*.norm_2"),
    ("encoder.layer.*.mlp.weights_in", "layers.*.mlp_in"),
    ("encoder.layer.*.mlp.weights_out", "layers.*.mlp_out"),
    ("encoder.layer.*.layer_scale2.lambda1", "layers.*.scale_2"),
)


def renames(names: Names) -> tuple[tuple[str, str], ...]:
    """`names` as patterns and what they become, from the left name to the right one."""
    return tuple(
        ("^" + re.escape(left).replace(r"\*", r"(\d+)") + r"(?=\.|$)", right.replace("*", r"\1"))
        for left, right in names
    )


# The encoder makes latents of meshes; it is not needed and in few files.
VAE_ENCODER = ("encoder.", "pre_kl.")
