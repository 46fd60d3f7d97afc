# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The kinds of work: one entry each. Runners, prices, routes, progress and docs read this table.

Owns      name, operation, inputs, parameters, stages and price of each kind.
Not here  the work itself (`operations`, `pipeline`), the engines (`engines`).

This file imports nothing heavy: the HTTP process reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fourview.engines import Price
from fourview.sides import FRONT, SIDES

MESH = "mesh"  # the name of the input that is a mesh

_EXPORT = ("file_type", "texture_format", "height_m", "origin", "up")
_MATTE = ("remove_background", "matting_network")


@dataclass(frozen=True)
class Kind:
    """One kind of work.

    `operation`: module and function that do it. `needs` and `accepts`: names of inputs, a side or `mesh`.
    `parameters`: those of the recipe that it reads; None: all. `stages`: each stage and its typical share of the time,
    in order; None: those of the engine. `price`: None: that of the engine. `is_job`: it is queued, billed and kept;
    else the quick lane does it at once, free of charge.
    """

    name: str
    summary: str
    operation: str
    needs: tuple[str, ...]
    accepts: tuple[str, ...]
    parameters: tuple[str, ...] | None
    stages: Mapping[str, float] | None
    price: Price | None
    is_job: bool = True

    @property
    def has_engine(self) -> bool:
        """Whether an engine makes a shape in it."""
        return self.stages is None


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "generate", "pictures become a model", "fourview.pipeline:generate",
            needs=(FRONT,), accepts=tuple(SIDES), parameters=None, stages=None, price=None,
        ),
        Kind(
            "retexture", "pictures are painted on a mesh", "fourview.operations.retexture:retexture",
            needs=(MESH, FRONT), accepts=(MESH, *SIDES), parameters=(*_MATTE, "texture_size", *_EXPORT),
            stages={"fetch": 0.07, "matte": 0.20, "texture": 0.60, "export": 0.13},
            price=Price(base=10, texture=20),
        ),
        Kind(
            "simplify", "a mesh gets fewer faces and keeps its colours", "fourview.operations.simplify:simplify",
            needs=(MESH,), accepts=(MESH,), parameters=("target_face_num", "texture", "texture_size", *_EXPORT),
            stages={"fetch": 0.06, "simplify": 0.29, "texture": 0.53, "export": 0.12},
            price=Price(base=10, faces=10, texture=20),
        ),
        Kind(
            "convert", "a mesh becomes another file type", "fourview.operations.convert:convert",
            needs=(MESH,), accepts=(MESH,), parameters=("texture", "texture_size", *_EXPORT),
            stages={"fetch": 0.08, "texture": 0.75, "export": 0.17},
            price=Price(base=10, texture=20),
        ),
        Kind(
            "preview", "pictures are cut out and checked against each other", "fourview.operations.preview:preview",
            needs=(FRONT,), accepts=tuple(SIDES), parameters=_MATTE,
            stages={"fetch": 0.10, "matte": 0.90}, price=None, is_job=False,
        ),
        Kind(
            "format", "a finished model of ours becomes another file type, its size kept",
            "fourview.operations.convert:change_format",
            needs=(MESH,), accepts=(MESH,), parameters=_EXPORT,
            stages={"fetch": 0.20, "export": 0.80}, price=None, is_job=False,
        ),
    )
}  # fmt: skip
