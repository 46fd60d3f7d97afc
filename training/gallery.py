# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Good and bad models of objects that the network never saw, chosen by a rule and not by hand.

    python -m training.gallery --pack ../shared/train --out docs/how/mini.png

Owns      the validation objects of which the engine `mini` makes more than `hull` does, and those of which it makes
          less: the largest differences in volume IoU, one of a family, as one PNG: front and left picture, `hull`,
          `mini`, truth.
Not here  the scores of all of them (`validate`), the evaluation objects (`benchmarks/quality.py`).
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from fourview.mesh.crumbs import drop_crumbs
from fourview.mesh.mesh import Mesh
from fourview.progress import RunProgress
from fourview.recipe import Recipe
from fourview.render.sheet import INK, PAPER, preview
from fourview.shape.engine import Engine, find
from fourview.surface.extract import extract
from fourview.surface.field import Field
from fourview.surface.octree import sample
from fourview.views.view import View
from training.objects import FILL, Objects, distance_at
from training.pack import Pack
from training.validate import field_iou, views_of

ENGINES = ("hull", "mini")
SIZE = 168  # pixels a picture


@dataclass(frozen=True)
class Row:
    """One object: its name, its pictures, its solid, and the IoU that each engine reaches."""

    name: str
    views: list[View]
    one: Objects
    iou: dict[str, float]

    @property
    def gain(self) -> float:
        return self.iou["mini"] - self.iou["hull"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, default=Path("../shared/train"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("--limit", type=int, help="of so many objects only, for a trial")
    args = parser.parse_args()
    pack = Pack(args.pack, "val", torch.device("cpu"), args.limit)
    engines = {name: find(name) for name in ENGINES}
    rows = sorted((scored(pack, at, engines) for at in range(len(pack))), key=lambda row: -row.gain)
    for row in rows:
        print(f"{row.name:60} hull {row.iou['hull']:.3f}  mini {row.iou['mini']:.3f}")
    chosen = [*families(rows, args.each), *reversed(families(rows[::-1], args.each))]
    paper = Image.new("RGB", (SIZE * 5, (SIZE + 22) * len(chosen)), PAPER)
    for at, row in enumerate(chosen):
        draw(paper, at * (SIZE + 22), row, engines)
    paper.quantize(128).save(args.out, optimize=True)
    return 0


def scored(pack: Pack, at: int, engines: dict[str, Engine]) -> Row:
    """The object numbered `at`, and how well each engine does."""
    one = pack.take(torch.tensor([at]))
    views = views_of(one)
    iou = {name: field_iou(field_of(engine, views), one) for name, engine in engines.items()}
    return Row(pack.names[at], views, one, iou)


def field_of(engine: Engine, views: list[View]) -> Field:
    return engine.shape(views, Recipe(), RunProgress({})).field


def families(rows: list[Row], count: int) -> list[Row]:
    """The first `count` of `rows`, none of a family (a name without its number) twice."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(row.name.rstrip("0123456789_"), row)
    return list(found.values())[:count]


def truth_of(one: Objects) -> Mesh:
    """The surface of an object's solid."""
    half = one.half.max().numpy()

    def value(points: np.ndarray) -> np.ndarray:
        return distance_at(one.distance, torch.from_numpy(points * half)[None])[0].numpy().astype(np.float32)

    return extract(sample(Field(value, np.array([[-1.05] * 3, [1.05] * 3], np.float32)), 128))


def draw(paper: Image.Image, top: int, row: Row, engines: dict[str, Engine]) -> None:
    """One row of the page."""
    cut = int(128 - 128 * FILL * 1.1), int(128 + 128 * FILL * 1.1)
    for at, view in enumerate(row.one.pictures[0, :2].permute(0, 2, 3, 1).numpy()):
        picture = Image.fromarray(view).crop((cut[0], cut[0], cut[1], cut[1])).resize((SIZE, SIZE))
        paper.paste(picture, (SIZE * at, top), picture)
    meshes = [drop_crumbs(extract(sample(field_of(engine, row.views), 128)))[0] for engine in engines.values()]
    for at, mesh in enumerate([*meshes, truth_of(row.one)], 2):
        paper.paste(preview(mesh, size=SIZE), (SIZE * at, top))
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(12)
    words = row.name.split("/")[-1], "", *(f"{name} {row.iou[name]:.2f}" for name in engines), "truth"
    for at, text in enumerate(words):
        pen.text((SIZE * at + SIZE / 2, top + SIZE + 12), text, fill=INK, font=font, anchor="ms")


if __name__ == "__main__":
    raise SystemExit(main())
