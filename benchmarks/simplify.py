# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Simplifiers compared on visual hulls: faces, closedness, distance, time.

    python benchmarks/simplify.py --cases DIR                         every case of a folder, extracted at 400 cells
    python benchmarks/simplify.py --cases DIR --only armchair trex --targets 10000 1000 300

Each library is asked three ways. *alone*: one call for the target. *mended*: its result is made 2-manifold by our
repair, and the call repeated with a smaller goal until the count is met. *finished*: it goes to 60,000 faces above the
target, is repaired, and our collapse goes the rest of the way, which is what `fourview.mesh.simplify` does with the
library it uses. `ours` is our collapse all the way. Libraries that are not installed are left out; meshoptimizer has
no wheel and needs a compiler: pip install meshoptimizer.

A row is a mean over the cases: faces over target; edges of the result that have not two faces, a face for each
direction; cases whose result is closed and 2-manifold with its count within 98..100 % of the target; mean and
99.9 % distance between the surfaces (of 100,000 points on either, to the nearest point's plane and to the nearest
point), thousandths of a box unit, the larger of both directions; mean cosine between the normals there; change of
volume; processor seconds.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from fourview.arrays import Float, Int
from fourview.mesh import simplify as ours
from fourview.mesh.crumbs import drop_crumbs
from fourview.mesh.measure import measure
from fourview.mesh.mesh import Mesh, face_normals, keep_faces, merge_vertices
from fourview.mesh.repair import make_manifold, settle
from fourview.mesh.topology import edge_keys, half_edges, label_parts
from fourview.progress import no_tick
from fourview.shape.hull import hull as solid_of
from fourview.surface.extract import extract
from fourview.surface.octree import sample
from fourview.views.framing import frame
from fourview.views.load import read_pictures
from fourview.views.matting import cut_out

POINTS = 100_000
TIGHTEN, TRIES = 0.95, 6
TOLERANCES = [0.0005, 0.001, 0.002, 0.004, 0.008]  # box units, for manifold3d
HEADER = ("way", "target", "faces/target", "bad edges", "kept", "mean", "99.9 %", "normals", "volume", "s")

Simplifier = Callable[[Float, Int, int], tuple[Float, Int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="names of cases")
    parser.add_argument("--targets", type=int, nargs="*", default=[10_000, 1_000, 300])
    parser.add_argument("--cells", type=int, default=400)
    args = parser.parse_args()
    names = args.only or sorted(p.parent.name for p in args.cases.glob("*/front.png"))
    meshes = {name: hull(args.cases / name, args.cells) for name in names}
    print(", ".join(f"{name} {len(mesh.faces):,} faces" for name, mesh in meshes.items()))
    print("\n| " + " | ".join(HEADER) + " |\n|" + "---|" * len(HEADER))
    for target in args.targets:
        for way, simplifier in ways().items():
            rows = np.array([judge(mesh, simplifier, target) for mesh in meshes.values()])
            ratio, bad, _, mean, worst, normals, volume, seconds = rows.mean(axis=0)
            print(
                f"| {way} | {target} | {ratio:.3f} | {bad:.1f} | {rows[:, 2].sum():.0f}/{len(rows)} | {mean:.2f} | "
                f"{worst:.1f} | {normals:.3f} | {volume:.2%} | {seconds:.2f} |",
                flush=True,
            )


def hull(case: Path, cells: int) -> Mesh:
    """The hull of the four pictures in folder `case`, without crumbs."""
    pictures = read_pictures({name: case / f"{name}.png" for name in ("front", "left", "back", "right")})
    views, _ = frame(pictures, cut_out(pictures)[0])
    return drop_crumbs(extract(sample(solid_of(views), cells)))[0]


def ways() -> dict[str, Simplifier]:
    """The simplifiers by name, in the order of the table."""
    found: dict[str, Simplifier] = {}
    for name, library in {
        "fast-simplification": ours.fewer_faces,
        "pyfqmr": with_pyfqmr,
        "manifold3d": with_manifold3d,
        "meshoptimizer": with_meshoptimizer,
    }.items():
        try:
            __import__(name.replace("-", "_"))
        except ImportError:
            continue
        found |= {name: library, f"{name}, mended": mended(library), f"{name}, finished": finished(library)}
    return found | {"ours": finished(None)}


def with_pyfqmr(vertices: Float, faces: Int, goal: int) -> tuple[Float, Int]:
    import pyfqmr

    work = pyfqmr.Simplify()
    work.setMesh(vertices, faces)
    work.simplify_mesh(target_count=goal, aggressiveness=7, preserve_border=True, verbose=False)
    points, triangles, _ = work.getMesh()
    return points, triangles.astype(np.int32)


def with_manifold3d(vertices: Float, faces: Int, goal: int) -> tuple[Float, Int]:
    """Takes a tolerance, not a count, and may leave more faces for a larger one: the first that meets the goal."""
    import manifold3d

    solid = manifold3d.Manifold(manifold3d.Mesh(vertices.astype(np.float32), faces.astype(np.uint32)))
    best = solid
    for tolerance in TOLERANCES:
        best = min(best, solid.simplify(tolerance), key=lambda found: found.num_tri())
        if best.num_tri() <= goal:
            break
    mesh = best.to_mesh()
    return mesh.vert_properties[:, :3].astype(np.float64), mesh.tri_verts.astype(np.int32)


def with_meshoptimizer(vertices: Float, faces: Int, goal: int) -> tuple[Float, Int]:
    import meshoptimizer

    out = np.zeros(faces.size, np.uint32)
    points, corners = vertices.astype(np.float32), faces.ravel().astype(np.uint32)
    count = meshoptimizer.simplify(out, corners, points, target_index_count=3 * goal, target_error=1.0)
    return vertices, out[:count].reshape(-1, 3).astype(np.int32)


def mended(library: Simplifier) -> Simplifier:
    """`library` with our repair, asked again with a smaller goal while there are too many faces."""

    def simplify(vertices: Float, faces: Int, target: int) -> tuple[Float, Int]:
        goal = target
        for _ in range(TRIES):
            sound = make_manifold(*library(vertices, faces, goal))
            if sound is None:
                return library(vertices, faces, goal)
            if len(sound[1]) <= target:
                break
            goal = int(goal * TIGHTEN)
        return sound

    return simplify


def finished(library: Simplifier | None) -> Simplifier:
    """`library` to 60,000 faces above the target, then our finish; our finish alone without one."""

    def simplify(vertices: Float, faces: Int, target: int) -> tuple[Float, Int]:
        parts = int(label_parts(faces, len(vertices)).max()) + 1
        start: tuple[Float, Int] | None = None
        if library and len(faces) > target + ours.LEFT[0]:
            start = make_manifold(*library(vertices, faces, target + ours.LEFT[0]))
            start = start and ours.largest_parts(*start, parts, ours.SPLINTER)
        return ours.finish(*(start or (vertices, faces)), target, parts, no_tick)

    return simplify


def judge(full: Mesh, simplifier: Simplifier, target: int) -> tuple[float, ...]:
    """The numbers of one case."""
    began = time.process_time()
    vertices, faces = simplifier(full.vertices.astype(np.float64), full.faces, target)
    seconds = time.process_time() - began
    used = keep_faces(Mesh(vertices, faces), np.ones(len(faces), bool))
    small = Mesh(settle(used.vertices), used.faces)
    start, end = half_edges(merge_vertices(small)[0].faces)
    _, edge = np.unique(edge_keys(start, end), return_inverse=True)
    ups, downs = np.bincount(edge, start < end), np.bincount(edge, start > end)
    health, before = measure(small), measure(full)
    kept = health.watertight and health.manifold and 0.98 * target <= len(faces) <= target
    volume = abs(health.volume / before.volume - 1)
    return len(faces) / target, ((ups != 1) | (downs != 1)).sum(), kept, *distance(full, small), volume, seconds


def distance(one: Mesh, other: Mesh) -> tuple[float, float, float]:
    """Mean distance and its 99.9 % quantile x 1000, mean cosine of the normals; the worse of both directions."""
    (a, a_normal), (b, b_normal) = points_on(one), points_on(other)
    both = []
    for p, n, q, m in ((a, a_normal, b, b_normal), (b, b_normal, a, a_normal)):
        far, nearest = cKDTree(q).query(p)
        planes = abs(((p - q[nearest]) * m[nearest]).sum(axis=1))
        both.append((planes.mean() * 1e3, np.quantile(far, 0.999) * 1e3, -(n * m[nearest]).sum(axis=1).mean()))
    mean, worst, cosine = np.max(both, axis=0)
    return mean, worst, -cosine


def points_on(mesh: Mesh) -> tuple[Float, Float]:
    """Points `(n, 3)` spread evenly over the surface, and its normals there."""
    random = np.random.default_rng(0)
    normals = face_normals(mesh)
    sizes = np.linalg.norm(normals, axis=1)
    face = np.searchsorted(np.cumsum(sizes), random.random(POINTS) * sizes.sum()).clip(0, len(sizes) - 1)
    share = random.dirichlet((1, 1, 1), POINTS)
    points = np.einsum("nk,nkx->nx", share, mesh.vertices[mesh.faces[face]])
    return points, normals[face] / np.maximum(sizes[face], 1e-30)[:, None]


if __name__ == "__main__":
    main()
