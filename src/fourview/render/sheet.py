# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a model: a contact sheet from eight sides, and one three-quarter view.

Owns      light, ground shadow, background, labels. Not here: which face a pixel shows (`texture.rasterize`).

Pictures are computed with arrays in linear light, at twice the size, and averaged; no OpenGL and no display is needed.
The light is at the upper left of the camera and turns with it, so no side of the model is dark.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from fourview.arrays import Byte, Float
from fourview.formats.colours import colours_at, light_of
from fourview.mesh.mesh import Mesh, face_normals, vertex_normals
from fourview.texture.rasterize import interpolate, rasterize
from fourview.texture.texture import Texture, linear_from_srgb, srgb_from_linear
from fourview.texture.transfer import Light
from fourview.views.camera import Camera, project

SIDES = ("front", "front left", "left", "back left", "back", "back right", "right", "front right")  # every 45 degrees
SHEET_ELEVATION_DEG = 12.0
HERO_AZIMUTH_DEG, HERO_ELEVATION_DEG = 30.0, 15.0
SUPERSAMPLE = 2
FILL = 0.84  # share of a picture's side that the model may take
LABEL_ROOM = 0.07  # how far a model moves up to leave room for its name, half pictures

PAPER, INK = (245, 245, 242), (96, 99, 104)  # sRGB
CLAY = (214, 205, 196)
KEY, KEY_STRENGTH = np.array([-0.50, 0.65, 0.58]), 0.74  # direction to the light: right, up, toward the viewer
SKY, GROUND = np.array([0.45, 0.46, 0.48]), np.array([0.20, 0.19, 0.18])  # light from above and from below
RIM_STRENGTH = 0.10
PAINT_FLAT = 0.6  # share of a painted surface's colour without shading, because pictures contain their own light
SHADOW_TEXELS, SHADOW_BLUR, SHADOW_REACH, SHADOW_STRENGTH = 96, 0.035, 0.25, 0.55  # blur, reach: model's longest side


def sheet(
    mesh: Mesh, texture: Texture | None = None, columns: int = 4, size: int = 256, light: Light | None = None
) -> Image.Image:
    """The model from eight sides, one scale for all, named; `size` pixels a side. `light` instead of a texture."""
    model = _stage(mesh, light or light_of(mesh, texture))
    azimuths = np.arange(len(SIDES)) * 360.0 / len(SIDES)
    views = [_view_from_world(a, SHEET_ELEVATION_DEG) for a in azimuths]
    half = max(_reach(model, view) for view in views) / FILL
    for view in views:
        view[1, 3] = LABEL_ROOM * half
    rows = -(-len(SIDES) // columns)
    paper = np.zeros((rows * size, columns * size, 3), np.uint8)
    for at, view in enumerate(views):
        top, left = at // columns * size, at % columns * size
        paper[top : top + size, left : left + size] = _draw(model, Camera(view, (half, half)), size)
    image = Image.fromarray(paper)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(max(10, size // 18))
    for at, side in enumerate(SIDES):
        middle = at % columns * size + size / 2, (at // columns + 0.965) * size
        pen.text(middle, side, fill=INK, font=font, anchor="ms")
    return image


def preview(mesh: Mesh, texture: Texture | None = None, size: int = 768, light: Light | None = None) -> Image.Image:
    """The model from its front left, slightly from above. `light` instead of a texture."""
    model = _stage(mesh, light or light_of(mesh, texture))
    view = _view_from_world(HERO_AZIMUTH_DEG, HERO_ELEVATION_DEG)
    half = _reach(model, view) / FILL
    return Image.fromarray(_draw(model, Camera(view, (half, half)), size))


@dataclass(frozen=True)
class _Staged:
    """A model ready to be drawn: its middle is at the origin, and its longest side reaches from -1 to 1."""

    mesh: Mesh
    normals: Float  # (v, 3)
    face_normals: Float  # (f, 3)
    light: Light | None
    shadow: Texture  # one channel, 0..1, on the ground, x and z from -2 to 2


def _stage(mesh: Mesh, light: Light | None) -> _Staged:
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    points = (mesh.vertices - (low + high) / 2) / max(float((high - low).max()) / 2, 1e-30)
    staged = Mesh(points.astype(np.float32), mesh.faces, mesh.uv)
    return _Staged(staged, vertex_normals(staged), face_normals(staged), light, _ground_shadow(staged))


def _view_from_world(azimuth_deg: float, elevation_deg: float) -> Float:
    """`(4, 4)` of a camera that looks at the origin."""
    a, e = np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg)
    toward = np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])
    right = np.array([np.cos(a), 0.0, -np.sin(a)])
    view = np.eye(4)
    view[:3, :3] = np.stack([right, np.cross(toward, right), toward])
    return view


def _reach(model: _Staged, view: Float) -> float:
    """The greatest distance of the model from the middle of the picture, right or up."""
    return float(np.abs(model.mesh.vertices @ view[:2, :3].T).max())


def _draw(model: _Staged, camera: Camera, size: int) -> Byte:
    """The picture `(size, size, 3) uint8`."""
    side = size * SUPERSAMPLE
    xy_px, depth = project(camera, model.mesh.vertices, (side, side))
    fragments = rasterize(xy_px, depth, model.mesh.faces, (side, side))
    seen = fragments.face >= 0

    rotation = camera.view_from_world[:3, :3]
    normal = interpolate(fragments, model.mesh.faces, model.normals)[seen] @ rotation.T  # (n, 3) as the viewer sees it
    is_back = (model.face_normals @ rotation[2] < 0)[fragments.face[seen]]
    normal = np.where(is_back[:, None], -normal, normal)  # through a hole, the inside of a mesh is seen
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)

    light = _light(normal)
    paint = None
    if model.light is not None:
        paint = model.light(fragments.face[seen], fragments.barycentric[seen])
    clay = linear_from_srgb(np.array(CLAY, np.uint8))
    fine = np.zeros((side, side, 3), np.float32)
    fine[seen] = clay * light if paint is None else paint * (PAINT_FLAT + (1 - PAINT_FLAT) * light)
    model_share = _averaged(seen[:, :, None].astype(np.float32))
    return srgb_from_linear(_averaged(fine) + (1 - model_share) * _paper(model, camera, size))


def _averaged(fine: Float) -> Float:
    """`fine (h, w, c)` at the picture's own size."""
    s = SUPERSAMPLE
    parts = np.stack([fine[row::s, column::s] for row in range(s) for column in range(s)])
    mean: Float = parts.mean(axis=0)
    return mean


def _light(normal: Float) -> Float:
    """Light that falls on surfaces of unit `normal (n, 3)` (right, up, toward the viewer), `(n, 3)`."""
    sky = GROUND + (SKY - GROUND) * (normal[:, 1:2] / 2 + 0.5)
    key = np.clip(normal @ (KEY / np.linalg.norm(KEY)) * 0.85 + 0.15, 0, None)  # reaches a little beyond the edge
    rim = (1 - np.clip(normal[:, 2], 0, 1)) ** 4
    lit: Float = sky + (KEY_STRENGTH * key + RIM_STRENGTH * rim)[:, None]
    return lit


def _paper(model: _Staged, camera: Camera, size: int) -> Float:
    """The background with the model's shadow on the ground below it, `(size, size, 3)`."""
    right, up, toward = camera.view_from_world[:3, :3]
    half = camera.half_extent[0]
    across = ((np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1) * half
    rise = -across - camera.view_from_world[1, 3]
    # A line of sight meets the ground, y = lowest, at one depth for a whole row of pixels.
    lowest = float(model.mesh.vertices[:, 1].min())
    depth = (lowest - rise * up[1]) / toward[1]
    x, z = (across[None] * right[k] + (rise * up[k] + depth * toward[k])[:, None] for k in (0, 2))  # (size, size)
    places = np.stack([x / 4 + 0.5, 0.5 - z / 4], axis=2).reshape(-1, 2)
    shade = colours_at(model.shadow, np.clip(places, 0, 1)).reshape(size, size, -1)
    return linear_from_srgb(np.array(PAPER, np.uint8)) * (1 - SHADOW_STRENGTH * shade)


def _ground_shadow(mesh: Mesh) -> Texture:
    """How much of the sky the ground loses, seen from below: more where the model is close to it."""
    side = SHADOW_TEXELS
    height = mesh.vertices[:, 1] - mesh.vertices[:, 1].min()
    xy_px = (mesh.vertices[:, [0, 2]] / 4 + 0.5) * side
    fragments = rasterize(xy_px, -height, mesh.faces, (side, side))
    lowest = interpolate(fragments, mesh.faces, height[:, None])[:, :, 0]
    dark = np.where(fragments.face >= 0, np.exp(-lowest / (2 * SHADOW_REACH)), 0.0)
    image = Image.fromarray((dark * 255 + 0.5).astype(np.uint8))
    blurred = image.filter(ImageFilter.GaussianBlur(SHADOW_BLUR * side / 2))
    shadow = np.asarray(blurred).astype(np.float32)[:, :, None] / 255
    return Texture(shadow, shadow[:, :, 0] > 0)
