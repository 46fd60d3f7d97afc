# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Make every case of a folder and score it: the table behind docs/quality.md.

    python benchmarks/quality.py --cases CASES --engine hull --out OUT --scorer CASES/score.py

CASES holds folders with front/left/back/right pictures. The scorer is any program that takes
`--suite OUT CASES` and prints a table. Beside each OUT/NAME.glb lies OUT/NAME.png, a sheet to look at.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import fourview
from fourview.errors import FourviewError
from fourview.export.sheet import sheet

SIDES = ("front", "left", "back", "right")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--engine", default="hull")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scorer", type=Path, help="default: CASES/score.py; no scoring where it is missing")
    parser.add_argument("--sides", default=",".join(SIDES), help="use only these sides, e.g. front,left")
    parser.add_argument("--knob", action="append", default=[], metavar="NAME=VALUE", help="a knob of the recipe")
    parser.add_argument("--no-sheets", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    recipe = fourview.Recipe.of(engine=args.engine, **dict(_knob(text) for text in args.knob))
    failed = 0
    for folder in sorted(f for f in args.cases.iterdir() if (f / "front.png").is_file()):
        paths = {side: folder / f"{side}.png" for side in args.sides.split(",")}
        began = time.perf_counter()
        try:
            result = fourview.generate({side: p for side, p in paths.items() if p.is_file()}, recipe)
        except FourviewError as error:
            failed += 1
            print(f"{folder.name:16} failed: {error}")
            continue
        took = time.perf_counter() - began
        fourview.write(result, args.out / f"{folder.name}.glb")
        if not args.no_sheets:
            sheet(result.mesh, result.texture).save(args.out / f"{folder.name}.png")
        health = result.report.mesh
        print(
            f"{folder.name:16} {took:5.1f} s  {health.faces} faces  parts {health.components}  euler {health.euler}"
            f"  closed {health.watertight}  manifold {health.manifold}  silhouette "
            + " ".join(f"{name} {iou:.3f}" for name, iou in result.report.silhouette_iou.items())
            + "".join(f"\n{'':17}{n.code}: {n.message}" for n in result.report.warnings),
            flush=True,
        )

    scorer = args.scorer or args.cases / "score.py"
    if scorer.is_file():
        failed += subprocess.run([sys.executable, scorer, "--suite", args.out, args.cases], check=False).returncode
    return 1 if failed else 0


def _knob(text: str) -> tuple[str, object]:
    name, value = text.split("=", 1)
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


if __name__ == "__main__":
    sys.exit(main())
