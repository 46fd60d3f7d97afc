# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Make every case of a folder and score it: the tables behind docs/how/quality.md.

    python benchmarks/quality.py --cases CASES --out OUT --scorer CASES/score.py
    python benchmarks/quality.py --cases CASES --engine hull mini --views 1 2 3 4 --out OUT
    python benchmarks/quality.py --cases CASES --engine mini --weights RUN --out OUT     not the shipped ones

CASES holds folders with front/left/back/right pictures. The scorer is any program that takes `--suite OUT CASES` and
prints a table, or with `--json` the means of several runs, which are then put side by side. Beside each OUT/NAME.glb
lies OUT/NAME.png, a sheet to look at. Several engines or numbers of views go to OUT/ENGINE-VIEWS.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import fourview
from fourview.errors import FourviewError
from fourview.render.sheet import sheet
from fourview.shape.engine import Engine, find
from fourview.shape.mini.engine import Mini

SIDES = ("front", "left", "back", "right")
# What the scorer calls it -> what stands above the column.
MEANS = {
    "volume_iou": "volume IoU", "chamfer_l1_x1000": "CD-L1 x1000", "f1_2pct": "F@2%", "normal_consistency": "normals",
    "silhouette_iou": "silhouette", "novel_silhouette_iou": "novel silhouette",
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--engine", nargs="+", default=["mini"])
    parser.add_argument("--weights", type=Path, help="a folder with the two networks of the engine mini")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scorer", type=Path, help="default: CASES/score.py; no scoring where it is missing")
    parser.add_argument("--sides", default=",".join(SIDES), help="use only these sides, e.g. front,left")
    parser.add_argument("--views", nargs="+", type=int, help="instead of --sides: the first so many of them")
    parser.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the recipe"
    )
    parser.add_argument("--no-sheets", action="store_true")
    args = parser.parse_args()
    scorer = args.scorer or args.cases / "score.py"
    sets = [SIDES[:count] for count in args.views] if args.views else [tuple(args.sides.split(","))]
    if len(args.engine) * len(sets) == 1:
        failed = make(args, args.engine[0], sets[0], args.out)
        if scorer.is_file():
            command = [sys.executable, scorer, "--suite", args.out, args.cases]
            failed += subprocess.run(command, check=False).returncode
        return 1 if failed else 0

    failed = 0
    lines = [f"| views | engine | {' | '.join(MEANS.values())} |", "|---" * (2 + len(MEANS)) + "|"]
    for sides in sets:
        for engine in args.engine:
            out = args.out / f"{engine}-{len(sides)}"
            failed += make(args, engine, sides, out)
            command = [sys.executable, scorer, "--json", "--suite", out, args.cases]
            mean = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["mean"]
            cells = [f"{mean[key]:.1f}" if mean[key] > 2 else f"{mean[key]:.3f}" for key in MEANS]
            lines.append(f"| {len(sides)} | {engine} | {' | '.join(cells)} |")
    print("\n".join(lines))
    return 1 if failed else 0


def make(args: argparse.Namespace, name: str, sides: tuple[str, ...], out: Path) -> int:
    """Every case by the engine `name` from `sides`, into `out`; how many failed."""
    out.mkdir(parents=True, exist_ok=True)
    recipe = fourview.Recipe.of(**dict(_parameter(text) for text in args.parameter))
    engine = _mini(args.weights) if name == "mini" and args.weights else find(name)
    failed = 0
    for folder in sorted(f for f in args.cases.iterdir() if (f / "front.png").is_file()):
        paths = {side: folder / f"{side}.png" for side in sides}
        began = time.perf_counter()
        try:
            result = fourview.generate({side: p for side, p in paths.items() if p.is_file()}, recipe, engine=engine)
        except FourviewError as error:
            failed += 1
            print(f"{folder.name:16} failed: {error}")
            continue
        took = time.perf_counter() - began
        fourview.write(result, out / f"{folder.name}.glb")
        if not args.no_sheets:
            sheet(result.mesh, result.texture).save(out / f"{folder.name}.png")
        health = result.report.mesh
        print(
            f"{folder.name:16} {took:5.1f} s  {health.faces} faces  parts {health.components}  euler {health.euler}"
            f"  closed {health.watertight}  manifold {health.manifold}  silhouette "
            + " ".join(f"{name} {iou:.3f}" for name, iou in result.report.silhouette_iou.items())
            + "".join(f"\n{'':17}{n.code}: {n.message}" for n in result.report.warnings),
            flush=True,
        )
    return failed


def _mini(weights: Path) -> Engine:
    return Engine("mini", "trial", Mini.licence, Mini(weights).shape)


def _parameter(text: str) -> tuple[str, object]:
    name, value = text.split("=", 1)
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


if __name__ == "__main__":
    sys.exit(main())
