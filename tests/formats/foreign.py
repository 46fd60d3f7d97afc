# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Mesh files as other programs write them, made byte by byte, and what one sees of a model from a side."""

import io
import json
import struct
import zipfile

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fourview.texture.rasterize import rasterize
from fourview.texture.texture import srgb_from_linear

KINDS = {"f4": 5126, "u4": 5125, "u2": 5123, "i2": 5122, "u1": 5121, "i1": 5120}
WIDTHS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
SIDES = {"front": (0, 1, 2), "right": (2, 1, 0)}  # the axes of a picture of that side: across, up, toward the viewer


def cube(cuts=1):
    """Vertices, texture coordinates (v down) and faces of a cube from -0.5 to 0.5; each side shows all of a picture.

    The sides come in the order front, back, right (+X), left, top, bottom, `2 * cuts**2` faces each.
    """
    grid = np.linspace(0, 1, cuts + 1)
    s, t = (axis.ravel() for axis in np.meshgrid(grid, grid))
    number = np.arange((cuts + 1) ** 2).reshape(cuts + 1, cuts + 1)
    a, b, c, d = number[:-1, :-1].ravel(), number[:-1, 1:].ravel(), number[1:, 1:].ravel(), number[1:, :-1].ravel()
    pattern = np.stack([a, b, c, a, c, d], axis=1).reshape(-1, 3)
    vertices, uv, faces = [], [], []
    for toward, across in (("z", "x"), ("-z", "-x"), ("x", "-z"), ("-x", "z"), ("y", "x"), ("-y", "x")):
        normal, right = axis_of(toward), axis_of(across)
        up = np.cross(normal, right)
        faces.append(pattern + len(vertices) * len(s))
        vertices.append(normal / 2 + np.outer(s - 0.5, right) + np.outer(t - 0.5, up))
        uv.append(np.stack([s, 1 - t], axis=1))
    return np.concatenate(vertices).astype("f4"), np.concatenate(uv).astype("f4"), np.concatenate(faces).astype("u2")


def axis_of(name):
    axis = np.zeros(3)
    axis["xyz".index(name[-1])] = -1 if name[0] == "-" else 1
    return axis


def letter(text, paper=(240, 240, 240), ink=(20, 20, 20), side=128):
    """A picture of a letter, which looks different whichever way it is turned."""
    image = Image.new("RGB", (side, side), paper)
    pen = ImageDraw.Draw(image)
    pen.text((side / 2, side / 2), text, ink, font=ImageFont.load_default(side * 0.8), anchor="mm")
    pen.rectangle([0, 0, side // 6, side // 6], ink)
    return image


def png(image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def zipped(**files):
    """A zip; `__` in a keyword is the slash of a path, and `files` given by name win."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


class Gltf:
    """A glTF while it is put together: `tree` is its JSON, `blob` its binary part."""

    def __init__(self):
        self.tree = {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": []}]}
        self.blob = bytearray()

    def put(self, what, value):
        """The number of `value` in the list `what`."""
        self.tree.setdefault(what, []).append(value)
        return len(self.tree[what]) - 1

    def view(self, data, **more):
        self.blob += b"\0" * (-len(self.blob) % 4)
        view = {"buffer": 0, "byteOffset": len(self.blob), "byteLength": len(data)} | more
        self.blob += data
        return self.put("bufferViews", view)

    def array(self, values, stride=None, **more):
        """An accessor over `values (n,)` or `(n, c)`; with `stride`, rows stand that many bytes apart."""
        values = np.asarray(values)
        rows = np.ascontiguousarray(values.reshape(len(values), -1))
        width = rows.shape[1]
        accessor = {"componentType": KINDS[rows.dtype.str[1:]], "count": len(rows), "type": WIDTHS[width]} | more
        if stride is None:
            return self.put("accessors", accessor | {"bufferView": self.view(rows.tobytes())})
        padded = np.zeros((len(rows), stride), np.uint8)
        padded[:, : width * rows.itemsize] = rows.view(np.uint8).reshape(len(rows), -1)
        return self.put("accessors", accessor | {"bufferView": self.view(padded.tobytes(), byteStride=stride)})

    def texture(self, image, **more):
        data = png(image) if isinstance(image, Image.Image) else image
        source = self.put("images", {"bufferView": self.view(data), "mimeType": "image/png"})
        return self.put("textures", {"source": source} | more)

    def material(self, texture=None, info=(), surface=(), **more):
        """A material with a base colour of `texture`, where that is not None."""
        surface = dict(surface)
        if texture is not None:
            surface["baseColorTexture"] = {"index": texture} | dict(info)
        return self.put("materials", {"pbrMetallicRoughness": surface} | more)

    def show(self, *primitives, mesh=(), **node):
        """A node of the scene with a mesh of `primitives`."""
        number = self.put("nodes", {"mesh": self.put("meshes", {"primitives": list(primitives)} | dict(mesh))} | node)
        self.tree["scenes"][0]["nodes"].append(number)
        return number

    def cube(self, material=None, attributes=(), uv=True, **more):
        """A primitive that is the whole cube."""
        vertices, coordinates, faces = cube()
        arrays = {"POSITION": self.array(vertices)} | ({"TEXCOORD_0": self.array(coordinates)} if uv else {})
        primitive = {"attributes": arrays | dict(attributes), "indices": self.array(faces.ravel())} | more
        return primitive if material is None else primitive | {"material": material}

    def require(self, *names):
        self.tree["extensionsRequired"] = self.tree["extensionsUsed"] = list(names)

    def glb(self):
        self.tree["buffers"] = [{"byteLength": len(self.blob)}]
        text = json.dumps(self.tree).encode()
        text += b" " * (-len(text) % 4)
        blob = bytes(self.blob) + b"\0" * (-len(self.blob) % 4)
        head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(blob))
        return head + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob


def seen(model, side="front", size=128):
    """What the model shows from a side, filling the picture: `(size, size, 3)` sRGB; white where nothing is."""
    mesh = model.mesh
    across, up, toward = SIDES[side]
    sign = -1 if side == "right" else 1
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    place = (mesh.vertices - low) / (high - low).max()
    column = place[:, across] if sign > 0 else place[:, across].max() - place[:, across]
    xy = np.stack([column, place[:, up].max() - place[:, up]], axis=1) * size
    fragments = rasterize(xy, mesh.vertices[:, toward], mesh.faces, (size, size))
    picture = np.full((size, size, 3), 255, np.uint8)
    there = fragments.face >= 0
    picture[there] = srgb_from_linear(model.light(fragments.face[there], fragments.barycentric[there]))
    return picture


def differs(picture, image):
    """The mean difference of a picture from an image, of 255, one pixel at the rim left out."""
    wanted = np.asarray(image.convert("RGB").resize(picture.shape[1::-1], Image.Resampling.BOX)).astype(int)
    return np.abs(picture.astype(int) - wanted)[1:-1, 1:-1].mean()


def codes(model):
    return [notice.code for notice in model.notices]
