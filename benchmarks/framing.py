# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What rough pictures cost: volume IoU of the hull from disturbed pictures against the hull from exact ones.

    python benchmarks/framing.py                          nine procedural solids
    python benchmarks/framing.py --pack DIR --every 40    solids of a training pack (its `read_pack.py` reads it)
    python benchmarks/framing.py --pack DIR --swaps       pictures of the pack: how often a set is called swapped

Every solid is 128^3 voxels, pictured by marching rays through it. Disturbances: a pinhole camera five longest sides
away for all pictures (the near end is 1.2 times as large as the far end); one picture turned by 5 degrees; one picture
10 % larger or smaller; all pictures turned by 5 degrees, signs at random; a picture shifted and of another size. The
goal is a mean cost of at most 0.05 for each.
"""

import argparse
import importlib.util
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fourview.shape.hull import hull
from fourview.views.camera import AZIMUTH_DEG
from fourview.views.framing import frame
from fourview.views.view import Picture

CELLS = 128
SIDE_PX = 192
FINE = 2  # rays a pixel, each way
FILL = 0.8  # the longest side's share of the picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--every", type=int, default=40, help="take every n-th object of the pack")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--swaps", action="store_true")
    args = parser.parse_args()
    if args.swaps:
        swaps(args)
    else:
        disturbances(args)


def disturbances(args) -> None:
    """Print what every disturbance costs every solid, and the means."""
    random = np.random.default_rng(args.seed)
    costs: dict[str, list[float]] = {}
    for name, solid in pack(args) if args.pack else procedural():
        exact = {n: shot(solid, n) for n in AZIMUTH_DEG}
        clean = iou(solid, exact)
        row = {kind: clean - iou(solid, {**exact, **changed}) for kind, changed in disturbed(solid, random)}
        for kind, cost in row.items():
            costs.setdefault(kind, []).append(cost)
        print(f"{name:24s} exact {clean:.3f}  " + "  ".join(f"{k} {c:+.3f}" for k, c in row.items()), flush=True)
    print(f"\n{'disturbance':24s} {'mean':>7s} {'median':>7s} {'worst':>7s}")
    for kind, values in costs.items():
        print(f"{kind:24s} {np.mean(values):7.3f} {np.median(values):7.3f} {max(values):7.3f}")


def disturbed(solid, random) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    one = str(random.choice(list(AZIMUTH_DEG)))
    sign = random.choice([-1, 1], 4)
    yield "perspective", {n: shot(solid, n, distance=5.0) for n in AZIMUTH_DEG}
    yield "yaw_one", {one: shot(solid, one, yaw_deg=5.0 * sign[0])}
    yield "yaw_all", {n: shot(solid, n, yaw_deg=5.0 * s) for n, s in zip(AZIMUTH_DEG, sign, strict=True)}
    yield "scale_one", {one: shot(solid, one, scale=1.1 ** sign[0])}
    yield "size_one", {one: np.pad(shot(solid, one, scale=0.7), ((5, 31), (40, 11)))}


def iou(solid, mattes) -> float:
    """Volume IoU of the hull of these mattes with the solid, both in their own box units."""
    pictures = [Picture(n, np.full((*mattes[n].shape, 3), 128, np.uint8), mattes[n]) for n in AZIMUTH_DEG]
    views, _ = frame(pictures, [mattes[n] for n in AZIMUTH_DEG])
    field = hull(views)
    filled = [np.flatnonzero(solid.any(axis=tuple({0, 1, 2} - {k}))) for k in range(3)]
    low, high = np.array([f[0] for f in filled]), np.array([f[-1] + 1 for f in filled])
    points = (np.stack(np.meshgrid(*[np.arange(0.5, CELLS, 2)] * 3, indexing="ij"), axis=-1) - (low + high) / 2) * (
        2 / (high - low).max()
    )
    inside = field(points.reshape(-1, 3).astype(np.float32)) > 0
    truth = solid[::2, ::2, ::2].ravel()
    return float((inside & truth).sum() / (inside | truth).sum())


def shot(solid, name, *, yaw_deg=0.0, scale=1.0, distance=np.inf) -> np.ndarray:
    """The matte of one side, `(h, w)`; `distance` of the camera from the middle, in longest sides."""
    rays = SIDE_PX * FINE
    across = ((np.arange(rays) + 0.5) / rays - 0.5) / (FILL * scale)
    depth = np.linspace(0.87, -0.87, 240)
    angle = np.deg2rad(AZIMUTH_DEG[name] + yaw_deg)
    matte = np.zeros((rays, rays), bool)
    for toward in depth:  # a slab of points, the size of the picture, at one depth
        u = across * (1 - toward / distance)
        x, z = u * np.cos(angle) + toward * np.sin(angle), -u * np.sin(angle) + toward * np.cos(angle)
        i, j, k = (np.floor((c + 0.5) * CELLS).astype(int) for c in (x, -u, z))
        row = solid[np.clip(i, 0, CELLS - 1)[None], np.clip(j, 0, CELLS - 1)[:, None], np.clip(k, 0, CELLS - 1)[None]]
        known = ((np.minimum(i, k) >= 0) & (np.maximum(i, k) < CELLS))[None] & ((j >= 0) & (j < CELLS))[:, None]
        matte |= row & known
    return matte.reshape(SIDE_PX, FINE, SIDE_PX, FINE).mean(axis=(1, 3)).astype(np.float32)


def procedural() -> Iterator[tuple[str, np.ndarray]]:
    """Solids `(128, 128, 128)` that fill their cube along one axis at least."""
    x, y, z = np.meshgrid(*[(np.arange(CELLS) + 0.5) / CELLS * 2 - 1] * 3, indexing="ij")

    def ball(cx, cy, cz, rx, ry, rz):
        return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2 <= 1

    def box(cx, cy, cz, rx, ry, rz):
        return (abs(x - cx) <= rx) & (abs(y - cy) <= ry) & (abs(z - cz) <= rz)

    yield "box", box(0, 0, 0, 0.6, 1, 0.4)
    yield "ellipsoid", ball(0, 0, 0, 1, 0.5, 0.7)
    yield "long car", box(0, -0.1, 0, 0.4, 0.18, 1) | box(0, 0.15, -0.1, 0.34, 0.2, 0.5)
    yield "chair", (
        box(0, 0, 0, 0.5, 0.07, 0.5) | box(0, 0.5, -0.43, 0.5, 0.5, 0.07)
        | np.any([box(a, -0.5, b, 0.07, 0.5, 0.07) for a in (-0.43, 0.43) for b in (-0.43, 0.43)], axis=0)
    )  # fmt: skip
    yield "figure", (
        ball(0, 0.75, 0.05, 0.22, 0.25, 0.24) | box(0, 0.1, 0, 0.28, 0.42, 0.16) | box(0, 0.4, 0, 0.85, 0.08, 0.08)
        | box(-0.16, -0.65, 0, 0.1, 0.35, 0.12) | box(0.16, -0.65, 0, 0.1, 0.35, 0.12)
        | box(-0.16, -0.95, 0.12, 0.1, 0.05, 0.2) | box(0.16, -0.95, 0.12, 0.1, 0.05, 0.2)
    )  # fmt: skip
    yield "dog", (
        ball(0, 0, -0.1, 0.28, 0.26, 0.6) | ball(0, 0.4, 0.6, 0.24, 0.26, 0.3) | ball(0, 0.3, 0.85, 0.1, 0.1, 0.15)
        | np.any([box(a, -0.4, b, 0.08, 0.35, 0.08) for a in (-0.17, 0.17) for b in (-0.5, 0.3)], axis=0)
        | box(0, 0.3, -0.75, 0.05, 0.3, 0.05)
    )  # fmt: skip
    yield "plate", ball(0, 0, 0, 1, 0.12, 0.8)
    yield "cone", (np.hypot(x, z) <= (1 - y) * 0.3)
    yield (
        "mug",
        (np.hypot(x + 0.2, z) <= 0.6) & (abs(y) <= 0.7)
        | ((abs(np.hypot(x - 0.4, y) - 0.4) <= 0.08) & (abs(z) <= 0.08)),
    )


def pack(args) -> Iterator[tuple[str, np.ndarray]]:
    """Solids of a training pack."""
    for item in items(args):
        yield item["name"], item["volume"]


def items(args) -> Iterator[dict]:
    """Every n-th object of a training pack."""
    found = importlib.util.spec_from_file_location("read_pack", args.pack / "read_pack.py")
    reader = importlib.util.module_from_spec(found)
    found.loader.exec_module(reader)
    return itertools.islice(reader.iterate(args.pack), 0, None, args.every)


def swaps(args) -> None:
    """Print the share of sets that are called swapped: in order, left and right exchanged, front and left exchanged."""
    exchanges = {"in order": ("front", "front"), "left/right": ("left", "right"), "front/left": ("front", "left")}
    called: dict[str, dict[tuple[str, int], int]] = {}
    total: dict[str, int] = {}
    for item in items(args):
        counts = called.setdefault(item["category"], {})
        total[item["category"]] = total.get(item["category"], 0) + 1
        for (kind, (one, other)), size in itertools.product(exchanges.items(), (4, 3)):
            order = {n: n for n in AZIMUTH_DEG} | {one: other, other: one}
            names = list(AZIMUTH_DEG)[:size]
            rgba = [item["views"][order[n]] for n in names]
            mattes = [(r[..., 3] / 255).astype(np.float32) for r in rgba]
            _, notices = frame([Picture(n, r[..., :3], None) for n, r in zip(names, rgba, strict=True)], mattes)
            is_called = any(n.code == "views_probably_swapped" for n in notices)
            counts[kind, size] = counts.get((kind, size), 0) + is_called
    columns = list(itertools.product(exchanges, (4, 3)))
    print(f"{'category':16s} {'sets':>5s} " + "".join(f"{f'{kind} {size}':>14s}" for kind, size in columns))
    for category in [*sorted(total), "all"]:
        members = list(total) if category == "all" else [category]
        sets = sum(total[m] for m in members)
        shares = [sum(called[m][c] for m in members) / sets for c in columns]
        print(f"{category:16s} {sets:5d} " + "".join(f"{share:14.3f}" for share in shares))


if __name__ == "__main__":
    main()
