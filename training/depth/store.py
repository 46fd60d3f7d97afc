# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Prepared objects on disk, mapped into memory: pictures and exact depth, each worked out once and drawn many times.

    python -m training.depth.store --pack ../shared/train --out out/depth/data           # the pack: a minute
    python -m training.depth.store --made-up 6000 --out out/depth/data                   # made-up shapes: 0.7 s each

Owns      the files of a store, and what fills them: the pack's two splits, made-up shapes.
Not here  how shapes are made (`training.render`), what a step makes of them (`sample`).

A store may grow while a run draws from it: `count.txt` is written after the object it counts.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training.objects import FILL, VOXELS
from training.pack import Pack
from training.render import made_up

SIDE = 160  # pixels of a stored picture, which spans the cube [-0.5, 0.5]
NONE = 255  # no surface on this line of sight
FIRST = 1 << 21  # numbers of made-up shapes; those below belong to others


class Store:
    """`pictures (n, 4, 4, 160, 160) uint8`, premultiplied, front, left, back, right; `first (n, 4, 128, 128) uint8`,
    voxels before the first solid one, or NONE; `half (n, 3) float32`, half the sides of the box."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pictures = np.load(folder / "pictures.npy", mmap_mode="r+")
        self.first = np.load(folder / "first.npy", mmap_mode="r+")
        self.half = np.load(folder / "half.npy", mmap_mode="r+")

    @staticmethod
    def empty(folder: Path, room: int) -> "Store":
        """A new store with room for so many objects."""
        folder.mkdir(parents=True, exist_ok=True)
        shapes = {
            "pictures": ((room, 4, 4, SIDE, SIDE), np.uint8),
            "first": ((room, 4, VOXELS, VOXELS), np.uint8),
            "half": ((room, 3), np.float32),
        }
        for name, (shape, kind) in shapes.items():
            np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape).flush()
        _write(folder / "count.txt", "0")
        return Store(folder)

    def __len__(self) -> int:
        """How many objects are there now."""
        return int((self.folder / "count.txt").read_text())

    def put(self, at: int, pictures: Tensor, solid: Tensor, half: Tensor) -> None:
        """Object number `at`: `pictures (4, 4, 256, 256) uint8` in the pack's frame, `solid (128, 128, 128) bool`."""
        self.pictures[at] = stored_pictures(pictures).numpy()
        self.first[at] = first_surface(solid).numpy()
        self.half[at] = half.numpy()
        if at >= len(self):
            _write(self.folder / "count.txt", str(at + 1))

    def take(self, index: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures, first surfaces and halves of the objects `index`."""
        arrays = (self.pictures, self.first, self.half)
        pictures, first, half = (torch.from_numpy(array[np.asarray(index, np.int64)]) for array in arrays)
        return pictures, first, half

    def words(self) -> dict[str, list[str]]:
        """Names and categories, where the store has them."""
        found: dict[str, list[str]] = json.loads((self.folder / "objects.json").read_text(encoding="utf-8"))
        return found


def stored_pictures(pictures: Tensor) -> Tensor:
    """`(4, 4, 256, 256) uint8`, straight alpha, pack frame -> `(4, 4, 160, 160) uint8`, premultiplied, the cube."""
    rgba = pictures.float() / 255
    rgba = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], dim=1)
    fine = 2 * SIDE  # then halved, so that every stored pixel is a mean
    line = ((torch.arange(fine) + 0.5) * 2 / fine - 1) * FILL
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=2)[None].expand(4, -1, -1, -1)
    seen = F.grid_sample(rgba, grid, align_corners=False)
    return (F.avg_pool2d(seen, 2) * 255).round().byte()


def first_surface(solid: Tensor) -> Tensor:
    """Empty voxels before the first solid one `(4, 128, 128) uint8` on each line of sight of each view; NONE: all."""
    ahead = [
        solid.permute(1, 0, 2).flip(0, 2),  # front: rows downward, columns along x, away from +z
        solid.permute(1, 2, 0).flip(0, 1, 2),  # left: columns against z, away from +x
        solid.permute(1, 0, 2).flip(0, 1),  # back: columns against x, away from -z
        solid.permute(1, 2, 0).flip(0),  # right: columns along z, away from -x
    ]
    lines = torch.stack(ahead)
    return torch.where(lines.any(3), lines.byte().argmax(3), NONE).byte()


def prepare_pack(pack: Path, split: str, folder: Path, limit: int | None = None) -> Store:
    """The store of one split; nothing is done where it is there already."""
    if (folder / "objects.json").is_file():
        return Store(folder)
    found = Pack(pack, split, torch.device("cpu"), limit)
    store = Store.empty(folder, len(found))
    for at in range(len(found)):
        store.put(at, *found.entry(at))
    _write(folder / "objects.json", json.dumps({"names": found.names, "categories": found.categories}))
    return store


def make_up(folder: Path, room: int, limit: int | None = None) -> Store:
    """Fill the store of made-up shapes up to `limit`, of `room`; goes on where an earlier call stopped."""
    store = Store(folder) if (folder / "count.txt").is_file() else Store.empty(folder, room)
    for at in range(len(store), min(limit or room, len(store.half))):
        made = made_up(FIRST + at, torch.device("cpu"))
        store.put(at, made.pictures[0], made.distance[0] > 0, made.half[0])
    return store


def _write(path: Path, text: str) -> None:
    """The file, whole or not at all."""
    partial = path.with_suffix(".part")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--made-up", type=int, default=0, help="room for so many made-up shapes")
    parser.add_argument("--first", type=int, help="make only so many of them now")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.pack:
        for split in ("train", "val"):
            print(split, len(prepare_pack(args.pack, split, args.out / split)), flush=True)
    if args.made_up:
        print("made up", len(make_up(args.out / "made-up", args.made_up, args.first)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
