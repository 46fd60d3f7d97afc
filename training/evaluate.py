# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Models of whole cases by an exported network, through the house's own pipeline, and their score.

    python -m training.evaluate --onnx RUN --cases ../shared/eval --out out/eval
    python -m training.evaluate --onnx RUN --cases ../shared/eval --out out/eval1 --sides front

Owns      framed views -> the network's pictures, its values -> a `Field`; the table of `benchmarks/quality.py`.
Not here  the pipeline and the scorer, which are called.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import fourview
from fourview.export.sheet import sheet
from fourview.progress import Journey
from fourview.recipe import Recipe
from fourview.shape.engine import Engine, Shape
from fourview.surface.field import Field
from fourview.views.view import View
from training.export import TILE, Exported
from training.network import FILL_DEEP, FILL_KNOWN, TRUNCATION
from training.objects import PIXELS

SIDES = ("front", "left", "back", "right")
MARGIN = 0.06  # of the field's box around what the silhouettes span, network units


def engine(exported: Exported) -> Engine:
    """An engine for `fourview.generate`."""

    def shape(views: Sequence[View], recipe: Recipe, journey: Journey) -> Shape:
        with journey.stage("encode"):
            fill = FILL_KNOWN if any(view.name in ("left", "right") for view in views) else FILL_DEEP
            pictures = network_pictures(views, fill)
            rows = exported.encode(pictures)

        def value(points: np.ndarray) -> np.ndarray:
            asked = np.clip(points * fill, -1, 1).astype(np.float32)
            return exported.value(rows, asked) * np.float32(TRUNCATION / fill)

        return Shape(Field(value, box(pictures) / fill, TILE), (), {}, is_framed=True)

    return Engine("trained", "0", "Apache-2.0", shape)


def network_pictures(views: Sequence[View], fill: float) -> np.ndarray:
    """`(4, 4, 256, 256) float32`: straight colours and matte of the square that spans +-1 / `fill` box units."""
    pictures = np.zeros((4, 4, PIXELS, PIXELS), np.float32)
    for view in views:
        h, w = view.matte.shape
        half_w, half_h = view.camera.half_extent
        right, up = view.camera.view_from_world[:2, 3]  # where the world's middle is, from the picture's
        sides = [((s / fill + right) / half_w + 1) * w / 2 for s in (-1, 1)]
        ends = [(1 - (s / fill + up) / half_h) * h / 2 for s in (1, -1)]
        pad = int(np.ceil(max(0, -sides[0], sides[1] - w, -ends[0], ends[1] - h)))
        span = tuple(float(v) + pad for v in (sides[0], ends[0], sides[1], ends[1]))
        colours = view.image.astype(np.float32) / 255 * view.matte[..., None]
        planes = np.pad(np.dstack([colours, view.matte]).astype(np.float32), ((pad, pad), (pad, pad), (0, 0)))
        small = [
            np.asarray(Image.fromarray(plane).resize((PIXELS, PIXELS), Image.Resampling.BILINEAR, box=span))
            for plane in np.moveaxis(planes, 2, 0)
        ]
        matte = np.clip(small[3], 0, 1)
        pictures[SIDES.index(view.name)] = np.stack(
            [*(np.clip(c / np.maximum(matte, 1e-3), 0, 1) for c in small[:3]), matte]
        )
    return pictures


def box(pictures: np.ndarray) -> np.ndarray:
    """Least and greatest corner `(2, 3)` of what the silhouettes allow, network units; unknown depth is +-1."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for name, picture in zip(SIDES, pictures, strict=True):
        rows, columns = np.nonzero(picture[3] >= 0.5)
        if len(rows):
            axis, sign = {"front": (0, 1), "left": (2, -1), "back": (0, -1), "right": (2, 1)}[name]
            across = sorted(sign * (np.array([columns.min(), columns.max() + 1]) / PIXELS * 2 - 1))
            up = 1 - np.array([rows.max() + 1, rows.min()]) / PIXELS * 2
            for k, (a, b) in ((axis, across), (1, up)):
                low[k], high[k] = min(low[k], a), max(high[k], b)
    known = np.isfinite(low)
    return np.clip(np.stack([np.where(known, low, -1) - MARGIN, np.where(known, high, 1) + MARGIN]), -1, 1).astype(
        np.float32
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnx", type=Path, required=True, help="the folder of encode.onnx and value.onnx")
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--no-sheets", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    trained = engine(Exported(args.onnx))
    for folder in sorted(f for f in args.cases.iterdir() if (f / "front.png").is_file()):
        began = time.perf_counter()
        paths = {side: folder / f"{side}.png" for side in args.sides.split(",")}
        result = fourview.generate({s: p for s, p in paths.items() if p.is_file()}, engine=trained)
        took = time.perf_counter() - began
        fourview.write(result, args.out / f"{folder.name}.glb")
        if not args.no_sheets:
            sheet(result.mesh, result.texture).save(args.out / f"{folder.name}.png")
        stages = " ".join(f"{name} {seconds:.1f}" for name, seconds in result.report.timings_s.items())
        health = result.report.mesh
        print(
            f"{folder.name:16} {took:5.1f} s ({stages}) parts {health.components} closed {health.watertight}",
            flush=True,
        )
    scorer = args.cases / "score.py"
    if not scorer.is_file():
        return 0
    return subprocess.run([sys.executable, scorer, "--suite", args.out, args.cases], check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
