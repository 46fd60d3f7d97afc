# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import io
import json
import struct

import numpy as np
import pytest
from formats.marked import marked, painted
from PIL import Image

import fourview
from fourview.formats.write import encode
from fourview.mesh.mesh import Mesh, merge_vertices
from fourview.recipe import ExportRecipe
from fourview.texture.texture import srgb_from_linear

KIND = {5126: "<f4", 5123: "<u2", 5125: "<u4"}
WIDTH = {"VEC3": 3, "VEC2": 2, "SCALAR": 1}


class Glb:
    """The two chunks of a GLB, read by the letter of the specification."""

    def __init__(self, data):
        magic, version, length, json_length, json_kind = struct.unpack_from("<4sIII4s", data)
        assert (magic, version, length, json_kind) == (b"glTF", 2, len(data), b"JSON")
        self.json = json.loads(data[20 : 20 + json_length])
        self.blob = data[28 + json_length :]

    def view(self, number):
        view = self.json["bufferViews"][number]
        return self.blob[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]

    def array(self, number):
        accessor = self.json["accessors"][number]
        values = np.frombuffer(self.view(accessor["bufferView"]), KIND[accessor["componentType"]])
        return values.reshape(accessor["count"], WIDTH[accessor["type"]])

    @property
    def primitive(self):
        return self.json["meshes"][0]["primitives"][0]

    def attribute(self, name):
        return self.array(self.primitive["attributes"][name])


def test_the_asset_tells_who_made_it_and_carries_the_extras():
    extras = {"seed": 7, "engine": "hull", "licence": "Apache-2.0"}

    glb = Glb(encode(marked(), None, ExportRecipe(), extras))

    assert glb.json["asset"] == {"version": "2.0", "generator": f"fourview {fourview.__version__}", "extras": extras}


def test_the_surface_is_matte_and_seen_from_outside_only():
    (material,) = Glb(encode(marked(), painted(), ExportRecipe())).json["materials"]

    assert material["doubleSided"] is False
    assert material["pbrMetallicRoughness"]["metallicFactor"] == 0
    assert 0.9 <= material["pbrMetallicRoughness"]["roughnessFactor"] <= 1


@pytest.mark.parametrize("texture_format", ["png", "webp"])
def test_the_embedded_picture_is_the_texture_to_the_last_code(texture_format):
    glb = Glb(encode(marked(), painted(), ExportRecipe(texture_format=texture_format)))

    image = glb.json["images"][0]
    pixels = np.asarray(Image.open(io.BytesIO(glb.view(image["bufferView"]))))

    assert image["mimeType"] == f"image/{texture_format}"
    np.testing.assert_array_equal(pixels, srgb_from_linear(painted().albedo))
    np.testing.assert_allclose(glb.attribute("TEXCOORD_0"), marked().uv * [1, -1] + [0, 1], atol=1e-6)


def test_normals_are_unit_and_the_same_on_both_sides_of_a_seam():
    glb = Glb(encode(marked(), painted(), ExportRecipe()))

    normals, positions = glb.attribute("NORMAL"), glb.attribute("POSITION")
    _, vertex = merge_vertices(Mesh(positions, marked().faces))

    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    assert len(np.unique(np.c_[vertex, normals], axis=0)) == len(np.unique(vertex)) < len(vertex)


def test_a_model_without_texture_has_one_vertex_a_position_and_no_uv():
    glb = Glb(encode(marked(), None, ExportRecipe()))

    assert set(glb.primitive["attributes"]) == {"POSITION", "NORMAL"}
    assert len(glb.attribute("POSITION")) == len(np.unique(marked().vertices, axis=0))


@pytest.mark.parametrize(("vertices", "kind"), [(65535, 5123), (65536, 5125)])
def test_indices_are_as_short_as_they_can_be(vertices, kind):
    fan = np.stack([np.arange(vertices), np.arange(vertices) % 2, np.arange(vertices) % 3], axis=1).astype(np.float32)
    faces = np.stack([np.zeros(vertices - 2), np.arange(1, vertices - 1), np.arange(2, vertices)], axis=1)

    glb = Glb(encode(Mesh(fan, faces.astype(np.int32)), None, ExportRecipe()))

    assert glb.json["accessors"][glb.primitive["indices"]]["componentType"] == kind
    assert glb.array(glb.primitive["indices"]).max() == vertices - 1
