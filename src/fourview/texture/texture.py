"""A texture: the colours of a mesh's surface, laid out by its `uv`."""

from dataclasses import dataclass

from fourview.arrays import Bool, Float


@dataclass(frozen=True)
class Texture:
    """`albedo (t, t, 3) float32`, linear light 0..1, row 0 on top (v = 1); `covered (t, t) bool`: seen by a picture."""

    albedo: Float
    covered: Bool
