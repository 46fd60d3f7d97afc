# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Velocities are the official ones, block by block."""

import pytest
import torch
from parity.golden import Recording, recordings, sized

from fourview.shape.hunyuan2mv.tensor_names import TRANSFORMER_NAMES
from fourview.shape.hunyuan2mv.transformer import Transformer, TransformerParams, sinusoids

TOLERANCE = 1e-5


@pytest.mark.parametrize("path", recordings("transformer"))
@torch.inference_mode()
def test_every_block_and_the_velocity_are_the_official_ones(path):
    with Recording(path) as recording:
        net = Transformer(sized(TransformerParams, recording.said("config")))
        net.load_state_dict(recording.weights("model.", TRANSFORMER_NAMES))
        guidance = recording.get("in.guidance")
        seen = watched(net)

        velocity = net(recording["in.x"], recording["in.t"], recording["in.context"], guidance)

        recording.agree("mid.time_sinusoid", sinusoids(recording["in.t"]), TOLERANCE)
        if guidance is not None:
            recording.agree("mid.guidance_sinusoid", sinusoids(guidance), TOLERANCE)
        for key, value in seen.items():  # in the order of the forward pass: the first to disagree is at fault
            recording.agree(key, value, TOLERANCE)
        recording.agree("out.v", velocity, TOLERANCE)


def watched(net):
    """What the parts of `net` give, by the recording's keys, filled while it runs."""
    seen = {}

    def single(block, args, _):
        rows, modulations, log_repeats, _ = args  # the last block, too, computes all its rows for us
        seen[f"mid.single_{list(net.single_blocks).index(block)}"] = block.forward(rows, modulations, log_repeats)

    def double(block, _, out):
        number = list(net.double_blocks).index(block)
        seen[f"mid.double_{number}.latent"], seen[f"mid.double_{number}.cond"] = out

    for name in ("time_in", "guidance_in", "latent_in", "cond_in"):
        if getattr(net, name) is not None:
            getattr(net, name).register_forward_hook(lambda _, args, out, key=f"mid.{name}": seen.update({key: out}))
    for block in net.double_blocks:
        block.register_forward_hook(double)
    for block in net.single_blocks:
        block.register_forward_hook(single)
    return seen
