# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The engines: one entry each. Recipe, prices, progress, discovery, docs and page read this table.

Owns      name, summary, licence, extra, parameters, stage shares, prices and module of each engine.
Not here  how an engine works (`shape.NAME`), what every engine promises (`shape.engine.Engine`).

This file imports nothing heavy: the HTTP process reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT = "mini"


@dataclass(frozen=True)
class Price:
    """Thousandths of a credit; the default recipe costs the sum of all, `step` once for each sampling step.

    `resolution` is for 256 cells and grows with the square, `faces` is for 10,000 faces, `texture` for 1024 texels a
    side and grows with the square.
    """

    base: int
    step: int = 0
    resolution: int = 0
    faces: int = 0
    texture: int = 0


@dataclass(frozen=True)
class EngineEntry:
    """One engine.

    `parameters`: those of the recipe that only some engines read, and this one does.
    `stages`: each stage of a run and its typical share of the time, in order; the shares sum to 1.
    `module`: has the function `engine(machine) -> shape.engine.Engine`. `extra`: what to install for it, None: nothing.
    `weights`: the repository of its weights in `weights.catalogue`, None: they are in the package.
    """

    name: str
    summary: str
    licence: str
    module: str
    parameters: tuple[str, ...]
    stages: Mapping[str, float]
    price: Price
    extra: str | None = None
    weights: str | None = None


ENGINES: dict[str, EngineEntry] = {
    engine.name: engine
    for engine in (
        EngineEntry(
            "mini",
            "a small network that looks at outlines and colours",
            "Apache-2.0",
            "fourview.shape.mini.engine",
            parameters=("num_chunks",),
            stages={  # measured with benchmarks/speed.py
                "fetch": 0.01, "matte": 0.06, "encode": 0.10, "decode": 0.25, "extract": 0.10, "clean": 0.05,
                "simplify": 0.10, "texture": 0.30, "export": 0.03,
            },
            price=Price(base=40, resolution=20, faces=20, texture=20),
        ),
        EngineEntry(
            "hull",
            "rounds the outlines and uses nothing else",
            "Apache-2.0",
            "fourview.shape.hull_engine",
            parameters=("num_chunks",),
            stages={  # measured with benchmarks/speed.py
                "fetch": 0.02, "matte": 0.08, "encode": 0.08, "decode": 0.20, "extract": 0.12, "clean": 0.05,
                "simplify": 0.10, "texture": 0.32, "export": 0.03,
            },
            price=Price(base=40, resolution=20, faces=20, texture=20),
        ),
        EngineEntry(
            "hunyuan2mv",
            "the official network; needs its weights and the extra hunyuan",
            "Tencent Hunyuan 3D 2.0 Community License",
            "fourview.shape.hunyuan2mv.engine",
            parameters=("variant", "seed", "steps", "guidance_scale", "box_v", "level"),
            stages={  # from the arithmetic of the network at 30 steps and 256 cells
                "fetch": 0.01, "matte": 0.06, "encode": 0.03, "denoise": 0.55, "decode": 0.09, "extract": 0.03,
                "clean": 0.02, "simplify": 0.05, "texture": 0.14, "export": 0.02,
            },
            price=Price(base=100, step=20, resolution=100, faces=50, texture=150),
            extra="hunyuan",
            weights="tencent/Hunyuan3D-2mv",
        ),
    )
}  # fmt: skip


def that_read(parameter: str) -> tuple[str, ...]:
    """The engines that read `parameter`, a flat name; empty where all do."""
    return tuple(engine.name for engine in ENGINES.values() if parameter in engine.parameters)


def stages_of(name: str) -> Mapping[str, float]:
    """The stage shares of an engine; those of the default engine for one that is not in the table."""
    return ENGINES.get(name, ENGINES[DEFAULT]).stages
