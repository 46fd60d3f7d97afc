# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What every kind of work reports, with its JSON form.

Owns      `Report`, `Health`, and their JSON form.
Not here  measuring a mesh (`mesh.measure`), which notices there are (the steps).

This file imports nothing heavy: the HTTP process reads reports that a runner wrote.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from fourview.notice import Notice

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Health:
    """What is true of a mesh after vertices at one position are merged.

    `watertight`: every edge has two faces, which run along it in opposite directions.
    `manifold`: no edge has more than two faces, and the faces around each vertex form one fan.
    `volume` in box units^3, negative if inside out; `degenerate` counts faces without an area.
    """

    faces: int
    vertices: int
    watertight: bool
    manifold: bool
    components: int
    euler: int
    volume: float
    bounds: tuple[Point, Point]
    degenerate: int


@dataclass(frozen=True)
class Report:
    """What one piece of work did.

    `engine`: name, version, licence and facts of the engine; None where no engine ran. `recipe`: every parameter by its
    flat name. `seed_used`: None without an engine. `timings_s`: seconds by stage, in order. `mesh`: None where no mesh
    was made. `faces_before`: of the extracted surface, or of the mesh that came in. `seen`: share of the surface that a
    picture saw, None without texture. `silhouette_iou`: model against matte, by side; empty without texture.
    """

    kind: str
    version: str
    recipe: dict[str, Any] = field(default_factory=dict)
    engine: dict[str, str] | None = None
    seed_used: int | None = None
    timings_s: dict[str, float] = field(default_factory=dict)
    mesh: Health | None = None
    faces_before: int | None = None
    seen: float | None = None
    silhouette_iou: dict[str, float] = field(default_factory=dict)
    warnings: tuple[Notice, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, words and lists."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Report":
        """The report that `to_json` wrote, also one that lacks fields added since."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        if (mesh := known.get("mesh")) is not None:
            low, high = mesh["bounds"]
            known["mesh"] = Health(**{**mesh, "bounds": (tuple(low), tuple(high))})
        known["warnings"] = tuple(Notice(**notice) for notice in known.get("warnings", ()))
        return cls(**{"kind": "generate", "version": "", **known})
