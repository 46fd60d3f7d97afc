# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What kind of file a mesh is, by how it begins; the machinery reads it as that."""

import asyncio
import io
import struct
import zipfile

import numpy as np
import pytest
import trimesh
from service.acts import stl

from fourview.errors import AddressError, MeshError, PictureError
from fourview.formats.read import read_mesh
from fourview.service.inputs.meshes import mesh_type
from fourview.service.inputs.sources import Limits, check_length, tell
from fourview.service.nouns import MESH, PICTURE
from fourview.service.outbound import fetch
from fourview.service.outbound.addresses import Rules, check


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    return file.getvalue()


BOX = trimesh.creation.box()
FILES = {
    "glb": BOX.export(file_type="glb"),
    "ply": BOX.export(file_type="ply"),
    "stl": BOX.export(file_type="stl"),
    "obj": BOX.export(file_type="obj").encode(),
    "zip": zipped(),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_of_other_programs_are_told_apart_and_read(kind):
    assert mesh_type("mesh", FILES[kind]) == kind
    assert len(read_mesh(FILES[kind], kind).mesh.faces) > 0


def test_an_stl_may_be_text_and_a_binary_one_may_call_itself_solid():
    header, triangle = b"solid of some program".ljust(80), struct.pack("<12fH", *np.arange(12.0), 0)

    assert mesh_type("mesh", stl()) == "stl"
    assert mesh_type("mesh", header + struct.pack("<I", 1) + triangle) == "stl"
    assert mesh_type("mesh", b"\0" * 80 + struct.pack("<I", 1) + triangle) == "stl"


@pytest.mark.parametrize(("count", "tail"), [(1, 7), (1, 2000), (0, 0), (0xFFFFFFFF, 0)])
def test_a_binary_stl_may_have_bytes_behind_its_triangles_or_leave_their_number_open(count, tail):
    triangle = struct.pack("<12fH", *np.arange(12.0), 0)

    data = b"COLOR=".ljust(80, b"\0") + struct.pack("<I", count) + triangle + bytes(tail)

    assert mesh_type("mesh", data) == "stl"
    assert len(read_mesh(data, "stl").mesh.faces) == 1


def test_text_may_begin_with_a_byte_order_mark():
    mark = b"\xef\xbb\xbf"

    assert mesh_type("mesh", mark + stl()) == "stl"
    assert mesh_type("mesh", mark + b"mtllib a.mtl\nv 0 0 0\n") == "obj"
    assert mesh_type("mesh", mark + b'{"asset": {"version": "2.0"}}') == "gltf"


def test_an_obj_may_begin_with_pages_of_comments():
    assert mesh_type("mesh", b"# made by hand\n" * 1000 + b"mtllib a.mtl\r\nv 0 0 0\n") == "obj"


def test_a_gltf_is_json_with_an_asset():
    assert mesh_type("mesh", b' {"asset": {"version": "2.0"}}') == "gltf"


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n", b"Kaydara FBX Binary", b"{}", b"hello", b"v 0 0 0\0", b"v"]
)
def test_what_is_no_mesh_is_refused_with_a_cure(data):
    with pytest.raises(MeshError, match=f"'part' mesh of {len(data)} bytes .* GLB, OBJ, PLY or STL"):
        mesh_type("part", data)


def test_a_field_that_holds_no_mesh_is_refused_in_words_of_meshes():
    with pytest.raises(MeshError, match="the 'part' mesh begins with 'ftp:'"):
        tell("part", "ftp://example.com/a.glb", MESH)
    assert tell("part", "", MESH) is None


@pytest.mark.parametrize(
    ("noun", "field", "error", "message"),
    [
        (MESH, "mesh", MeshError, "the mesh has 100 bytes; at most 9 are read: give it fewer faces, or save it as GLB"),
        (
            PICTURE,
            "front",
            PictureError,
            "the 'front' picture has 100 bytes; at most 9 are read: scale it down, or save it as JPEG",
        ),
    ],
)
def test_a_file_that_is_too_large_is_called_what_it_is_and_gets_advice_that_fits(noun, field, error, message):
    with pytest.raises(error) as raised:
        check_length(field, 100, Limits(bytes_max=9), noun)
    assert str(raised.value) == message


@pytest.mark.parametrize("noun", [MESH, PICTURE])
@pytest.mark.parametrize("host", ["pictures.example.com", "picture"])
def test_a_host_stands_in_messages_as_it_was_sent(noun, host):
    async def unknown(host, port):
        return ()

    with pytest.raises(AddressError) as raised:
        asyncio.run(check(f"http://{host}/", Rules(), unknown))
    message = str(fetch.unreachable("mesh", raised.value, noun))
    assert f"'{host}' is" in message
    assert message.startswith(f"{noun.of('mesh')} cannot be fetched: ")
