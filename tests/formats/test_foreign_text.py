# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""OBJ, PLY and STL of other programs: their many spellings, their colours, and the warnings where something is lost."""

import itertools
import struct

import numpy as np
import pytest
import trimesh
from formats.foreign import codes, cube, differs, letter, png, seen, zipped
from PIL import Image

from fourview.errors import MeshError
from fourview.formats.read import read_mesh
from fourview.texture.texture import linear_from_srgb

NEAR = 4  # of 255
SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"


def area(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(float) for k in range(3))
    return np.cross(b - a, c - a).sum(axis=0) / 2


def obj(text, **files):
    """An OBJ, in a zip where files come with it."""
    if not files:
        return read_mesh(text.encode(), "obj")
    return read_mesh(zipped(**{"m.obj": text.encode()} | {name: _bytes(file) for name, file in files.items()}))


def _bytes(file):
    return file if isinstance(file, bytes) else png(file) if isinstance(file, Image.Image) else file.encode()


def square(material, uses="usemtl a\n", **files):
    """A square of the material file `material`."""
    return obj(f"mtllib m.mtl\n{SQUARE}{uses}f 1/1 2/2 3/3 4/4\n", **{"m.mtl": material} | files)


# OBJ: corners


@pytest.mark.parametrize("faces", [
    "f 1 2 3\nf 1 3 4",
    "f -4 -3 -2 -1",
    "f 1/1 2/2 3/3 4/4",
    "f 1//1 2//1 3//1\nf -4/-4/-1 3/3/1 4/4/1",
    "f 1/ 2/ 3/ 4/",
    "f 1 2/2 3 4 # mixed",
    "f 1 2 \\\n 3 4",
    "\tf\t1  2\t3   4  ",
    "f 1 2 3 4\nf 1 2\nl 1 2",
])  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_corners_are_read_in_every_spelling(faces, end):
    text = ("\ufeff# made by hand\n" + SQUARE + "vn 0 0 1\n" + faces).replace("\n", end)

    assert area(obj(text).mesh) == pytest.approx([0, 0, 1])


@pytest.mark.parametrize("code", ["utf-8-sig", "utf-16"])
def test_an_obj_may_be_written_in_any_code_of_text(code):
    assert area(read_mesh((SQUARE + "f 1 2 3 4").encode(code), "obj").mesh) == pytest.approx([0, 0, 1])


def test_negative_corners_count_back_from_their_line():
    text = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 5 0 0\nv 7 0 0\nv 5 2 0\nf -3 -2 -1\n"

    assert area(obj(text).mesh) == pytest.approx([0, 0, 0.5 + 2])


STAR = [(np.cos(k * np.pi / 5) * (1 if k % 2 else 3), np.sin(k * np.pi / 5) * (1 if k % 2 else 3)) for k in range(10)]
COMB = [(0, 0), (9, 0), (9, 5), (8, 1), (7, 5), (6, 1), (5, 5), (4, 1), (3, 5), (2, 1), (1, 5), (0, 1)]
STAIR = [(0, 0), (4, 0), (4, 1), (3, 1), (3, 2), (2, 2), (2, 3), (1, 3), (1, 4), (0, 4), (0, 2)]
DART = [(0, 0), (3, 1), (0, 2), (1, 1)]


@pytest.mark.parametrize("outline", [STAR, COMB, STAIR, DART], ids=["star", "comb", "stair", "dart"])
@pytest.mark.parametrize("plane", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("start", [0, 1, 3])
def test_polygons_with_dents_are_cut_within_their_outline(outline, plane, start):
    flat = np.array(outline[start:] + outline[:start])
    points = np.zeros((len(flat), 3))
    points[:, plane[0]], points[:, plane[1]] = flat.T
    text = "".join(f"v {x:.9f} {y:.9f} {z:.9f}\n" for x, y, z in points)

    model = obj(text + "f " + " ".join(map(str, range(1, len(flat) + 1))))

    x, y = flat.T
    outlined = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    a, b, c = (model.mesh.vertices[model.mesh.faces[:, k]] for k in range(3))
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2 == pytest.approx(outlined, rel=1e-5)
    assert len(model.mesh.faces) == len(flat) - 2
    assert codes(model) == []


def test_a_polygon_that_crosses_itself_is_a_warning():
    text = "".join(f"v {x} {y} 0\n" for x, y in [(0, 0), (2, 2), (2, 0), (0, 2), (-1, 1)]) + "f 1 2 3 4 5\n"

    assert codes(obj(text)) == ["polygons_rough"]


def test_a_solid_of_polygons_stays_closed():
    round_ = [(np.cos(a), np.sin(a)) for a in np.linspace(0, 2 * np.pi, 24, endpoint=False)]
    text = "".join(f"v {x} {y} {z}\n" for z in (0, 1) for x, y in round_)
    text += "f " + " ".join(str(24 - k) for k in range(24)) + "\nf " + " ".join(str(25 + k) for k in range(24)) + "\n"
    text += "".join(f"f {k + 1} {(k + 1) % 24 + 1} {(k + 1) % 24 + 25} {k + 25}\n" for k in range(24))

    mesh = obj(text).mesh

    solid = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert solid.is_watertight
    assert solid.volume == pytest.approx(12 * np.sin(np.pi / 12))


# OBJ: looks


def test_each_material_gives_its_faces_its_colour():
    text = f"mtllib c.mtl\n{SQUARE}usemtl Red one\nf 1 2 3\nusemtl Blue\nf 1 3 4\n"

    model = obj(text, **{"c.mtl": "newmtl Red one\nKd 0.8 0.02 0.02\nnewmtl Blue\n\tKd 0.02 0.05 0.8\n"})

    shown = model.light(np.arange(2), np.full((2, 3), 1 / 3))
    np.testing.assert_allclose(shown, [[0.8, 0.02, 0.02], [0.02, 0.05, 0.8]], atol=1e-6)
    assert codes(model) == []


@pytest.mark.parametrize("line", [
    "map_Kd F.png",
    "map_Kd -s 1 1 1 -o 0 0 0 F.png",
    "map_kd -blendu on -blendv on -clamp off -mm 0 1 -bm 1.0 -texres 512 F.png",
    "map_Kd -s 1 1 my maps/F 1.png",
    "map_Kd my maps\\F 1.png",
    "map_Kd .\\my maps\\F 1.png",
    "map_Kd C:\\Users\\me\\Desktop\\F 1.png",
    "map_Kd /home/me/F 1.png",
    "map_Kd MY MAPS/f 1.PNG",
    'map_Kd "F.png"',
])  # fmt: skip
def test_a_picture_is_found_however_its_path_is_written(line):
    model = square(f"newmtl a\nKd 1 1 1\n{line}\n", **{"F.png": letter("F"), "my maps/F 1.png": letter("F")})

    assert differs(seen(model), letter("F")) < NEAR
    assert codes(model) == []


def test_a_picture_is_found_on_the_disk_by_its_file_name(tmp_path):
    (tmp_path / "F 1.PNG").write_bytes(png(letter("F")))
    (tmp_path / "m 1.mtl").write_text("newmtl a\nmap_Kd D:\\work\\maps\\f 1.png\n")
    (tmp_path / "m.obj").write_text(f"mtllib m 1.mtl\n{SQUARE}usemtl a\nf 1/1 2/2 3/3 4/4\n")

    assert differs(seen(read_mesh(tmp_path / "m.obj")), letter("F")) < NEAR


def test_a_material_file_in_a_folder_finds_its_picture_from_the_obj():
    text = f"mtllib mats/m.mtl\n{SQUARE}usemtl a\nf 1/1 2/2 3/3 4/4\n"
    files = {"x/m.obj": text.encode(), "x/mats/m.mtl": b"newmtl a\nmap_Kd F.png\n", "x/mats/F.png": png(letter("F"))}

    assert differs(seen(read_mesh(zipped(**files))), letter("F")) < NEAR


def test_size_and_offset_of_a_picture_count():
    wide = Image.new("RGB", (256, 128))
    wide.paste(letter("A"), (0, 0))
    wide.paste(letter("B"), (128, 0))

    model = square("newmtl a\nmap_Kd -s 0.5 1 -o 0.5 0 0 ab.png\n", **{"ab.png": wide})

    assert differs(seen(model), letter("B")) < NEAR


def test_a_grey_kd_beside_a_picture_is_white_and_a_coloured_one_dyes_it():
    grey = square("newmtl a\nKd 0.8 0.8 0.8\nmap_Kd F.png\n", **{"F.png": letter("F")})
    red = square("newmtl a\nKd 1 0 0\nmap_Kd F.png\n", **{"F.png": letter("F")})

    assert differs(seen(grey), letter("F")) < NEAR
    dyed = np.asarray(letter("F")) * np.array([1, 0, 0], np.uint8)
    assert differs(seen(red), Image.fromarray(dyed)) < NEAR


@pytest.mark.parametrize(
    ("material", "files", "code", "word"),
    [
        ("newmtl a\nKd 1 0 0\nmap_Kd lost.png\n", {}, "picture_missing", "lost.png"),
        ("newmtl a\nmap_Kd F.png\n", {"F.png": b"no picture"}, "picture_missing", "F.png"),
        ("newmtl b\nKd 1 0 0\n", {}, "material_missing", "(a)"),
        ("newmtl a\nKd 1 0 0\nd 0.3\n", {}, "alpha_dropped", "2 faces"),
        ("newmtl a\nKd 1 0 0\nmap_Bump lost.png\n", {}, "material_maps_dropped", "1 materials"),
        ("newmtl a\nmap_Kd -mm 0.2 0.5 F.png\n", {"F.png": letter("F")}, "map_options_ignored", "-mm 0.2 0.5"),
    ],
)
def test_what_of_a_material_is_lost_is_a_warning(material, files, code, word):
    model = square(material, **files)

    assert codes(model) == [code]
    assert word in model.notices[0].message


@pytest.mark.parametrize("head", ["", "mtllib lost.mtl\n"])
def test_materials_without_their_file_are_a_warning(head):
    model = obj(f"{head}{SQUARE}usemtl a\nf 1 2 3\nusemtl b\nf 1 3 4\n")

    assert codes(model) == ["material_file_missing"]
    assert "2 materials" in model.notices[0].message
    assert model.light is None


@pytest.mark.parametrize("face", ["f 1 2 3 4", "f 1/7 2/8 3/9 4/5"])
def test_a_picture_without_coordinates_is_a_warning(face):
    text = f"mtllib m.mtl\n{SQUARE}usemtl a\n{face}\n"

    assert codes(obj(text, **{"m.mtl": "newmtl a\nmap_Kd F.png\n", "F.png": letter("F")})) == [
        "texture_coordinates_missing"
    ]


@pytest.mark.parametrize("row", ["{0} {1} {2} {3} {4} {5}", "{0} {1} {2} 1.0 {3} {4} {5}"], ids=["xyz", "xyzw"])
@pytest.mark.parametrize("full", [1, 255])
def test_colours_behind_a_position_are_those_of_the_vertex(row, full):
    points = [(0, 0, 0, 1, 0, 0), (1, 0, 0, 0, 1, 0), (0, 1, 0, 0.5, 0.5, 0.5)]
    text = "".join("v " + row.format(*p[:3], *(c * full for c in p[3:])) + "\n" for p in points) + "f 1 2 3\n"

    grey = linear_from_srgb(np.uint8(128))
    np.testing.assert_allclose(obj(text).colours, [[1, 0, 0], [0, 1, 0], [grey] * 3], atol=3e-3)


# PLY


def ply(order, columns, rows, lists, face_columns=(), face_rows=(), comments=()):
    """A PLY in text (order "=") or binary; `lists` of corners, with further columns behind."""
    names = {"f4": "float", "f8": "double", "u1": "uchar", "u2": "ushort", "i4": "int"}
    word = {"=": "ascii", "<": "binary_little_endian", ">": "binary_big_endian"}[order]
    head = ["ply", f"format {word} 1.0", *comments, f"element vertex {len(rows)}"]
    head += [f"property {names[kind]} {name}" for name, kind in columns]
    head += [f"element face {len(lists)}", "property list uchar int vertex_indices"]
    head += [f"property {names[kind]} {name}" if kind in names else f"property list uchar float {name}"
             for name, kind in face_columns]  # fmt: skip
    body = b""
    for row in rows:
        body += _row([(kind, value) for (_, kind), value in zip(columns, row, strict=True)], order)
    for number, corners in enumerate(lists):
        cells = [("u1", len(corners)), *(("i4", corner) for corner in corners)]
        for (_, kind), value in zip(face_columns, face_rows[number] if len(face_rows) else (), strict=True):
            cells += [(kind, value)] if kind in names else [("u1", len(value)), *(("f4", each) for each in value)]
        body += _row(cells, order)
    return "\n".join([*head, "end_header\n"]).encode() + body


def _row(cells, order):
    if order == "=":
        return (" ".join(f"{value:g}" for _, value in cells) + "\n").encode()
    return b"".join(np.array(value, order + kind).tobytes() for kind, value in cells)


XYZ = [("x", "f8"), ("y", "f4"), ("z", "f4")]
ORDERS = pytest.mark.parametrize("order", ["=", "<", ">"])


@ORDERS
@pytest.mark.parametrize(("kind", "full"), [("u1", 255), ("u2", 65535), ("f4", 1)])
def test_a_ply_is_read_in_every_order_with_every_kind_of_colour(order, kind, full):
    columns = [*XYZ, ("nx", "f4"), ("red", kind), ("green", kind), ("blue", kind)]
    points = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0.4, 0.5, 0)]
    rows = [(*p, 0, full, 0.5 * full, 0) for p in points]

    model = read_mesh(ply(order, columns, rows, [(0, 1, 2, 3, 4), (0, 2, 1)]), "ply")

    assert area(model.mesh) == pytest.approx([0, 0, 0.8 - 0.5])
    np.testing.assert_allclose(model.colours, np.tile([1, 0.214, 0], (5, 1)), atol=3e-3)


@ORDERS
def test_a_ply_may_colour_its_faces(order):
    rows = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
    colours = [("red", "u1"), ("green", "u1"), ("blue", "u1")]

    model = read_mesh(ply(order, XYZ, rows, [(0, 1, 2), (0, 2, 3)], colours, [(255, 0, 0), (0, 0, 255)]), "ply")

    np.testing.assert_allclose(model.light(np.arange(2), np.full((2, 3), 1 / 3)), [[1, 0, 0], [0, 0, 1]])


@ORDERS
@pytest.mark.parametrize("names", ["st", "uv"])
def test_a_ply_with_coordinates_of_vertices_has_its_picture(order, names):
    rows = [(x, y, 0, x, y) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
    data = ply(
        order,
        [*XYZ, (names[0], "f4"), (names[1], "f4")],
        rows,
        [(0, 1, 2, 3)],
        comments=["comment TextureFile F 1.png"],
    )

    assert differs(seen(read_mesh(zipped(**{"m.ply": data, "F 1.png": png(letter("F"))}))), letter("F")) < NEAR
    assert codes(read_mesh(data, "ply")) == ["picture_missing"]


@ORDERS
def test_a_ply_with_coordinates_of_corners_has_its_pictures(order):
    vertices, uv, faces = cube()
    texcoords = [(*np.stack([uv[face, 0], 1 - uv[face, 1]], axis=1).ravel(),) for face in faces]
    rows = [(texcoord, int(number >= 4)) for number, texcoord in enumerate(texcoords)]
    comments = ["comment TextureFile A.png", "comment TextureFile B.png"]
    data = ply(order, XYZ, vertices, faces.tolist(), [("texcoord", "list"), ("texnumber", "i4")], rows, comments)

    model = read_mesh(zipped(**{"m.ply": data, "A.png": png(letter("A")), "B.png": png(letter("B"))}))

    assert differs(seen(model, "front"), letter("A")) < NEAR
    assert differs(seen(model, "right"), letter("B")) < NEAR


def test_a_ply_of_strips_is_read():
    text = ("ply\nformat ascii 1.0\nelement vertex 5\nproperty float x\nproperty float y\nproperty float z\n"
            "element tristrips 1\nproperty list int int vertex_indices\nend_header\n"
            "0 0 0\n1 0 0\n0 1 0\n1 1 0\n3 0 0\n8 0 1 2 3 -1 1 4 3\n")  # fmt: skip

    assert area(read_mesh(text.encode(), "ply").mesh) == pytest.approx([0, 0, 2])


@ORDERS
def test_a_ply_that_is_cut_off_is_refused(order):
    data = ply(order, XYZ, [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], [(0, 1, 2), (0, 2, 3)])

    for end in (-3, -10, -60):
        with pytest.raises(MeshError, match="cannot be read as ply"):
            read_mesh(data[:end], "ply")


def test_a_ply_that_says_it_is_huge_is_refused_before_it_is_read():
    head = b"ply\nformat binary_little_endian 1.0\nelement vertex 3\n"
    head += (
        b"".join(b"property float %c\n" % axis for axis in b"xyz")
        + b"element face 4000000000\nproperty list uchar int vertex_indices\nend_header\n"
    )

    with pytest.raises(MeshError, match="has 4000000000 faces"):
        read_mesh(head + bytes(100), "ply")


# STL


def tetrahedron():
    a, b, c, d = (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)
    return np.array([[a, c, b], [a, b, d], [a, d, c], [b, c, d]], "<f4")


def stl(head=b"", count=4, colours=(0, 0, 0, 0), tail=b""):
    body = b"".join(bytes(12) + t.tobytes() + struct.pack("<H", c) for t, c in zip(tetrahedron(), colours, strict=True))
    return head.ljust(80, b" ") + struct.pack("<I", count) + body + tail


def stl_text(form="{:e}", name="a", upper=False, end="\n"):
    text = f"solid {name}\n"
    for corners in tetrahedron():
        lines = "".join("vertex " + " ".join(form.format(x) for x in corner) + "\n" for corner in corners)
        text += f"facet normal 0 0 0\n  outer loop\n{lines}endloop\nendfacet\n"
    text += f"endsolid {name}\n"
    return (text.upper() if upper else text).replace("\n", end)


@pytest.mark.parametrize(("data", "count"), [
    (stl(), 4),
    (stl(b"solid exported by a CAD"), 4),
    (stl(tail=bytes(7)), 4),
    (stl(tail=b"\r\n"), 4),
    (stl(b"solid of a CAD", tail=bytes(3)), 4),
    (stl(count=0), 4),
    (stl(count=0xFFFFFFFF), 4),
    (stl_text().encode(), 4),
    (stl_text(upper=True, end="\r\n").encode(), 4),
    (stl_text("{:.6f}").replace(".", ",").encode(), 4),
    ((stl_text() + stl_text(name="b")).encode(), 8),
    (b"\xef\xbb\xbf  " + stl_text(name="").encode(), 4),
])  # fmt: skip
def test_an_stl_is_read_in_every_form(data, count):
    mesh = read_mesh(data, "stl").mesh

    assert len(mesh.faces) == count
    assert trimesh.Trimesh(mesh.vertices, mesh.faces).volume == pytest.approx(count / 24)


@pytest.mark.parametrize("data", [stl(colours=(0, 0x8123, 0x8456, 0)), stl(b"COLOR=\xff\x80\x00\xff made by M")])
def test_colours_of_an_stl_are_left_out_with_a_warning(data):
    model = read_mesh(data, "stl")

    assert model.light is None
    assert codes(model) == ["stl_colours_dropped"]


@pytest.mark.parametrize("data", [stl(count=100), stl_text().replace("vertex", "", 1).encode()])
def test_an_stl_that_is_cut_off_is_refused(data):
    with pytest.raises(MeshError, match="it is cut off"):
        read_mesh(data, "stl")


# zip


def test_a_zip_of_several_meshes_is_one_model_and_one_without_says_what_it_holds():
    both = zipped(**{"a.stl": stl(), "b/b.stl": stl_text().encode()})

    assert len(read_mesh(both).mesh.faces) == 8
    assert codes(read_mesh(both)) == ["meshes_joined"]
    with pytest.raises(MeshError, match=r"no GLB, glTF, OBJ, PLY or STL \(it holds a\.fbx\)"):
        read_mesh(zipped(**{"a.fbx": b"Kaydara"}))
