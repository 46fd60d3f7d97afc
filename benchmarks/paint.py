# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What the second stage costs: each part in milliseconds, the plain path beside the prepared one.

    python benchmarks/paint.py --small                          a small network with random weights, for a CPU
    python benchmarks/paint.py --device cuda --dtype bfloat16   the official sizes with random weights

Needs torch, diffusers, numpy, safetensors and Pillow. A step is one evaluation of the network with guidance
(standard) or without (turbo) for six views; "plain" computes both items and the reference stream in every step, as
the official program does. Medians over `--repeats`, the two paths by turns.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from diffusers import AutoencoderKL

from fourview.texture.paint.cameras import SIX
from fourview.texture.paint.network import PaintNetwork
from fourview.texture.paint.sampler import Conditions, Sampling, predictor

DOWN = ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
UP = ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3
OFFICIAL = {"widths": [320, 640, 1280, 1280], "heads": [5, 10, 20, 20], "text": 1024, "groups": 32, "side": 512}
SMALL = {"widths": [32, 64, 128, 128], "heads": [2, 2, 4, 4], "text": 64, "groups": 8, "side": 128}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--references", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    sizes = SMALL if args.small else OFFICIAL
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    place = {"device": args.device, "dtype": getattr(torch, args.dtype)}
    with torch.device(args.device):
        network = PaintNetwork(unet_config(sizes)).eval().to(**place)
        vae = AutoencoderKL.from_config(vae_config(sizes)).eval().to(**place)
    side = sizes["side"] // 8
    views = [torch.randn(1, n, 4, side, side, **place) for n in (args.references, len(SIX), len(SIX))]
    conditions = Conditions(*views, torch.tensor([[camera.number for camera in SIX]], device=args.device))
    latents = torch.randn(len(SIX), 4, side, side, device=args.device)
    moment = torch.tensor(500, device=args.device)
    print(f"{args.device} {args.dtype}, views of {sizes['side']} px, {args.references} reference(s), milliseconds")
    for variant in ("standard", "turbo"):
        paths = [predictor(network, conditions, Sampling(variant, prepared=p), variant == "standard") for p in (0, 1)]
        plain, prepared = medians([lambda p=path: p(latents, moment) for path in paths], args)
        print(f"{variant:10} step: plain {plain:9.1f}, prepared {prepared:9.1f}, {plain / prepared:.2f} times as fast")
    picture = torch.randn(1, 3, sizes["side"], sizes["side"], **place)
    one = latents[:1].to(**place)
    parts = {
        "once a run": lambda: network.prepare(network.references(conditions.references), network.prompt),
        "VAE encode, a picture": lambda: vae.encode(picture),
        "VAE decode, a view": lambda: vae.decode(one),
    }
    for name, cost in zip(parts, medians(list(parts.values()), args), strict=True):
        print(f"{name:24}{cost:9.1f}")


def medians(actions: list[Callable[[], object]], args: argparse.Namespace) -> list[float]:
    """Milliseconds of each action, run by turns; the first round only warms up."""
    spent: list[list[float]] = [[] for _ in actions]
    for _ in range(args.repeats + 1):
        for action, times in zip(actions, spent, strict=True):
            began = time.perf_counter()
            action()
            if args.device.startswith("cuda"):
                torch.cuda.synchronize()
            times.append(1000 * (time.perf_counter() - began))
    return [statistics.median(times[1:]) for times in spent]


def unet_config(sizes: dict) -> dict:
    return {
        "sample_size": sizes["side"] // 8, "in_channels": 4, "out_channels": 4, "layers_per_block": 2,
        "block_out_channels": sizes["widths"], "cross_attention_dim": sizes["text"],
        "attention_head_dim": sizes["heads"], "norm_num_groups": sizes["groups"], "use_linear_projection": True,
        "down_block_types": DOWN, "up_block_types": UP,
    }  # fmt: skip


def vae_config(sizes: dict) -> dict:
    widths = [128, 256, 512, 512] if sizes is OFFICIAL else [16, 16, 32, 32]
    return {
        "in_channels": 3, "out_channels": 3, "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4, "block_out_channels": widths, "layers_per_block": 2,
        "latent_channels": 4, "norm_num_groups": sizes["groups"], "sample_size": sizes["side"],
    }  # fmt: skip


if __name__ == "__main__":
    main()
