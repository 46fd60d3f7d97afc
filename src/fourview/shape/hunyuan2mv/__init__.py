# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Hunyuan3D-2mv, the official network: pictures steer a set of latents from noise to a shape.

Read in the order of the data: `preprocess` -> `conditioner` -> `transformer` -> `sampler` -> `vae`, then `checkpoint`
(a folder becomes the network) and `engine` (the whole way). docs/how/hunyuan2mv.md draws it. Zhao et al.,
"Hunyuan3D 2.0: scaling diffusion models for high resolution textured 3D assets generation", 2025.
"""
