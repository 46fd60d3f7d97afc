# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Time a whole run and each of its stages, median of several, with the peak memory of the process and its children.

    python benchmarks/speed.py [--case FOLDER] [--runs 5] [--parameter octree_resolution=512 ...]

Each run is a process of its own, `fourview generate`, started from nothing, as a user would.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent / "src/fourview/examples/robot"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", type=Path, default=EXAMPLE, help="folder with front/left/back/right pictures")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    args = parser.parse_args()
    options = [f"--{text.split('=')[0].replace('_', '-')}={text.split('=', 1)[1]}" for text in args.parameter]

    rows: dict[str, list[float]] = {}
    for number in range(args.runs + 1):  # the first warms the disk's cache and is not counted
        timings, wall_s, peak_mib = _run(args.case, options)
        if number:
            for name, value in {**timings, "all stages": sum(timings.values()), "process, wall": wall_s}.items():
                rows.setdefault(name, []).append(value)
            rows.setdefault("peak", []).append(peak_mib)
    print(f"{'':16}{'min':>9}{'median':>9}{'max':>9}   ({args.runs} runs, {os.cpu_count()} cores)")
    for name, values in rows.items():
        unit = "MiB" if name == "peak" else "s"
        low, mid, high = min(values), statistics.median(values), max(values)
        digits = 0 if name == "peak" else 2
        print(f"{name:16}{low:9.{digits}f}{mid:9.{digits}f}{high:9.{digits}f} {unit}")


def _run(case: Path, options: list[str]) -> tuple[dict[str, float], float, float]:
    """Stage times, wall time, and the peak of the summed memory of the process and its children."""
    sides = {p.stem: p for p in sorted(case.iterdir()) if p.stem in ("front", "left", "back", "right")}
    named = [f"--{side}={path}" for side, path in sides.items() if side != "front"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "fourview", "generate", sides["front"], *named, "--quiet",
                   "-o", Path(folder) / "model.glb", "--report", report, *options]  # fmt: skip
        began = time.perf_counter()
        process = subprocess.Popen(command)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, _resident_mib(process.pid))
            time.sleep(0.01)
        wall_s = time.perf_counter() - began
        if process.returncode:
            sys.exit(process.returncode)
        return json.loads(report.read_text())["timings_s"], wall_s, peak


def _resident_mib(pid: int) -> float:
    """Memory of a process and all its descendants now, MiB (Linux)."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 + sum(_resident_mib(int(child)) for child in children)


if __name__ == "__main__":
    main()
