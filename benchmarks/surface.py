# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What sampling and extraction cost beside the field: time, memory, share of the dense points.

    python benchmarks/surface.py                             a ball, a ring, a cup, a thorny thing at 128, 256, 512
    python benchmarks/surface.py --cases DIR --cells 256     hulls of the cases in DIR (four RGBA pictures each)

Every line is measured in a process of its own: seconds of one core (those spent in the field apart), its peak memory,
and the peak before it began. The goals for hulls: at most 12 % of the points at 256 cells, at most 2 GB at 512.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from fourview.arrays import Float
from fourview.shape.hull import hull
from fourview.surface.extract import extract
from fourview.surface.field import Field
from fourview.surface.octree import sample
from fourview.views.framing import frame
from fourview.views.load import read_pictures

BOX = np.array([[-1, -1, -1], [1, 1, 1]], np.float32)


def ball(p: Float) -> Float:
    return np.float32(0.95) - np.linalg.norm(p, axis=1)


def ring(p: Float) -> Float:
    return np.float32(0.28) - np.hypot(np.hypot(p[:, 0], p[:, 2]) - np.float32(0.68), p[:, 1])


def cup(p: Float) -> Float:
    wall = np.float32(0.05) - np.abs(np.linalg.norm(p, axis=1) - np.float32(0.9))
    return np.minimum(wall, np.float32(0.3) - p[:, 1])


def thorny(p: Float) -> Float:
    """A ball with thin thorns along a few hundred directions."""
    size = np.linalg.norm(p, axis=1)
    wave = np.prod(np.cos(9 * p / np.maximum(size, np.float32(1e-6))[:, None]), axis=1)
    return np.float32(0.6) + np.float32(0.35) * np.maximum(wave, 0) - size


SOLIDS = {"ball": ball, "ring": ring, "cup": cup, "thorny": thorny}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure(args.one, args.cases, args.cells[0])
        return
    names = sorted(p.parent.name for p in args.cases.glob("*/front.png")) if args.cases else list(SOLIDS)
    print(f"{'solid':16}{'cells':>6}{'sample s':>10}{'extract s':>10}{'field s':>9}{'peak MB':>9}{'before':>8}", end="")
    print(f"{'asked':>12}{'share':>8}{'faces':>11}", flush=True)
    for name in names:
        for cells in args.cells:
            where = ["--cases", str(args.cases)] if args.cases else []
            subprocess.run([sys.executable, __file__, "--one", name, "--cells", str(cells), *where], check=True)


def measure(name: str, cases: Path | None, cells: int) -> None:
    """Print the line of one solid."""
    field = hull_of(cases / name) if cases else Field(SOLIDS[name], BOX)
    in_field = 0.0

    def value(points: Float) -> Float:
        nonlocal in_field
        began = time.process_time()
        values = field(points)
        in_field += time.process_time() - began
        return values

    before = peak_mb()
    began = time.process_time()
    samples = sample(Field(value, field.bounds), cells)
    sampled = time.process_time()
    mesh = extract(samples)
    ended = time.process_time()
    print(f"{name:16}{cells:6}{sampled - began - in_field:10.2f}{ended - sampled:10.2f}{in_field:9.2f}", end="")
    print(f"{peak_mb():9.0f}{before:8.0f}{samples.asked:12,}{samples.share:8.1%}{len(mesh.faces):11,}", flush=True)


def hull_of(case: Path) -> Field:
    pictures = read_pictures({name: str(case / f"{name}.png") for name in ("front", "left", "back", "right")})
    views, _ = frame(pictures, [p.alpha for p in pictures if p.alpha is not None])
    return hull(views)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
