# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The colour of a surface at any place.

Owns      looking up uv, also that of foreign files with several pictures. Not here: pixels (`texture.project.sample`).
"""

from dataclasses import dataclass

import numpy as np

from fourview.arrays import Byte, Float, Int
from fourview.formats.readers.scene import Wrap
from fourview.mesh.mesh import Mesh
from fourview.texture.project import sample
from fourview.texture.texture import Texture, linear_from_srgb
from fourview.texture.transfer import Light

UV_SLACK = 1e-4  # how far beyond 0..1 a uv may lie without repeating the picture


@dataclass(frozen=True)
class Raster:
    """A picture of a foreign file: `code (h, w, 3)`, sRGB, row 0 on top; what it shows beyond 0..1, along u and v."""

    code: Byte
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")


def colours_at(texture: Texture, uv: Float) -> Float:
    """Linear colours `(n, 3)` at `uv (n, 2)`, between the four nearest texels; beyond 0..1 the texture repeats."""
    return sample(texture.albedo, _texels(texture.albedo.shape, uv, ("repeat", "repeat")))


def raster_at(raster: Raster, uv: Float) -> Float:
    """Linear colours `(n, 3)` at `uv (n, 2)`, between the four nearest texels. The raster stays 8 bits a channel."""
    return sample(raster.code, _texels(raster.code.shape, uv, raster.wrap), linear_from_srgb)


def is_within(uv: Float) -> bool:
    """Whether no `uv (n, 2)` lies beyond 0..1, so that nothing repeats."""
    return bool((np.abs(uv - 0.5) <= 0.5 + UV_SLACK).all())


def light_of(mesh: Mesh, texture: Texture | None = None, colours: Float | None = None) -> Light | None:
    """The light of a surface with one `texture`, or with `colours (v, 3)`, linear; None where it has neither."""

    def light(face: Int, weight: Float) -> Float:
        if texture is not None and mesh.uv is not None:
            return colours_at(texture, between(weight, mesh.uv[mesh.faces[face]]))
        assert colours is not None
        return between(weight, colours[mesh.faces[face]])

    is_painted = texture is not None and mesh.uv is not None
    return light if is_painted or colours is not None else None


def between(weight: Float, corners: Float) -> Float:
    """Values of corners `(n, 3, c)` by their weights `(n, 3)`: `(n, c)`."""
    mean: Float = np.einsum("nk,nkc->nc", weight, corners)
    return mean


def _texels(shape: tuple[int, ...], uv: Float, wrap: tuple[Wrap, Wrap]) -> Float:
    """Column and row `(n, 2)` of `uv` in a picture of `shape`."""
    u, v = (_wrapped(uv[:, axis], wrap[axis]) for axis in range(2))
    return np.stack([u * shape[1], (1 - v) * shape[0]], axis=1)


def _wrapped(x: Float, wrap: Wrap) -> Float:
    """Coordinates `(n,)` brought into 0..1."""
    if wrap == "clamp":
        return np.clip(x, 0, 1)
    if wrap == "mirror":
        mirrored: Float = 1 - np.abs(np.mod(x, 2) - 1)
        return mirrored
    return np.where((x < 0) | (x > 1), x - np.floor(x), x)
