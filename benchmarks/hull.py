# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How near the embedded engines come to known solids, by kind of object: the tables of docs/how/hull.md and mini.md.

    python benchmarks/hull.py --pack DIR                     every kind, at most 30 objects each
    python benchmarks/hull.py --pack DIR --shape slices      rows of super-ellipses (`--exponent 99`: boxes)
    python benchmarks/hull.py --pack DIR --shape grown       one build for all: grown, box, turned (shape/hull_build.py)
    python benchmarks/hull.py --pack DIR --sides front       from fewer pictures
    python benchmarks/hull.py --pack DIR --shape mini --split val       the network, on objects it never saw

DIR is a training pack (its `read_pack.py` reads it): four pictures and a solid of 128^3 voxels an object. The field is
asked at the voxels' middles. Measures, voxels against voxels: `iou` of the volumes; `cd` 1000 times the mean distance
between the surfaces, both ways, the longest side being 1; `f2` F-score at 2 %; `nc` normals' agreement; `novel` and
`seen` silhouettes from the diagonals and from the sides. The last line weighs the kinds as people use such a program.
"""

import argparse
import csv
import importlib.util
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from fourview.progress import RunProgress
from fourview.recipe import Recipe
from fourview.shape import hull, hull_build
from fourview.shape.mini.engine import Mini
from fourview.views.camera import AZIMUTH_DEG, side_camera
from fourview.views.view import View

CELLS = 128
FILL = 0.85  # the longest side's share of a picture
WEIGHT = {
    "animal": 0.23, "household scan": 0.20, "character": 0.17, "vehicle": 0.16, "furniture": 0.08, "household": 0.06,
    "prop": 0.05, "food": 0.02, "weapon": 0.01, "architecture": 0.01, "nature": 0.01,
}  # fmt: skip
KEYS = ("iou", "cd", "f2", "nc", "novel", "seen")
SAMPLES = 4000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--shape", choices=["hull", "slices", "grown", "box", "turned", "mini"], default="hull")
    parser.add_argument("--weights", type=Path, help="a folder with other networks than the shipped ones")
    parser.add_argument("--split", choices=["train", "val"], help="default: both")
    parser.add_argument("--exponent", type=float, default=2.4)
    parser.add_argument("--sides", default=",".join(AZIMUTH_DEG))
    parser.add_argument("--each", type=int, default=30, help="objects a kind")
    parser.add_argument("--names", action="store_true", help="print every object")
    args = parser.parse_args()
    if args.shape in ("grown", "box", "turned"):
        build = getattr(hull_build, args.shape.upper())
        hull.judge = lambda *_: build

    engine = Mini(args.weights)
    rows: dict[str, list[list[float]]] = {}
    spent = 0.0
    for item in objects(args.pack, args.each, args.split):
        crop, points = voxels(item["box"])
        began = time.process_time()
        if args.shape == "slices":
            guess = slices(item["views"], args.exponent)[crop]
        else:
            shown = views(item["views"], args.sides.split(","))
            field = engine.shape(shown, Recipe(), RunProgress({})).field if args.shape == "mini" else hull.hull(shown)
            guess = (field(points) > 0).reshape([s.stop - s.start for s in crop])
        spent += time.process_time() - began
        row = measure(guess, item["volume"][crop])
        rows.setdefault(item["category"], []).append(row)
        if args.names:
            print(f"{item['category']:16s}" + "".join(f"{x:9.3f}" for x in row) + f"  {item['name']}", flush=True)

    means = {kind: np.mean(values, axis=0) for kind, values in sorted(rows.items())}
    everything = [row for values in rows.values() for row in values]
    weights = np.array([WEIGHT[kind] for kind in means])
    table = [(f"{kind} ({len(rows[kind])})", mean) for kind, mean in means.items()]
    table += [(f"all ({len(everything)})", np.mean(everything, axis=0))]
    table += [("weighted", weights @ np.stack(list(means.values())) / weights.sum())]
    print(
        f"{args.shape}, {spent / len(everything):.2f} s of CPU an object\n{'':20s}" + "".join(f"{k:>9s}" for k in KEYS)
    )
    for kind, mean in table:
        print(f"{kind:20s}" + "".join(f"{x:9.3f}" for x in mean))


def objects(pack: Path, each: int, split: str | None):
    """At most `each` objects of every kind, drawn once for all."""
    spec = importlib.util.spec_from_file_location("read_pack", pack / "read_pack.py")
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    draw = random.Random(1)
    wanted = set()
    with open(pack / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if split in (row["split"], None)]
    for kind in WEIGHT:
        ids = [row["id"] for row in rows if row["category"] == kind]
        draw.shuffle(ids)
        wanted.update(ids[:each])
    return (item for item in reader.iterate(pack) if item["id"] in wanted)


def views(pictures: dict[str, np.ndarray], sides: list[str]) -> list[View]:
    return [
        View(n, p[..., :3], p[..., 3].astype(np.float32) / 255, side_camera(AZIMUTH_DEG[n], (1 / FILL, 1 / FILL)))
        for n, p in pictures.items()
        if n in sides
    ]


def voxels(box: np.ndarray) -> tuple[tuple[slice, ...], np.ndarray]:
    """The voxels around an object, and their middles `(n, 3)` in box units."""
    low = np.clip(np.floor((box[0] + 0.5) * CELLS).astype(int) - 2, 0, CELLS)
    high = np.clip(np.ceil((box[1] + 0.5) * CELLS).astype(int) + 2, 0, CELLS)
    axes = [(np.arange(a, b) + 0.5) / CELLS * 2 - 1 for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True)), points.astype(np.float32)


def slices(pictures: dict[str, np.ndarray], exponent: float) -> np.ndarray:
    """The plain way to round: in each row, a super-ellipse for each pair of runs. Voxels `[x, y, z]`."""
    at = np.round(CELLS + FILL * 256 * ((np.arange(CELLS) + 0.5) / CELLS - 0.5) - 0.5).astype(int)
    solid = {n: p[::-1, :, 3][at][:, at] > 127 for n, p in pictures.items()}  # row 0 lowest
    front, side = solid["front"] | solid["back"][:, ::-1], solid["right"] | solid["left"][:, ::-1]
    a, b = (hull_build._runs(outline)[0] for outline in (front, side))
    inside = a.T[:, :, None] ** exponent + b[None] ** exponent < 1
    return inside & front.T[:, :, None] & side[None]


def measure(guess: np.ndarray, truth: np.ndarray) -> list[float]:
    a, b = skin(guess), skin(truth)
    pick = np.random.default_rng(0)
    pick_a, pick_b = (pick.choice(len(s), min(SAMPLES, len(s)), replace=False) for s in (a, b))
    near_b, at_b = cKDTree(b).query(a[pick_a])
    near_a, at_a = cKDTree(a).query(b[pick_b])
    precision, recall = (np.mean(d < 0.02 * CELLS) for d in (near_b, near_a))
    normals_a, normals_b = normals(guess, a), normals(truth, b)
    agree_a = np.abs((normals_a[pick_a] * normals_b[at_b]).sum(axis=1)).mean()
    agree_b = np.abs((normals_b[pick_b] * normals_a[at_a]).sum(axis=1)).mean()
    return [
        overlap(guess, truth),
        1000 * (near_a.mean() + near_b.mean()) / 2 / CELLS,
        2 * precision * recall / max(precision + recall, 1e-9),
        (agree_a + agree_b) / 2,
        mean_overlap(diagonal, guess, truth),
        mean_overlap(lambda v, way: v.any(axis=1 + way), guess, truth),
    ]


def mean_overlap(shadow: Callable[[np.ndarray, int], np.ndarray], guess: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([overlap(shadow(guess, way), shadow(truth, way)) for way in (-1, 1)]))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return np.count_nonzero(a & b) / max(np.count_nonzero(a | b), 1)


def diagonal(volume: np.ndarray, way: int) -> np.ndarray:
    """The shadow along x = z (way -1) or x = -z (way 1)."""
    wide = max(volume.shape)
    x, y, z = np.nonzero(volume)
    shadow = np.zeros((2 * wide, volume.shape[1]), bool)
    shadow[x + z if way > 0 else x - z + wide, y] = True
    return shadow


def skin(volume: np.ndarray) -> np.ndarray:
    """Indices `(n, 3)` of the solid voxels with an empty neighbour."""
    padded = np.pad(volume, 1)
    core = volume.copy()
    for axis in range(3):
        for way in (-1, 1):
            core &= np.roll(padded, way, axis)[1:-1, 1:-1, 1:-1]
    return np.argwhere(volume & ~core)


def normals(volume: np.ndarray, at: np.ndarray) -> np.ndarray:
    slopes = np.gradient(gaussian_filter(np.pad(volume, 2).astype(np.float32), 1.0))
    out = np.stack([s[tuple((at + 2).T)] for s in slopes], axis=1)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)


if __name__ == "__main__":
    main()
