# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What sampling and extraction cost beside the field: time, memory, share of the dense points.

    python benchmarks/surface.py                             seven solids at 128, 256, 512 cells
    python benchmarks/surface.py --cases DIR --cells 256     hulls of the cases in DIR (four RGBA pictures each)
    python benchmarks/surface.py --device cuda               numpy against torch on that device (cuda, mps, cpu)

In the first two, every line is measured in a process of its own: seconds of one core (those spent in the field apart),
its peak memory, and the peak before it began. The goals for hulls: at most 12 % of the points at 256 cells, at most
2 GB at 512.

The third asks for 8,192 points at a time, as a network does, and prints milliseconds, medians of `--repeat` runs taken
in turns after one that is not counted, the time in the field apart. It needs numpy and torch, nothing else. The goals
at 256 cells: the faces of the dense grid, for a tenth of its points on the median solid and a sixth on each.
"""

import argparse
import gc
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fourview.mesh.mesh import Mesh
from fourview.surface.extract import extract
from fourview.surface.field import Field
from fourview.surface.grid import Samples
from fourview.surface.octree import sample, sample_dense

BOX = np.array([[-1, -1, -1], [1, 1, 1]], np.float32)
NETWORK_BOX = 1.01 * BOX  # the official one
TILE = 8_192


# Each takes numpy or torch, and points (n, 3) of it.
def ball(xp: Any, p: Any) -> Any:
    return 0.95 - length(xp, p)


def ring(xp: Any, p: Any) -> Any:
    return 0.28 - xp.sqrt((xp.sqrt(p[:, 0] ** 2 + p[:, 2] ** 2) - 0.68) ** 2 + p[:, 1] ** 2)


def cup(xp: Any, p: Any) -> Any:
    wall = 0.05 - xp.abs(length(xp, p) - 0.9)
    return xp.minimum(wall, 0.3 - p[:, 1])


def thorny(xp: Any, p: Any) -> Any:
    """A ball with thin thorns along a few hundred directions."""
    size = length(xp, p)
    x, y, z = xp.cos(9 * p / xp.clip(size, 1e-6, None)[:, None]).T
    return 0.6 + 0.35 * xp.clip(x * y * z, 0, None) - size


def linked(xp: Any, p: Any) -> Any:
    """Two rings that hold each other."""
    x, y, z = p.T
    one = xp.sqrt((xp.sqrt((x + 0.3) ** 2 + y**2) - 0.5) ** 2 + z**2)
    other = xp.sqrt((xp.sqrt((x - 0.3) ** 2 + z**2) - 0.5) ** 2 + y**2)
    return 0.13 - xp.minimum(one, other)


def sheet(xp: Any, p: Any) -> Any:
    """A plate of three cells' thickness with a rod through it."""
    x, y, z = xp.abs(p - 0.01).T
    plate = xp.minimum(0.012 - z, 0.8 - xp.maximum(x, y))
    return xp.maximum(plate, xp.minimum(0.02 - xp.sqrt(x**2 + y**2), 0.9 - z))


def rough(xp: Any, p: Any) -> Any:
    """A ball with waves of four lengths, the shortest eight cells at 256."""
    value = 0.75 - length(xp, p)
    for waves, height in ((7, 0.05), (17, 0.02), (41, 0.008), (97, 0.003)):
        x, y, z = xp.sin(waves * p).T
        value = value + height * x * y * z
    return value


def length(xp: Any, p: Any) -> Any:
    return xp.sqrt(p[:, 0] ** 2 + p[:, 1] ** 2 + p[:, 2] ** 2)


SOLIDS = {f.__name__: f for f in (ball, ring, cup, thorny, linked, sheet, rough)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--device")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure(args.one, args.cases, args.cells[0])
        return
    if args.device:
        compare(args.device, args.cells, args.repeat)
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
    field = hull_of(cases / name) if cases else Field(partial(SOLIDS[name], np), BOX)
    before = peak_mb()
    timed = Timed(field, time.process_time)
    samples, sampling_s = timed.run(sample, timed.field, cells)
    mesh, extraction_s = timed.run(extract, samples)
    print(f"{name:16}{cells:6}{sampling_s:10.2f}{extraction_s:10.2f}{timed.in_field_s:9.2f}", end="")
    print(f"{peak_mb():9.0f}{before:8.0f}{samples.asked:12,}{samples.share:8.1%}{len(mesh.faces):11,}", flush=True)


class Timed:
    """A field that counts the time spent in it, and runs steps without counting that time."""

    def __init__(self, field: Field, now: Callable[[], float]) -> None:
        self.now, self.in_field_s, self._value = now, 0.0, field.value
        self.field = Field(self._counted, field.bounds, field.tile, field.xp, field.device)

    def _counted(self, points: Any) -> Any:
        began = self.now()
        values = self._value(points)
        self.in_field_s += self.now() - began
        return values

    def run(self, step: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
        began, in_field_s = self.now(), self.in_field_s
        result = step(*arguments)
        return result, self.now() - began - (self.in_field_s - in_field_s)


def compare(device: str, sizes: list[int], repeat: int) -> None:
    """Print a line for each solid and size: numpy against torch."""
    import torch

    def now() -> float:
        getattr(torch, torch.device(device).type).synchronize()
        return time.perf_counter()

    on_gpu = device.startswith("cuda")
    named = torch.cuda.get_device_name(device) if on_gpu else f"{torch.get_num_threads()} threads"
    print(f"torch {torch.__version__} on {device} ({named}), numpy {np.__version__}; medians of {repeat}, ms")
    print(f"{'':16}{'sample':>18}{'extract':>18}{'field':>18}{'points':>12}{'with':>12}{'dense':>7}{'':11}  same as")
    print(f"{'solid':10}{'cells':>6}" + f"{'numpy':>9}{'torch':>9}" * 3, end="")
    print(f"{'asked':>12}{'filler':>12}{'/ it':>7}{'faces':>11}{'numpy':>7}{'dense':>7}", flush=True)
    ratios: dict[int, list[float]] = {cells: [] for cells in sizes}
    for name, solid in SOLIDS.items():
        for cells in sizes:
            host = Field(partial(solid, np), NETWORK_BOX, TILE)
            there = Field(partial(solid, torch), NETWORK_BOX, TILE, torch, torch.device(device))
            times = []
            for _ in range(repeat + 1):
                _, plain, took_host = once(host, cells, now)
                samples, mesh, took_there = once(there, cells, now)
                times.append([*took_host, *took_there])
            medians = [statistics.median(column) for column in zip(*times[1:], strict=True)]
            ratios[cells].append(1 / samples.share)
            pairs = zip(medians[:3], medians[3:], strict=True)
            print(f"{name:10}{cells:6}" + "".join(f"{a:9.1f}{b:9.1f}" for a, b in pairs), end="")
            print(f"{samples.asked:12,}{samples.evaluated:12,}{1 / samples.share:7.1f}{len(mesh.faces):11,}", end="")
            print(f"{likeness(mesh, plain):>7}", end="", flush=True)
            dense = likeness(mesh, extract(sample_dense(there, cells))) if cells <= 256 or on_gpu else "-"
            print(f"{dense:>7}", flush=True)
    for cells, found in ratios.items():
        print(
            f"dense / asked with filler, {cells} cells: median {statistics.median(found):.1f}, least {min(found):.1f}"
        )
    if on_gpu:
        print(f"at most {torch.cuda.max_memory_allocated(device) / 2**20:.0f} MB of the GPU's memory")


def once(field: Field, cells: int, now: Callable[[], float]) -> tuple[Samples, Mesh, tuple[float, float, float]]:
    """What was found, and the milliseconds of sampling, of extraction and in the field."""
    gc.collect()
    timed = Timed(field, now)
    samples, sampling_s = timed.run(sample, timed.field, cells)
    mesh, extraction_s = timed.run(extract, samples)
    return samples, mesh, (1000 * sampling_s, 1000 * extraction_s, 1000 * timed.in_field_s)


def likeness(a: Mesh, b: Mesh) -> str:
    """Equal in all "bits"; in "faces" alone, as sqrt and sin of numpy and torch differ in their last bits; or "no"."""
    if not np.array_equal(a.faces, b.faces):
        return "no"
    return "bits" if np.array_equal(a.vertices, b.vertices) else "faces"


def hull_of(case: Path) -> Field:
    from fourview.shape.hull import hull  # these need more than numpy
    from fourview.views.framing import frame
    from fourview.views.load import read_pictures

    pictures = read_pictures({name: str(case / f"{name}.png") for name in ("front", "left", "back", "right")})
    views, _ = frame(pictures, [p.alpha for p in pictures if p.alpha is not None])
    return hull(views)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
