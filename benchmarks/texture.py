# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What painting costs and how well it repeats the pictures.

    python benchmarks/texture.py --cases DIR [--faces 10000] [--size 1024]   the hull of each case (four RGBA pictures)
    python benchmarks/texture.py --mesh model.glb --views DIR                a mesh of your own; DIR holds front.png ...

Seconds are those of one core: the unwrap, the views made ready, all of `bake`. `atlas` is the share of texels inside
charts, `seen` the share of the surface that a picture saw. `seam` is the mean colour step across seams between seen
texels, in codes of 255. `PSNR` compares the unlit textured mesh with the given pictures where both are solid, by the
cameras of the run. `--xatlas` prints time, charts and use of the atlas of that library beside ours.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fourview.arrays import Float
from fourview.formats.read import read_mesh
from fourview.mesh.crumbs import drop_crumbs
from fourview.mesh.mesh import Mesh
from fourview.mesh.simplify import simplify
from fourview.mesh.topology import half_edges, pair_half_edges
from fourview.shape.hull import hull
from fourview.surface.extract import extract
from fourview.surface.octree import sample as sample_field
from fourview.texture.bake import Baked, bake, texel_positions
from fourview.texture.project import prepare, sample
from fourview.texture.rasterize import interpolate, nearest_faces, rasterize
from fourview.texture.texture import srgb_from_linear
from fourview.texture.unwrap import unwrap
from fourview.views.camera import project
from fourview.views.framing import frame
from fourview.views.load import read_pictures
from fourview.views.view import View


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--mesh", type=Path)
    parser.add_argument("--views", type=Path)
    parser.add_argument("--faces", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--xatlas", action="store_true")
    args = parser.parse_args()
    heads = ["faces", "charts", "atlas", "unwrap s", "views s", "bake s", "seen", "seam", "PSNR"]
    print(f"{'case':16}" + "".join(f"{head:>10}" for head in heads), flush=True)
    rows = []
    for folder in [args.views] if args.mesh else sorted(p.parent for p in args.cases.glob("*/front.png")):
        views = views_of(folder)
        mesh = in_box(read_mesh(args.mesh).mesh) if args.mesh else hull_of(views, args.faces)
        rows.append(measure(mesh, views, args.size))
        print(f"{folder.name:16}" + "".join(f"{value:10.4g}" for value in rows[-1]), flush=True)
        if args.xatlas:
            print(f"{'  xatlas':26}" + "".join(f"{value:10.4g}" for value in by_xatlas(mesh, args.size)), flush=True)
    print(f"{'mean':16}" + "".join(f"{value:10.4g}" for value in np.mean(rows, axis=0)))


def measure(mesh: Mesh, views: list[View], size: int) -> list[float]:
    """The numbers of one line."""
    unwrap_s, (flat, chart, _) = timed(unwrap, mesh, size)
    views_s = sum(timed(prepare, view, mesh, 250.0)[0] for view in views)
    bake_s, baked = timed(bake, mesh, views, size)
    atlas = float((nearest_faces(texel_positions(flat, size), None, flat.faces, (size, size)) >= 0).mean())
    repeated = float(np.mean([psnr(baked, view) for view in views]))
    charts = int(chart.max()) + 1
    return [
        len(mesh.faces),
        charts,
        atlas,
        unwrap_s,
        views_s,
        bake_s,
        baked.covered_fraction,
        seam_step(baked),
        repeated,
    ]


def timed(function: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    began = time.process_time()
    value = function(*args)
    return time.process_time() - began, value


def psnr(baked: Baked, view: View) -> float:
    height, width = view.matte.shape
    xy, depth = project(view.camera, baked.mesh.vertices, (width, height))
    seen = rasterize(xy, depth, baked.mesh.faces, (width, height))
    size = len(baked.texture.albedo)
    at = interpolate(seen, baked.mesh.faces, texel_positions(baked.mesh, size)).reshape(-1, 2)
    codes = srgb_from_linear(baked.texture.albedo).astype(np.float32)
    both = (seen.face >= 0) & (view.matte >= 0.5)
    error = sample(codes, at).reshape(height, width, 3)[both] - view.image[both]
    return float(10 * np.log10(255**2 / max(float((error**2).mean()), 1e-3)))


def seam_step(baked: Baked) -> float:
    mesh, size = baked.mesh, len(baked.texture.albedo)
    welded = np.unique(mesh.vertices, axis=0, return_inverse=True)[1].reshape(-1)[mesh.faces]
    one, other, _ = pair_half_edges(welded)
    start, end = half_edges(mesh.faces)
    split = start[one] != end[other]
    xy = texel_positions(mesh, size)
    codes = srgb_from_linear(baked.texture.albedo).astype(np.float32)
    covered = baked.texture.covered[..., None].astype(np.float32)
    steps = []
    for t in (0.25, 0.5, 0.75):
        here = xy[start[one[split]]] * (1 - t) + xy[end[one[split]]] * t
        there = xy[end[other[split]]] * (1 - t) + xy[start[other[split]]] * t
        seen = (sample(covered, here)[:, 0] > 0) & (sample(covered, there)[:, 0] > 0)
        steps.append(np.abs(sample(codes, here) - sample(codes, there))[seen].mean(axis=1))
    return float(np.concatenate(steps).mean())


def by_xatlas(mesh: Mesh, size: int) -> list[float]:
    import xatlas

    atlas, options = xatlas.Atlas(), xatlas.PackOptions()
    atlas.add_mesh(mesh.vertices, mesh.faces.astype(np.uint32))
    options.padding, options.resolution = 8, size
    seconds, _ = timed(lambda: atlas.generate(xatlas.ChartOptions(), options))
    return [atlas.chart_count, atlas.utilization, seconds]


def views_of(folder: Path) -> list[View]:
    pictures = read_pictures({path.stem: path for path in sorted(folder.glob("*.png")) if path.stem in SIDES})
    return frame(pictures, [np.ones(p.image.shape[:2], np.float32) if p.alpha is None else p.alpha for p in pictures])[
        0
    ]


def hull_of(views: list[View], faces: int) -> Mesh:
    mesh, _ = drop_crumbs(extract(sample_field(hull(views), 256)))
    return simplify(mesh, faces)[0]


def in_box(mesh: Mesh) -> Mesh:
    points: Float = mesh.vertices.astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    return Mesh(((points - (low + high) / 2) * (2 / (high - low).max())).astype(np.float32), mesh.faces)


SIDES = ("front", "left", "back", "right")

if __name__ == "__main__":
    main()
