# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A model as it was read from a mesh file.

Owns      `Model`: the mesh with its texture, or with several pictures and colours; the colour at a place on its
          surface.
Not here  reading files (`read`), making one model of a file's shapes (`looks`).
"""

import dataclasses
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from fourview.arrays import Float, Int
from fourview.formats.colours import Raster, between, light_of, raster_at
from fourview.mesh.mesh import Mesh, face_areas
from fourview.notice import Notice
from fourview.texture.texture import Texture, linear_from_srgb, srgb_from_linear
from fourview.texture.transfer import Light


@dataclass(frozen=True)
class Model:
    """What a mesh file holds.

    `texture`: the one picture that lies on all faces and is all of their look. Where there is more to it, `rasters` are
    the pictures, `raster (f,)` says which of them lies on a face (-1: none), and `colours (v, 3) float32`, linear,
    multiply it. `notices` say what was left out.
    """

    mesh: Mesh
    texture: Texture | None = None
    colours: Float | None = None
    rasters: tuple[Raster, ...] = ()
    raster: Int | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def light(self) -> Light | None:
        """The linear colour at places on the surface; None where the file has no colours."""
        if self.rasters and self.raster is not None:
            return partial(_light, self)
        return light_of(self.mesh, self.texture, self.colours)

    def for_texture(self, texture_size: int) -> "Model":
        """The same, with pictures no finer than a new texture of so many texels a side: finer ones would alias."""
        if self.texture is not None:
            rasters = (Raster(srgb_from_linear(self.texture.albedo)),)
            whole = dataclasses.replace(self, texture=None, rasters=rasters, raster=np.zeros(len(self.mesh.faces), int))
            return whole.for_texture(texture_size)
        if not self.rasters or self.raster is None or self.mesh.uv is None:
            return self
        uv, area = self.mesh.uv[self.mesh.faces].astype(np.float64), face_areas(self.mesh)
        one, other = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
        shares = np.abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]) / 2
        new = texture_size / np.sqrt(max(float(area.sum()), 1e-30))  # texels a unit, at most
        reduced = []
        for number, raster in enumerate(self.rasters):
            on = self.raster == number
            texels = raster.code.shape[0] * raster.code.shape[1] * float(shares[on].sum())
            old = np.sqrt(texels / max(float(area[on].sum()), 1e-30))
            reduced.append(_reduced(raster, int(min(old / max(new, 1e-30), min(raster.code.shape[:2])))))
        return dataclasses.replace(self, rasters=tuple(reduced))


def _reduced(raster: Raster, by: int) -> Raster:
    """The raster with one texel for `by` x `by`."""
    if by < 2:
        return raster
    size = raster.code.shape[1] // by, raster.code.shape[0] // by
    channels = [Image.fromarray(linear_from_srgb(raster.code[..., channel])) for channel in range(3)]
    means = [np.asarray(channel.resize(size, Image.Resampling.BOX)) for channel in channels]
    return dataclasses.replace(raster, code=srgb_from_linear(np.stack(means, axis=2)))


def _light(model: Model, face: Int, weight: Float) -> Float:
    """Linear colours `(n, 3)` at places on `face (n,)`, by `weight (n, 3)` of its corners: picture times colours."""
    assert model.raster is not None
    assert model.mesh.uv is not None
    corners = model.mesh.faces[face]
    light = np.ones((len(face), 3)) if model.colours is None else between(weight, model.colours[corners])
    uv = between(weight, model.mesh.uv[corners])
    of = model.raster[face]
    for number in np.unique(of[of >= 0]):
        on = of == number
        light[on] *= raster_at(model.rasters[number], uv[on])
    return light
