# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""glTF of other programs: shape, colours and pictures come in as the specification says, or are named."""

import base64
import json
import subprocess
import sys

import numpy as np
import pytest
import trimesh
from formats.foreign import Gltf, codes, cube, differs, letter, png, seen, zipped
from PIL import Image

from fourview.errors import MeshError
from fourview.formats.read import read_mesh

NEAR = 4  # of 255: how far a picture may be from what it should show
FAR = 20  # ... and is from another letter, at least


def glb(made):
    return read_mesh(made.glb(), "glb")


def extent(model):
    return np.ptp(model.mesh.vertices, axis=0)


def with_picture(image=None, info=(), attributes=(), uv=True, **material):
    """A cube with a picture."""
    made = Gltf()
    texture = made.texture(image or letter("F"))
    made.show(made.cube(made.material(texture, info, **material), attributes, uv))
    return made


# Pictures


def test_parts_keep_the_pictures_of_their_materials():
    made = Gltf()
    vertices, uv, faces = cube()
    shared = {"POSITION": made.array(vertices), "TEXCOORD_0": made.array(uv)}
    for text, part in (("A", faces[:4]), ("B", faces[4:])):
        material = made.material(made.texture(letter(text)))
        made.show({"attributes": shared, "indices": made.array(part.ravel()), "material": material})

    model = glb(made)

    assert differs(seen(model, "front"), letter("A")) < NEAR
    assert differs(seen(model, "right"), letter("B")) < NEAR
    assert differs(seen(model, "right"), letter("A")) > FAR
    assert codes(model) == []


def test_a_texture_transform_shows_its_part_of_an_atlas():
    atlas = Image.new("RGB", (256, 256))
    for number, text in enumerate("ABCD"):
        atlas.paste(letter(text), (128 * (number % 2), 128 * (number // 2)))
    transform = {"KHR_texture_transform": {"offset": [0.5, 0], "scale": [0.5, 0.5]}}
    made = with_picture(atlas, {"extensions": transform})
    made.require("KHR_texture_transform")

    assert differs(seen(glb(made)), letter("B")) < NEAR


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_texture_transform_turns_the_coordinates_against_the_clock(turns):
    # Coordinates turn against the clock around the top left, so the picture turns with it.
    made = with_picture(info={"extensions": {"KHR_texture_transform": {"rotation": turns * np.pi / 2}}})

    assert differs(seen(glb(made)), letter("F").rotate(-90 * turns)) < NEAR


def test_a_transform_may_name_another_set_of_coordinates_than_the_texture():
    made = Gltf()
    vertices, uv, faces = cube()
    info = {"texCoord": 0, "extensions": {"KHR_texture_transform": {"texCoord": 2}}}
    material = made.material(made.texture(letter("F")), info)
    attributes = {"POSITION": made.array(vertices), "TEXCOORD_0": made.array(uv * 0), "TEXCOORD_2": made.array(uv)}
    made.show({"attributes": attributes, "indices": made.array(faces.ravel()), "material": material})

    model = glb(made)

    assert differs(seen(model), letter("F")) < NEAR
    assert codes(model) == ["texture_coordinates_dropped"]


def test_a_picture_lies_on_the_set_of_coordinates_that_its_material_names():
    made = with_picture(info={"texCoord": 1}, uv=False)
    primitive = made.tree["meshes"][0]["primitives"][0]
    _, uv, _ = cube()
    primitive["attributes"] |= {"TEXCOORD_0": made.array(uv * 0.02), "TEXCOORD_1": made.array(uv)}

    assert differs(seen(glb(made)), letter("F")) < NEAR


def test_picture_factor_and_colours_of_vertices_multiply():
    made = with_picture(Image.new("RGB", (8, 8), (188, 188, 188)), surface={"baseColorFactor": [1, 0.5, 0.25, 1]})
    colours = np.tile(np.array([[1, 1, 0.5, 1]], "f4"), (24, 1))
    colours[:4] = [0.5, 1, 1, 1]  # the front
    made.tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"] = made.array(colours)

    model = glb(made)

    grey = ((188 / 255 + 0.055) / 1.055) ** 2.4
    weight = np.full((2, 3), 1 / 3)
    front, right = model.light(np.array([0, 4]), weight)
    np.testing.assert_allclose(front, [grey * 0.5, grey * 0.5, grey * 0.25], atol=1e-3)
    np.testing.assert_allclose(right, [grey, grey * 0.5, grey * 0.125], atol=1e-3)


@pytest.mark.parametrize(
    ("wrap", "shown"),
    [
        (10497, letter("F")),
        (33648, letter("F").transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        (33071, Image.new("RGB", (8, 8), (20, 20, 20))),  # the last column of the picture, which is plain here
    ],
)
def test_beyond_its_border_a_picture_repeats_is_mirrored_or_goes_on(wrap, shown):
    picture = letter("F")
    if wrap == 33071:
        picture.paste((20, 20, 20), (120, 0, 128, 128))
    made = Gltf()
    sampler = made.put("samplers", {"wrapS": wrap, "wrapT": 10497})
    vertices, uv, faces = cube()
    attributes = {"POSITION": made.array(vertices), "TEXCOORD_0": made.array(uv + np.array([1, 3], "f4"))}
    material = made.material(made.texture(picture, sampler=sampler))
    made.show({"attributes": attributes, "indices": made.array(faces.ravel()), "material": material})

    assert differs(seen(glb(made)), shown) < NEAR


def test_texels_that_a_mask_hides_do_not_bleed():
    leaf = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    leaf.paste((30, 150, 40, 255), (20, 20, 44, 44))

    model = glb(with_picture(leaf, alphaMode="MASK"))

    assert codes(model) == ["alpha_dropped"]
    assert "12 faces" in model.notices[0].message
    np.testing.assert_allclose(seen(model).reshape(-1, 3), np.tile([30, 150, 40], (128 * 128, 1)), atol=2)


@pytest.mark.parametrize(
    ("picture", "material", "warned"),
    [
        (Image.new("RGBA", (8, 8), (90, 90, 90, 90)), {}, []),  # glTF's default is opaque, whatever the picture holds
        (Image.new("RGBA", (8, 8), (90, 90, 90, 255)), {"alphaMode": "BLEND"}, []),
        (Image.new("RGBA", (8, 8), (90, 90, 90, 128)), {"alphaMode": "BLEND"}, ["alpha_dropped"]),
        (letter("F"), {"alphaMode": "BLEND", "surface": {"baseColorFactor": [1, 1, 1, 0.4]}}, ["alpha_dropped"]),
        (letter("F"), {"extensions": {"KHR_materials_transmission": {"transmissionFactor": 0.9}}}, ["alpha_dropped"]),
        (letter("F"), {"normalTexture": {"index": 0}}, ["material_maps_dropped"]),
        (letter("F"), {"extensions": {"KHR_materials_unlit": {}}}, []),
    ],
)
def test_what_of_a_material_is_left_out_is_a_warning(picture, material, warned):
    assert codes(glb(with_picture(picture, **material))) == warned


def test_specular_and_gloss_have_a_colour_of_their_own():
    made = Gltf()
    texture = made.texture(letter("F"))
    glossy = {"diffuseTexture": {"index": texture}, "diffuseFactor": [1, 1, 1, 1]}
    made.show(made.cube(made.material(extensions={"KHR_materials_pbrSpecularGlossiness": glossy})))
    made.require("KHR_materials_pbrSpecularGlossiness")

    assert differs(seen(glb(made)), letter("F")) < NEAR


def test_what_is_black_but_for_its_glow_shows_its_glow():
    made = Gltf()
    glow = {"emissiveTexture": {"index": made.texture(letter("F"))}, "emissiveFactor": [1, 1, 1]}
    made.show(made.cube(made.material(surface={"baseColorFactor": [0, 0, 0, 1]}, **glow)))

    assert differs(seen(glb(made)), letter("F")) < NEAR


def test_a_grey_picture_of_16_bits_is_not_white():
    deep = Image.fromarray(np.full((8, 8), 100 * 257, np.uint16))

    assert abs(seen(glb(with_picture(deep))).astype(int) - 100).max() <= 1


@pytest.mark.parametrize("data", [b"no picture", png(letter("F"))[:60]], ids=["foreign", "cut off"])
def test_a_picture_that_cannot_be_read_is_a_warning_with_its_faces(data):
    made = Gltf()
    made.show(made.cube(made.material(made.texture(data), surface={"baseColorFactor": [1, 0, 0, 1]})))

    model = glb(made)

    assert "picture_missing" in codes(model)
    assert "12 faces" in model.notices[0].message
    assert (seen(model) == [255, 0, 0]).all()


def test_a_picture_of_a_kind_that_is_not_read_falls_back_to_the_plain_one():
    made = Gltf()
    plain = made.texture(letter("F"))
    packed = made.put("images", {"bufferView": made.view(b"\xabKTX 20\xbb"), "mimeType": "image/ktx2"})
    made.tree["textures"][plain]["extensions"] = {"KHR_texture_basisu": {"source": packed}}
    made.show(made.cube(made.material(plain)))

    assert differs(seen(glb(made)), letter("F")) < NEAR


def test_the_commands_show_all_pictures_and_warn_of_what_is_left_out(tmp_path):
    made = Gltf()
    for number, colour in enumerate(("red", "blue")):
        material = made.material(made.texture(Image.new("RGB", (8, 8), colour)), normalTexture={"index": 0})
        made.show(made.cube(material), translation=[2 * number, 0, 0])
    (tmp_path / "m.glb").write_bytes(made.glb())

    commands = [["inspect", "m.glb"], ["render", "m.glb", "-o", "m.png"]]
    printed = [
        subprocess.run([sys.executable, "-m", "fourview", *each], capture_output=True, text=True, cwd=tmp_path).stderr
        for each in commands
    ]

    assert all("warning: material_maps_dropped: 2 materials" in each for each in printed)
    with Image.open(tmp_path / "m.png") as sheet:
        red, green, blue = np.asarray(sheet.convert("RGB")).reshape(-1, 3).astype(int).T
    assert ((red > 100) & (blue < 40) & (green < 40)).sum() > 1000
    assert ((blue > 100) & (red < 40) & (green < 40)).sum() > 1000


# Colours of vertices


@pytest.mark.parametrize(("kind", "full"), [("u1", 255), ("u2", 65535), ("f4", 1)])
@pytest.mark.parametrize("width", [3, 4])
def test_colours_of_vertices_are_linear_whatever_their_numbers(kind, full, width):
    light = np.array([0.2, 0.05, 0.5, 1][:width])
    stored = np.tile((light * full).round(0 if kind != "f4" else 9), (24, 1)).astype(kind)
    stride = -(-width * stored.itemsize // 4) * 4
    made = Gltf()
    made.show(made.cube(attributes={"COLOR_0": made.array(stored, stride, normalized=kind != "f4")}))

    np.testing.assert_allclose(glb(made).colours, np.tile(light[:3], (24, 1)), atol=2e-3)


def test_parts_without_a_colour_among_parts_with_one_are_white():
    made = Gltf()
    made.show(made.cube(made.material(surface={"baseColorFactor": [1, 0, 0, 1]})))
    made.show(made.cube(), translation=[3, 0, 0])

    colours = glb(made).colours

    assert (colours[:24] == [1, 0, 0]).all()
    assert (colours[24:] == 1).all()


# Shapes


@pytest.mark.parametrize(
    ("kind", "full", "normalised", "scale"),
    [("i2", 32767, True, 0.5), ("i1", 127, True, 0.5), ("i2", 32767, False, 0.5 / 32767), ("u2", 1000, False, 1e-3)],
)
def test_quantised_numbers_have_the_size_that_was_meant(kind, full, normalised, scale):
    vertices, uv, faces = cube()
    stored = vertices + 0.5 if kind == "u2" else vertices * 2
    made = Gltf()
    position = made.array(np.round(stored * full).astype(kind), 8, normalized=normalised)
    coordinates = made.array(np.round(uv * 65535).astype("u2"), normalized=True)
    material = made.material(made.texture(letter("F")))
    made.show(
        {"attributes": {"POSITION": position, "TEXCOORD_0": coordinates}, "indices": made.array(faces.ravel()),
         "material": material}, scale=[scale] * 3,
    )  # fmt: skip
    made.require("KHR_mesh_quantization")

    model = glb(made)

    np.testing.assert_allclose(extent(model), 1, atol=1e-3)
    assert differs(seen(model), letter("F")) < NEAR


def test_attributes_may_lie_between_each_other():
    vertices, uv, faces = cube()
    made = Gltf()
    rows = np.zeros(24, [("pad", "f4"), ("position", "f4", 3), ("uv", "f4", 2)])
    rows["position"], rows["uv"] = vertices, uv
    view = made.view(rows.tobytes(), byteStride=24)
    position, coordinates = (
        made.put("accessors", {"bufferView": view, "byteOffset": at, "componentType": 5126, "count": 24, "type": kind})
        for at, kind in ((4, "VEC3"), (16, "VEC2"))
    )
    attributes = {"POSITION": position, "TEXCOORD_0": coordinates}
    material = made.material(made.texture(letter("F")))
    made.show({"attributes": attributes, "indices": made.array(faces.ravel()), "material": material})

    model = glb(made)

    np.testing.assert_allclose(model.mesh.vertices, vertices)
    assert differs(seen(model), letter("F")) < NEAR


def test_what_is_hidden_is_not_shown():
    made = Gltf()
    made.show(made.cube())
    below = made.show(made.cube(), translation=[9, 0, 0])
    above = made.put("nodes", {"children": [below], "extensions": {"KHR_node_visibility": {"visible": False}}})
    made.tree["scenes"][0]["nodes"] = [0, above]
    made.require("KHR_node_visibility")

    assert len(glb(made).mesh.faces) == 12


@pytest.mark.parametrize("has_base", [True, False])
def test_sparse_numbers_stand_in_for_those_below(has_base):
    vertices, _, faces = cube()
    made = Gltf()
    moved = vertices + (np.float32([0, 1, 0]) if not has_base else np.where(vertices[:, 1:2] > 0, [0, 1, 0], 0))
    at = np.flatnonzero((moved != vertices).any(axis=1)) if has_base else np.arange(24)
    position = made.array(vertices)
    made.tree["accessors"][position]["sparse"] = {
        "count": len(at),
        "indices": {"bufferView": made.view(at.astype("u2").tobytes()), "componentType": 5123},
        "values": {"bufferView": made.view(moved[at].astype("f4").tobytes())},
    }
    if not has_base:
        del made.tree["accessors"][position]["bufferView"]
    made.show({"attributes": {"POSITION": position}, "indices": made.array(faces.ravel())})

    np.testing.assert_allclose(glb(made).mesh.vertices, moved, atol=1e-6)


def skinned(joints, weights, *matrices, inverse=None):
    """A cube on joints; its own node scales by 7, which must not count."""
    made = Gltf()
    attributes = {"JOINTS_0": made.array(joints), "WEIGHTS_0": made.array(weights)}
    numbers = [made.put("nodes", {"matrix": np.asarray(m, float).T.ravel().tolist()}) for m in matrices]
    made.tree["scenes"][0]["nodes"] += numbers
    skin = {"joints": numbers}
    if inverse is not None:
        skin["inverseBindMatrices"] = made.array(np.stack([m.T.ravel() for m in inverse]).astype("f4"))
    made.show(made.cube(attributes=attributes), skin=made.put("skins", skin), scale=[7, 7, 7])
    return made


def test_a_skinned_mesh_stands_where_its_joints_are():
    joints, weights = np.zeros((24, 4), "u1"), np.tile(np.array([[1, 0, 0, 0]], "f4"), (24, 1))

    assert extent(glb(skinned(joints, weights, np.diag([2, 3, 1, 1])))) == pytest.approx([2, 3, 1])
    still = skinned(joints, weights, np.diag([2, 3, 1, 1]), inverse=[np.diag([0.5, 1 / 3, 1, 1])])
    assert extent(glb(still)) == pytest.approx([1, 1, 1])


def test_joints_may_stand_beside_the_scene():
    joints, weights = np.zeros((24, 4), "u1"), np.tile(np.array([[1, 0, 0, 0]], "f4"), (24, 1))
    made = skinned(joints, weights, np.diag([2, 3, 1, 1]))
    made.tree["scenes"][0]["nodes"].remove(0)

    assert extent(glb(made)) == pytest.approx([2, 3, 1])


def test_a_vertex_between_two_joints_goes_half_with_each():
    vertices, _, _ = cube()
    top = vertices[:, 1] > 0
    joints = np.tile(np.array([[0, 1, 0, 0]], "u2"), (24, 1))
    weights = np.where(top[:, None], [128, 127, 0, 0], [255, 0, 0, 0]).astype("u1")
    up = np.eye(4)
    up[1, 3] = 2
    made = skinned(joints, weights, np.eye(4), up)

    assert extent(glb(made)) == pytest.approx([1, 1 + 2 * 127 / 255, 1], abs=1e-5)


def test_a_mirroring_joint_leaves_the_outside_out():
    joints, weights = np.zeros((24, 4), "u1"), np.tile(np.array([[1, 0, 0, 0]], "f4"), (24, 1))
    mesh = glb(skinned(joints, weights, np.diag([-1, 1, 1, 1]))).mesh

    assert trimesh.Trimesh(mesh.vertices, mesh.faces).volume == pytest.approx(1)


@pytest.mark.parametrize("is_indexed", [True, False])
def test_strips_and_fans_become_triangles_that_face_one_way(is_indexed):
    made = Gltf()
    strip = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 2, 0]], "f4")
    fan = np.array([[2, 0, 0], [3, 0, 0], [3, 1, 0], [2, 1, 0]], "f4")
    for mode, corners in ((5, strip), (6, fan)):
        indices = {"indices": made.array(np.arange(len(corners), dtype="u1"))} if is_indexed else {}
        made.show({"attributes": {"POSITION": made.array(corners)}, "mode": mode} | indices)

    mesh = glb(made).mesh

    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert np.cross(b - a, c - a)[:, 2] / 2 == pytest.approx([0.5] * 5)


def test_the_turns_of_a_strip_have_no_faces_and_points_are_a_warning():
    made = Gltf()
    corners = made.array(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [4, 0, 0], [5, 0, 0], [4, 1, 0]], "f4"))
    strip = made.array(np.array([0, 1, 2, 2, 3, 3, 4, 5], "u2"))
    made.show({"attributes": {"POSITION": corners}, "indices": strip, "mode": 5})
    made.show({"attributes": {"POSITION": corners}, "mode": 0})

    model = glb(made)

    assert len(model.mesh.faces) == 2
    assert codes(model) == ["points_and_lines_dropped"]


def test_morph_targets_count_as_their_weights_say():
    made = Gltf()
    vertices, _, _ = cube()
    up, wide = (made.array((vertices * axis).astype("f4")) for axis in ([0, 1, 0], [1, 0, 0]))
    primitive = made.cube(targets=[{"POSITION": up}, {"POSITION": wide}])
    made.show(primitive, mesh={"weights": [0.5, 0]})
    made.show(primitive, weights=[0, 2], translation=[10, 0, 0])

    model = glb(made)

    first = model.mesh.vertices[:, 0] < 5
    assert np.ptp(model.mesh.vertices[first], axis=0) == pytest.approx([1, 1.5, 1])
    assert np.ptp(model.mesh.vertices[~first], axis=0) == pytest.approx([3, 1, 1])
    assert codes(model) == ["morph_targets_dropped"]


def test_instances_stand_where_they_should():
    made = Gltf()
    quarter = np.sqrt(0.5)
    attributes = {
        "TRANSLATION": made.array(np.array([[0, 0, 0], [10, 0, 0]], "f4")),
        "ROTATION": made.array(np.array([[0, 0, 0, 1], [0, 0, quarter, quarter]], "f4")),
        "SCALE": made.array(np.array([[1, 1, 1], [1, 4, 1]], "f4")),
    }
    made.show(made.cube(), extensions={"EXT_mesh_gpu_instancing": {"attributes": attributes}}, scale=[1, 2, 1])
    made.require("EXT_mesh_gpu_instancing")

    vertices = glb(made).mesh.vertices

    assert np.ptp(vertices[:24], axis=0) == pytest.approx([1, 2, 1])
    assert np.ptp(vertices[24:], axis=0) == pytest.approx([4, 2, 1], abs=1e-5)  # turned onto its side, then scaled by 2


def test_more_instances_than_can_be_read_are_refused_before_they_are_made():
    made = Gltf()
    many = made.put("accessors", {"componentType": 5126, "count": 9000, "type": "VEC3"})
    for _ in range(2):
        made.show(made.cube(), extensions={"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": many}}})

    with pytest.raises(MeshError, match="has 18000 parts"):
        glb(made)


def test_only_the_scene_that_the_file_names_is_shown():
    made = Gltf()
    made.show(made.cube())
    made.show(made.cube(), scale=[5, 5, 5])
    made.tree["scenes"] = [{"nodes": [1]}, {"nodes": [0]}]
    made.tree["scene"] = 1
    made.tree["animations"] = [{}, {}]

    model = glb(made)

    assert extent(model) == pytest.approx([1, 1, 1])
    assert codes(model) == ["scenes_dropped", "animations_dropped"]
    assert "2 animations" in model.notices[1].message


def test_nodes_stand_as_another_reader_puts_them():
    random = np.random.default_rng(5)
    made = Gltf()
    above = made.put("nodes", {"rotation": [0.5, -0.5, 0.5, 0.5], "scale": [1, 2, 3], "translation": [1, 2, 3]})
    turn = random.random(4)
    below = made.show(made.cube(), rotation=(turn / np.linalg.norm(turn)).tolist(), translation=[5, 0, 0])
    made.tree["nodes"][above]["children"] = [below]
    made.tree["scenes"][0]["nodes"] = [above]

    theirs = trimesh.load_scene(trimesh.util.wrap_as_stream(made.glb()), file_type="glb", process=False).to_mesh()

    np.testing.assert_allclose(glb(made).mesh.vertices, theirs.vertices, atol=1e-5)


# Files


def test_a_gltf_may_hold_its_bytes_as_data_addresses():
    made = with_picture()
    made.glb()
    made.tree["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(made.blob).decode()
    made.tree["images"][0] = {"uri": "data:image/png;base64," + base64.b64encode(png(letter("F"))).decode()}

    model = read_mesh(json.dumps(made.tree).encode(), "gltf")

    assert differs(seen(model), letter("F")) < NEAR


def in_files():
    """The three files of a glTF."""
    made = with_picture()
    made.glb()
    made.tree["buffers"][0]["uri"] = "the%20shape.bin"
    made.tree["images"][0] = {"uri": "maps/F.png"}
    return {"a.gltf": json.dumps(made.tree).encode(), "the shape.bin": bytes(made.blob), "maps/F.png": png(letter("F"))}


@pytest.mark.parametrize("folder", ["", "export/model/"])
def test_a_zip_may_hold_a_gltf_with_its_files(folder):
    model = read_mesh(zipped(**{folder + name: data for name, data in in_files().items()}))

    assert differs(seen(model), letter("F")) < NEAR


def test_a_gltf_without_its_shape_names_the_file_that_is_missing():
    with pytest.raises(MeshError, match=r"'the shape\.bin', which did not come with it: send a GLB, or a zip"):
        read_mesh(in_files()["a.gltf"], "gltf")


def test_a_gltf_without_its_picture_comes_in_plain_and_says_so():
    files = in_files()
    del files["maps/F.png"]

    model = read_mesh(zipped(**files))

    assert codes(model) == ["picture_missing"]
    assert "maps/F.png" in model.notices[0].message


# What is packed, required, or broken


def dracoed():
    """A cube packed with Draco, and its positions."""
    draco = pytest.importorskip("DracoPy")
    vertices, uv, faces = cube()
    more = {"tex_coord": uv.astype(float), "generic_attributes": {9: np.full((24, 3), 65535, "u2")}}
    data = draco.encode(vertices, faces.astype("u4"), quantization_bits=16, **more)
    held = {each["attribute_type"]: each["unique_id"] for each in draco.decode(data).attributes}
    made = Gltf()
    packed = {"bufferView": made.view(data), "attributes": {"POSITION": held[0], "TEXCOORD_0": held[3], "COLOR_0": 9}}
    attributes = {
        "POSITION": made.put("accessors", {"componentType": 5126, "count": 24, "type": "VEC3"}),
        "TEXCOORD_0": made.put("accessors", {"componentType": 5126, "count": 24, "type": "VEC2"}),
        "COLOR_0": made.put("accessors", {"componentType": 5123, "count": 24, "type": "VEC3", "normalized": True}),
    }
    indices = made.put("accessors", {"componentType": 5123, "count": 36, "type": "SCALAR"})
    material = made.material(made.texture(letter("F")))
    made.show({"attributes": attributes, "indices": indices, "material": material,
               "extensions": {"KHR_draco_mesh_compression": packed}})  # fmt: skip
    made.require("KHR_draco_mesh_compression")
    return made


def meshopted():
    """A cube whose views are packed with meshopt, as gltfpack does."""
    meshopt = pytest.importorskip("meshopt")
    vertices, uv, faces = cube()
    made = Gltf()
    arrays = {}
    for name, values, mode in (("POSITION", vertices, "ATTRIBUTES"), ("TEXCOORD_0", uv, "ATTRIBUTES"),
                               ("indices", faces.astype("u4"), "TRIANGLES")):  # fmt: skip
        data = meshopt.encode_gltf_buffer(values.ravel() if mode == "TRIANGLES" else values, mode)
        start = made.tree.get("bufferViews", [])
        start = sum(view["byteLength"] for view in start)
        size = values.shape[1] * 4 if mode == "ATTRIBUTES" else 4
        count = len(values) if mode == "ATTRIBUTES" else values.size
        made.blob += b"\0" * (-len(made.blob) % 4)
        packed = {"buffer": 0, "byteOffset": len(made.blob), "byteLength": len(data), "byteStride": size,
                "count": count, "mode": mode}  # fmt: skip
        made.blob += data
        view = made.put("bufferViews", {"buffer": 1, "byteOffset": start, "byteLength": size * count,
                                        "extensions": {"EXT_meshopt_compression": packed}})  # fmt: skip
        kind = {"ATTRIBUTES": 5126, "TRIANGLES": 5125}[mode]
        width = {12: "VEC3", 8: "VEC2", 4: "SCALAR"}[size]
        arrays[name] = made.put("accessors", {"bufferView": view, "componentType": kind, "count": count, "type": width})
    indices = arrays.pop("indices")
    made.show({"attributes": arrays, "indices": indices, "material": made.material(made.texture(letter("F")))})
    made.require("EXT_meshopt_compression")
    return made


@pytest.mark.parametrize("make", [dracoed, meshopted])
def test_a_packed_mesh_is_unpacked(make):
    model = glb(make())

    assert extent(model) == pytest.approx([1, 1, 1], abs=1e-3)
    assert trimesh.Trimesh(model.mesh.vertices, model.mesh.faces).volume == pytest.approx(1, abs=1e-3)
    assert differs(seen(model), letter("F")) < 2 * NEAR  # Draco rounds texture coordinates


@pytest.mark.parametrize(
    ("make", "module", "name"),
    [(dracoed, "DracoPy", "KHR_draco_mesh_compression"), (meshopted, "meshopt", "EXT_meshopt_compression")],
)
def test_without_its_decoder_a_packed_mesh_is_refused_by_name(monkeypatch, make, module, name):
    data = make().glb()
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(MeshError, match=rf"{name}.*pip install .*\[gltf\]"):
        read_mesh(data, "glb")


@pytest.mark.parametrize("make", [dracoed, meshopted])
def test_a_damaged_packed_mesh_is_refused_in_one_line_and_nothing_else_is_printed(make, tmp_path):
    made = make()
    view = made.tree["bufferViews"][0]
    packed = view.get("extensions", {}).get("EXT_meshopt_compression", view)
    start = packed["byteOffset"]
    made.blob[start + 6 : start + packed["byteLength"]] = bytes(packed["byteLength"] - 6)
    (tmp_path / "broken.glb").write_bytes(made.glb())

    command = [sys.executable, "-m", "fourview", "inspect", str(tmp_path / "broken.glb")]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert made.tree["extensionsRequired"][0] in done.stderr


def test_an_extension_that_is_required_and_not_read_is_named():
    made = with_picture()
    made.require("KHR_texture_transform", "VENDOR_strange_shapes")

    with pytest.raises(MeshError, match="requires VENDOR_strange_shapes, which is not read: export it again"):
        glb(made)


def test_gltf_of_the_first_version_is_named():
    made = with_picture()
    made.tree["asset"]["version"] = "1.0"

    with pytest.raises(MeshError, match=r"glTF 1\.0; glTF 2 is read"):
        glb(made)


def ring(made):
    made.tree["nodes"][0]["children"] = [0]


def lost_bytes(made):
    made.tree["bufferViews"][0]["byteLength"] = 10**9


def lost_rows(made):
    made.tree["accessors"][0]["count"] = 1000


def lost_joint(made):
    made.tree["skins"] = [{"joints": [0]}]
    made.tree["nodes"][0]["skin"] = 0
    primitive = made.tree["meshes"][0]["primitives"][0]
    primitive["attributes"] |= {
        "JOINTS_0": made.array(np.full((24, 4), 9, "u1")),
        "WEIGHTS_0": made.array(np.ones((24, 4), "f4")),
    }


@pytest.mark.parametrize("spoil", [ring, lost_bytes, lost_rows, lost_joint])
def test_a_broken_tree_is_refused_in_one_line(spoil):
    made = with_picture()
    spoil(made)

    with pytest.raises(MeshError, match=r"cannot be read as glb .*: export it again as GLB, OBJ, PLY or STL"):
        glb(made)
