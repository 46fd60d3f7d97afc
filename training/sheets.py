# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What the network sees, to look at: made-up objects, and samples as a step draws them.

    python -m training.sheets --pack ../shared/train --out out/sheets

Owns      two PNGs, made-up.png and samples.png. Not here: models, which `evaluate` draws.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from training.augment import draw
from training.objects import Objects
from training.pack import Pack
from training.render import made_up


def contact(pictures: Tensor, columns: int) -> Image.Image:
    """`pictures (n, 4, 4, 256, 256)` 0..1 on white, `columns` objects in a row."""
    rgb, matte = pictures[:, :, :3], pictures[:, :, 3:]
    small = F.avg_pool2d((rgb * matte + 1 - matte).flatten(0, 1), 2)  # (4n, 3, 128, 128)
    strips = small.unflatten(0, (-1, columns * 4)).permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    return Image.fromarray((strips.numpy() * 255).astype(np.uint8))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, default=Path("../shared/train"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    device, generator = torch.device("cpu"), torch.Generator().manual_seed(args.seed)
    made = Objects.joined([made_up(args.seed + k, device) for k in range(30)])
    contact(made.pictures.float() / 255, 3).save(args.out / "made-up.png")
    pack = Pack(args.pack, "train", device, 200)
    objects = pack.take(torch.multinomial(pack.weight, 20, generator=generator))
    samples = draw(Objects.joined([objects, made[:10]]), 16, generator)
    contact(samples.pictures, 3).save(args.out / "samples.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
