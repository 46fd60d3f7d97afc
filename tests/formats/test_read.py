# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import io
import json
import resource
import struct
import subprocess
import sys
import zipfile

import numpy as np
import PIL.Image
import pytest
import trimesh
from formats.marked import CODES, HIGH, LOW, SIGNS, corners, is_closed, marked, painted

from fourview.errors import MeshError
from fourview.formats import read
from fourview.formats.read import read_mesh
from fourview.formats.write import encode, save
from fourview.recipe import ExportRecipe
from fourview.texture.texture import srgb_from_linear

MIDDLE = (LOW + HIGH) / 2


def as_it_is(file_type, **more):
    """A recipe under which a file holds the very numbers of `marked`, around its middle."""
    return ExportRecipe(file_type=file_type, height_m=(HIGH - LOW)[1], **more)


@pytest.mark.parametrize("file_type", ["glb", "obj", "ply", "stl"])
@pytest.mark.parametrize("texture", [painted(), None], ids=["painted", "plain"])
def test_every_format_brings_back_the_same_triangles_closed(file_type, texture):
    read = read_mesh(encode(marked(), texture, as_it_is(file_type)), file_type).mesh

    unit = 1000 if file_type == "stl" else 1
    np.testing.assert_allclose(corners(read) / unit, corners(marked()) - MIDDLE, atol=1e-6)
    assert is_closed(read.vertices, read.faces)


@pytest.mark.parametrize("file_type", ["glb", "obj"])
def test_texture_formats_bring_back_uv_and_picture(file_type):
    read = read_mesh(encode(marked(), painted(), as_it_is(file_type)), file_type)

    np.testing.assert_allclose(read.mesh.uv[read.mesh.faces], marked().uv[marked().faces], atol=1e-6)
    np.testing.assert_array_equal(srgb_from_linear(read.texture.albedo), srgb_from_linear(painted().albedo))


def test_ply_brings_back_the_colour_of_every_octant():
    read = read_mesh(encode(marked(), painted(), as_it_is("ply")), "ply")

    position = read.mesh.vertices + MIDDLE
    codes = srgb_from_linear(read.colours)
    for sign, code in zip(SIGNS, CODES, strict=True):
        inside = (position * sign > 0.01).all(axis=1)  # vertices on a seam belong to several octants
        assert inside.any()
        np.testing.assert_array_equal(codes[inside], np.broadcast_to(code, codes[inside].shape))


@pytest.mark.parametrize("up", ["y", "z"])
def test_the_up_axis_that_was_written_can_be_read_back(up):
    data = encode(marked(), None, as_it_is("ply", up=up))

    read = read_mesh(data, "ply", up=up).mesh

    np.testing.assert_allclose(corners(read), corners(marked()) - MIDDLE, atol=1e-6)


def test_an_obj_on_the_disk_finds_its_picture(tmp_path):
    path = tmp_path / "my robot.obj"
    save(path, encode(marked(), painted(), as_it_is("obj")))

    read = read_mesh(path)

    np.testing.assert_array_equal(srgb_from_linear(read.texture.albedo), srgb_from_linear(painted().albedo))


def test_a_foreign_scene_comes_in_with_its_places_and_colours_kept():
    one = trimesh.creation.box((1, 1, 1))
    one.visual.vertex_colors = [255, 0, 0, 255]
    other = trimesh.creation.box((1, 1, 1))
    scene = trimesh.Scene()
    scene.add_geometry(one, transform=trimesh.transformations.translation_matrix([5, 0, 0]))
    scene.add_geometry(other, transform=trimesh.transformations.scale_matrix(2))

    read = read_mesh(scene.export(file_type="glb"), "glb")

    assert len(read.mesh.faces) == 24
    np.testing.assert_allclose(read.mesh.vertices.max(axis=0), [5.5, 1, 1])
    is_one = read.mesh.vertices[:, 0] > 4
    np.testing.assert_array_equal(read.colours[is_one], np.broadcast_to([1, 0, 0], (is_one.sum(), 3)))
    assert (read.colours[~is_one] == read.colours[~is_one][0]).all()


def test_a_gltf_finds_the_files_beside_it(tmp_path):
    for name, data in trimesh.Scene(trimesh.creation.box((1, 2, 3))).export(file_type="gltf").items():
        (tmp_path / name).write_bytes(data)

    read = read_mesh(tmp_path / "model.gltf").mesh

    np.testing.assert_allclose(np.ptp(read.vertices, axis=0), [1, 2, 3])


def test_text_stl_and_polygons_with_many_corners_are_read():
    stl = trimesh.creation.box((1, 2, 3)).export(file_type="stl_ascii").encode()
    obj = b"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n"

    assert len(read_mesh(stl, "stl").mesh.faces) == 12
    assert len(read_mesh(obj, "obj").mesh.faces) == 2


def nan_ply():
    broken = marked()
    vertices = broken.vertices.copy()
    vertices[3] = np.nan
    return trimesh.Trimesh(vertices, broken.faces, process=False).export(file_type="ply")


@pytest.mark.parametrize(("data", "file_type", "said"), [
    (b"", "glb", "cannot be read as glb"),
    (b"glTF" + bytes(40), "glb", "cannot be read as glb"),
    (encode(marked(), painted(), ExportRecipe())[:3000], "glb", "cannot be read as glb"),
    (b"PK\3\4 no archive", "obj", "cannot be read as zip"),
    (b"solid nothing\nendsolid", "stl", "holds no triangles"),
    (b"# empty\n", "obj", "holds no triangles"),
    (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "obj", "obj"),
    (b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
     b"end_header\n0 0 0\n", "ply", "holds no triangles"),
    (nan_ply(), "ply", "not finite"),
    (b"anything", "fbx", "type 'fbx'"),
])  # fmt: skip
def test_a_file_that_is_no_mesh_is_refused_with_cause_and_cure(data, file_type, said):
    with pytest.raises(MeshError, match=r"export it again as GLB, OBJ, PLY or STL") as refused:
        read_mesh(data, file_type)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def scene_of(triangles, instances):
    """A GLB that holds one mesh once and shows it at so many places."""
    mesh = trimesh.Trimesh(np.random.default_rng(0).random((3 * triangles, 3)), np.arange(3 * triangles).reshape(-1, 3))
    scene = trimesh.Scene()
    scene.add_geometry(mesh, geom_name="one", node_name="node 0")
    for place in range(1, instances):
        scene.graph.update(frame_to=f"node {place}", frame_from=scene.graph.base_frame, geometry="one")
    return scene.export(file_type="glb")


def zip_of(size):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.obj", b"v 0 0 0\n" * (size // 8))
    return out.getvalue()


def painted_with(width, height):
    """A GLB of one triangle with an empty picture of that size."""
    picture = PIL.Image.new("1", (width, height))
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=picture)
    visual = trimesh.visual.TextureVisuals(uv=np.eye(3)[:, :2], material=material)
    return trimesh.Trimesh(np.eye(3), [[0, 1, 2]], visual=visual).export(file_type="glb")


def rewritten(glb, change):
    """The GLB with another head: `change` is given the tree of its JSON."""
    length = int.from_bytes(glb[12:16], "little")
    tree = json.loads(glb[20 : 20 + length])
    change(tree)
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    rest = glb[20 + length :]
    head = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text) + len(rest), len(text), b"JSON")
    return head + text + rest


def with_array(**array):
    """A GLB that also has this array, of which it holds no byte."""
    array = {"componentType": 5126, "type": "MAT4"} | array
    return rewritten(scene_of(1, 1), lambda tree: tree["accessors"].append(array))


def with_shapes(count):
    """A GLB whose one mesh is so many shapes that all name the same arrays."""

    def repeat(tree):
        shape = tree["meshes"][0]["primitives"][0]
        tree["meshes"][0]["primitives"] = [shape] * count

    return rewritten(scene_of(10_000, 1), repeat)


def pictures_of(count, side):
    """A GLB of that many triangles, each with an empty picture of its own."""
    scene = trimesh.Scene()
    for number in range(count):
        material = trimesh.visual.material.PBRMaterial(baseColorTexture=PIL.Image.new("1", (side, side), number % 2))
        material.name = f"picture {number}"
        visual = trimesh.visual.TextureVisuals(uv=np.eye(3)[:, :2], material=material)
        scene.add_geometry(trimesh.Trimesh(np.eye(3), [[0, 1, 2]], visual=visual))
    return scene.export(file_type="glb")


def test_what_macos_puts_beside_the_files_of_a_zip_is_not_read():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("cube.ply", trimesh.creation.box().export(file_type="ply"))
        archive.writestr("__MACOSX/._cube.ply", b"\0\5\x16\7 no mesh")

    assert len(read_mesh(out.getvalue(), file_type="zip").mesh.faces) == 12


def zip_of_files(count):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    return out.getvalue()


@pytest.mark.parametrize(
    ("limit", "value", "make", "file_type", "said"),
    [
        ("FACES_MAX", 4_000_000, lambda: scene_of(20_001, 200), "glb", "has 4000200 faces .* instances included"),
        ("PARTS_MAX", 100, lambda: scene_of(1, 101), "glb", "has 101 parts"),
        ("TEXELS_MAX", 8192**2, lambda: painted_with(9_000, 8_000), "glb", "an image of 9000 x 8000"),
        ("UNZIPPED_MAX", 50_000_000, lambda: zip_of(80_000_000), "zip", "holds 80000000 bytes"),
        ("FILES_MAX", 1000, lambda: zip_of_files(1001), "zip", "holds 1001 files"),
        ("FACES_MAX", 100, lambda: zip_of_files(101), "zip", "has 101 faces"),
        ("NUMBERS_MAX", 1 << 28, lambda: with_array(count=10**12), "glb", "made of 16000000000024 numbers"),
        ("NUMBERS_MAX", 1 << 28, lambda: with_shapes(3000), "glb", "made of 360120000 numbers"),
        ("PARTS_MAX", 10_000, lambda: with_shapes(10_001), "glb", "has 10001 parts"),
        ("TEXELS_SUM_MAX", 3 * 1000**2, lambda: pictures_of(4, 1000), "glb", "4 images of 4000000 texels"),
    ],
)
def test_a_file_that_would_unfold_to_too_much_is_refused_before_it_does(
    monkeypatch, limit, value, make, file_type, said
):
    data = make()
    monkeypatch.setattr(read, limit, value)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(MeshError, match=said):
        read_mesh(data, file_type)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_a_picture_that_many_parts_share_is_unpacked_once():
    picture = PIL.Image.new("RGB", (2048, 2048), (255, 0, 0))
    red = trimesh.visual.material.PBRMaterial(baseColorTexture=picture)
    dark = trimesh.visual.material.PBRMaterial(baseColorTexture=picture, baseColorFactor=[0.5, 0.5, 0.5, 1.0])
    scene = trimesh.Scene()
    for material in (red, dark):
        visual = trimesh.visual.TextureVisuals(uv=np.eye(3)[:, :2], material=material)
        scene.add_geometry(trimesh.Trimesh(np.eye(3), [[0, 1, 2]], visual=visual))
    shapes = []

    def repeat(tree):
        for mesh in tree["meshes"]:
            mesh["primitives"] *= 100
        for material in tree["materials"]:
            material["pbrMetallicRoughness"]["baseColorTexture"]["index"] = 0
        shapes.extend(shape for mesh in tree["meshes"] for shape in mesh["primitives"])

    data = rewritten(scene.export(file_type="glb"), repeat)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = read_mesh(data, "glb")

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB; 200 copies would be 10 GiB
    assert len(model.mesh.faces) == len(shapes) == 200
    assert model.texture is None
    red_there = model.colours[:, 0].reshape(2, 300)
    np.testing.assert_allclose(np.sort(red_there[:, 0]), [0.5, 1], atol=0.01)
    assert (red_there == red_there[:, :1]).all()


def test_what_is_mirrored_stays_turned_outside_out():
    scene = trimesh.Scene()
    scene.add_geometry(trimesh.creation.box((1, 1, 1)), transform=np.diag([-1.0, 1, 1, 1]))

    read = read_mesh(scene.export(file_type="glb"), "glb").mesh

    assert trimesh.Trimesh(read.vertices, read.faces).volume == pytest.approx(1)


def test_a_path_that_leads_nowhere_is_named(tmp_path):
    with pytest.raises(MeshError, match=r"lost\.glb cannot be read \(No such file"):
        read_mesh(tmp_path / "lost.glb")


def test_bytes_without_a_type_are_refused():
    with pytest.raises(MeshError, match="file_type"):
        read_mesh(b"glTF")


def test_reading_needs_nothing_but_the_base_install(tmp_path):
    """The test environment holds scipy and more; here a Python reads all four formats without them."""
    file_types = ["glb", "obj", "ply", "stl"]
    for file_type in file_types:
        save(tmp_path / f"model.{file_type}", encode(marked(), painted(), ExportRecipe(file_type=file_type)))
    lines = """
import sys
for name in ("scipy", "networkx", "shapely", "rtree", "lxml", "requests", "httpx", "jsonschema", "torch", "trimesh"):
    sys.modules[name] = None
from pathlib import Path
from fourview.formats.read import read_mesh
print([len(read_mesh(Path(sys.argv[1], f"model.{file_type}")).mesh.faces) for file_type in sys.argv[2:]])
"""

    command = [sys.executable, "-W", "error", "-c", lines, tmp_path, *file_types]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.stderr == ""
    assert done.stdout.strip() == str([len(marked().faces)] * 4)
