# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Smooth primitives, and the solid that some of them make together.

Owns      signed distances of ellipsoids, boxes, limbs, discs and rings; shells, mirror images, smooth joins, colours.
Not here  which parts a thing has (`procedural`), its pictures (`render`).

Formulas: I. Quilez, "Distance functions" (iquilezles.org), positive inside here; lengths in the maker's own unit.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

KINDS = ("ellipsoid", "box", "limb", "disc", "ring")


@dataclass(frozen=True)
class Part:
    """One primitive. `size (3,)` is half its sides (ellipsoid, box); of the others, whose axis is their y:

    limb: radius below, half the length between its balls' middles, radius above; disc: radius, half the height,
    rounding; ring: radius of the circle, -, radius of the tube.
    """

    kind: str
    centre: np.ndarray  # (3,)
    size: np.ndarray  # (3,)
    colour: np.ndarray  # (3,) linear light
    turn: np.ndarray = field(default_factory=lambda: np.eye(3))  # (3, 3), world_from_part
    is_mirrored: bool = False  # there is a second one at -x
    wall: float = 0.0  # > 0: a shell of this thickness, open above
    blend: float = 0.0  # width of the smooth join to what came before; < 0: cut out of it


def inside(part: Part, points: Tensor) -> Tensor:
    """How far inside the part each of `points (n, 3)` lies `(n,)`."""
    if part.is_mirrored:
        points = torch.cat([points[:, :1].abs(), points[:, 1:]], dim=1)
    turn, centre = (torch.as_tensor(a, dtype=points.dtype, device=points.device) for a in (part.turn, part.centre))
    x, y, z = ((points - centre) @ turn).unbind(1)
    a, b, c = part.size.tolist()
    if part.kind == "ellipsoid":
        near = torch.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2)
        slope = torch.sqrt((x / a**2) ** 2 + (y / b**2) ** 2 + (z / c**2) ** 2).clamp(min=1e-6)
        value = torch.minimum(near * (1 - near) / slope, torch.full_like(x, min(a, b, c)))
    elif part.kind == "box":
        rounding = 0.2 * min(a, b, c)
        q = [x.abs() - a + rounding, y.abs() - b + rounding, z.abs() - c + rounding]
        outside = torch.sqrt(sum(s.clamp(min=0) ** 2 for s in q))
        value = rounding - outside - torch.stack(q).amax(0).clamp(max=0)
    elif part.kind == "limb":
        share = ((y + b) / (2 * b)).clamp(0, 1)
        value = a + (c - a) * share - torch.sqrt(x**2 + (y + b - 2 * b * share) ** 2 + z**2)
    elif part.kind == "disc":
        q0, q1 = torch.sqrt(x**2 + z**2) - a + c, y.abs() - b + c
        outside = torch.sqrt(q0.clamp(min=0) ** 2 + q1.clamp(min=0) ** 2)
        value = c - outside - torch.maximum(q0, q1).clamp(max=0)
    else:
        value = c - torch.sqrt((torch.sqrt(x**2 + z**2) - a) ** 2 + y**2)
    if part.wall:
        value = torch.minimum(torch.minimum(value, part.wall - value), 0.6 * b - y)
    return value


def inside_all(parts: list[Part], points: Tensor) -> Tensor:
    """How far inside the whole solid `points (n, 3)` lie `(n,)`: joined in order, smoothly where a part says so."""
    whole = torch.full_like(points[:, 0], -9.0)
    for part in parts:
        value = inside(part, points)
        if part.blend < 0:
            whole = torch.minimum(whole, -value)
        elif part.blend:
            overlap = (part.blend - (whole - value).abs()).clamp(min=0)
            whole = torch.maximum(whole, value) + overlap**2 / (4 * part.blend)
        else:
            whole = torch.maximum(whole, value)
    return whole


def colours_at(parts: list[Part], points: Tensor) -> Tensor:
    """The colour `(n, 3)`, linear light, of the part that each of `points` is deepest in."""
    values = torch.stack([inside(part, points) if part.blend >= 0 else points[:, 0] - 9 for part in parts])
    table = torch.as_tensor(np.stack([part.colour for part in parts]), dtype=points.dtype, device=points.device)
    return table[values.argmax(0)]
