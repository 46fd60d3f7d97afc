# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The training pack, resident: every object decoded once, distances worked out when an object is first asked for.

Owns      reading the folder that `read_pack.py` describes, and how often each category is drawn.
Not here  the frame and the arrays (`objects`), what is done to them (`augment`).

Pictures are WebP, so Pillow is needed; volumes are bits under xz.
"""

import csv
import io
import lzma
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from training.distance import solid_distance
from training.objects import VOXELS, Objects, near_surface

# How often a category is drawn, in all: half of the pack is props, nature and buildings, users send figures and things.
SHARES = {
    "character": 0.10, "animal": 0.14, "vehicle": 0.10, "household scan": 0.10, "furniture": 0.12, "household": 0.12,
    "food": 0.08, "weapon": 0.05, "prop": 0.09, "architecture": 0.05, "nature": 0.05,
}  # fmt: skip


class Pack:
    """One split of the pack on `device`. `weight (n,)` is the chance of each object."""

    def __init__(self, folder: Path, split: str, device: torch.device, limit: int | None = None) -> None:
        if not (folder / "manifest.csv").is_file():
            raise SystemExit(f"there is no manifest.csv in '{folder}'; --pack names the folder of the training pack")
        with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == split]
        rows = rows[:: max(len(rows) // limit, 1)][:limit] if limit else rows
        self.names = [row["name"] for row in rows]
        self.categories = [row["category"] for row in rows]
        per_category = {c: self.categories.count(c) for c in self.categories}
        self.weight = torch.tensor([SHARES[c] / per_category[c] for c in self.categories])
        self._objects = Objects.empty(len(rows), device)
        self._bits = torch.empty((len(rows), VOXELS**3 // 8), dtype=torch.uint8)
        self._is_ready = torch.zeros(len(rows), dtype=torch.bool)
        shards = {name: np.load(folder / name) for name in {row["shard"] for row in rows}}
        arrays = {name: {key: shard[key] for key in shard.files} for name, shard in shards.items()}
        place = {(name, id_): i for name, a in arrays.items() for i, id_ in enumerate(a["ids"].tolist())}

        def decode(at: int) -> None:
            row = rows[at]
            shard, i = arrays[row["shard"]], place[row["shard"], row["id"]]
            ends = shard["offsets"][i]
            parts = [shard["data"][a:b].tobytes() for a, b in pairwise(ends)]
            pictures = np.stack([np.asarray(Image.open(io.BytesIO(part)).convert("RGBA")) for part in parts[:4]])
            self._objects.pictures[at] = torch.from_numpy(pictures).permute(0, 3, 1, 2)
            self._objects.half[at] = torch.from_numpy((shard["box"][i, 1] - shard["box"][i, 0]) / 2)
            self._bits[at] = torch.frombuffer(bytearray(lzma.decompress(parts[4])), dtype=torch.uint8)

        with ThreadPoolExecutor() as threads:  # decoders let other threads run
            list(threads.map(decode, range(len(rows))))

    def __len__(self) -> int:
        return len(self.names)

    def take(self, index: Tensor) -> Objects:
        """The objects numbered `index (b,) int64`."""
        for at in index[~self._is_ready[index]].unique().tolist():
            self._objects.distance[at] = solid_distance(self._solid(at)[None])[0]
            self._objects.near[at] = near_surface(self._objects.distance[at], torch.Generator().manual_seed(at))
            self._is_ready[at] = True
        return self._objects[index.to(self._objects.half.device)]

    def entry(self, at: int) -> tuple[Tensor, Tensor, Tensor]:
        """Of one object the pictures `(4, 4, 256, 256) uint8`, the solid `(128, 128, 128) bool` and half its box."""
        return self._objects.pictures[at], self._solid(at), self._objects.half[at]

    def _solid(self, at: int) -> Tensor:
        """`(128, 128, 128) bool`, [x, y, z]; bits are packed most significant first."""
        bits = self._bits[at].to(self._objects.half.device)
        shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=bits.device)
        return ((bits[:, None] >> shifts) & 1).bool().reshape(VOXELS, VOXELS, VOXELS)
