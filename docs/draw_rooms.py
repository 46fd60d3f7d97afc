# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Draws the rooms of the package and the imports between them: docs/rooms.svg and docs/service-rooms.svg.

`python docs/draw_rooms.py` writes both pictures, `python docs/draw_rooms.py --check` fails where one is stale.
The order of the rooms comes from the layers in pyproject.toml, which `lint-imports` enforces; the imports come from the
code; the sentence beside a room is the first one of its docstring. Rows import columns: a number says how many modules
of the row's room import how many of the column's, imports inside functions included.
"""

import ast
import sys
import tomllib
from collections import Counter
from pathlib import Path
from xml.sax.saxutils import escape

import grimp

ROOT = Path(__file__).parent.parent
PICTURES = {"rooms.svg": "fourview", "service-rooms.svg": "fourview.service"}

ROW, CELL, NAME, PURPOSE, HEAD, PAD = 26, 30, 130, 530, 122, 16
STYLE = """
text{font:13px system-ui,sans-serif;fill:#1f2328} .name,.head{font:600 13px ui-monospace,monospace}
.purpose{fill:#59636e} .count{font:12px ui-monospace,monospace;text-anchor:middle;fill:#fff}
.band{fill:#f6f8fa} .self{fill:#d1d9e0} .cell{fill:#0969da} .ground{fill:#fff}
@media (prefers-color-scheme:dark){text{fill:#f0f6fc} .purpose{fill:#9198a1} .band{fill:#151b23} .self{fill:#3d444d}
.cell{fill:#1f6feb} .count{fill:#fff} .ground{fill:#0d1117}}
"""


def layers(package: str) -> list[list[str]]:
    """The rooms of a package from top to bottom, as pyproject.toml orders them; rooms of one layer together."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for contract in contracts:
        listed = [[name.strip() for name in layer.replace(":", "|").split("|")] for layer in contract.get("layers", [])]
        if listed and all(name.rpartition(".")[0] == package for layer in listed for name in layer):
            return [[name.rpartition(".")[2] for name in layer] for layer in listed]
    raise ValueError(f"pyproject.toml has no layers contract for the rooms of {package}")


def imports(package: str, rooms: list[str]) -> Counter[tuple[str, str]]:
    """How many imports go from a module of one room to a module of another."""
    graph = grimp.build_graph("fourview", exclude_type_checking_imports=True)
    depth = package.count(".") + 1

    def room(module: str) -> str:
        parts = module.split(".")
        return parts[depth] if module.startswith(f"{package}.") and parts[depth] in rooms else ""

    found = Counter[tuple[str, str]]()
    for module in sorted(graph.modules):
        for imported in graph.find_modules_directly_imported_by(module):
            pair = (room(module), room(imported))
            if all(pair) and pair[0] != pair[1]:
                found[pair] += 1
    return found


def purpose(package: str, room: str) -> str:
    """The first sentence of a room's docstring."""
    place = ROOT / "src" / Path(*package.split(".")) / room
    text = ast.get_docstring(
        ast.parse((place / "__init__.py" if place.is_dir() else place.with_suffix(".py")).read_text())
    )
    assert text, f"{place} has no docstring"
    return text.split("\n")[0].split(". ")[0].rstrip(".:").replace("`", "")


def draw(package: str) -> str:
    """The picture as SVG text."""
    bands = layers(package)
    rooms = [room for band in bands for room in band]
    counts = imports(package, rooms)
    left = PAD + NAME + PURPOSE
    width, height = left + CELL * len(rooms) + 60, HEAD + ROW * len(rooms) + PAD
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>The rooms of {package}: each row's room imports the marked columns, all further down</title>",
        f'<style>{STYLE}</style><rect class="ground" width="{width}" height="{height}"/>',
    ]
    row = 0
    for number, band in enumerate(bands):
        if number % 2 == 0:
            out.append(f'<rect class="band" y="{HEAD + ROW * row}" width="{width}" height="{ROW * len(band)}"/>')
        row += len(band)
    for at, room in enumerate(rooms):
        x, y = left + CELL * at, HEAD + ROW * at
        out += [
            f'<text class="name" x="{PAD}" y="{y + 18}">{room}</text>',
            f'<text class="purpose" x="{PAD + NAME}" y="{y + 18}">{escape(purpose(package, room))}</text>',
            f'<text class="head" transform="translate({x + 18} {HEAD - 8}) rotate(-55)">{room}</text>',
            f'<rect class="self" x="{x + 3}" y="{y + 3}" width="{CELL - 6}" height="{ROW - 6}" rx="4"/>',
        ]
        for to, other in enumerate(rooms):
            if count := counts[room, other]:
                cx = left + CELL * to
                out += [
                    f'<rect class="cell" x="{cx + 3}" y="{y + 3}" width="{CELL - 6}" height="{ROW - 6}" rx="4"/>',
                    f'<text class="count" x="{cx + CELL / 2:g}" y="{y + 17}">{count}</text>',
                ]
    return "\n".join([*out, "</svg>", ""])


def main(check: bool) -> int:
    stale = []
    for name, package in PICTURES.items():
        path, text = Path(__file__).parent / name, draw(package)
        if check and (not path.exists() or path.read_text() != text):
            stale.append(name)
        elif not check:
            path.write_text(text)
    if stale:
        print(f"{', '.join(stale)}: not what the code gives; run `python docs/draw_rooms.py`")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main("--check" in sys.argv[1:]))
