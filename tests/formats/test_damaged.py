# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Files with wrong bytes in them are read or refused with a `MeshError`: nothing else is raised, nothing is printed."""

import numpy as np
import pytest
from formats.foreign import Gltf, letter, png, zipped

from fourview.errors import MeshError
from fourview.formats.read import read_mesh

OBJ = "mtllib m.mtl\n" + "".join(f"v {x} {y} {x * y} {x} {y} 1\nvt {x} {y}\n" for x in range(3) for y in range(3))
OBJ += "usemtl a\nf 1/1 2/2 5/5 4/4\nf 2/2 3/3 6/6 -5/-5\nusemtl b\nf 4 5 8\nf 5 6 9 8 7\n"
MTL = b"newmtl a\nKd 1 0 0\nmap_Kd -s 2 2 -o 0.5 0 F.png\nnewmtl b\nKd 0 0 1\nd 0.5\n"
PLY = b"ply\nformat binary_little_endian 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
PLY += b"property uchar red\nproperty uchar green\nproperty uchar blue\nelement face 2\n"
PLY += b"property list uchar int vertex_indices\nend_header\n"
PLY += b"".join(np.array(p, "<f4").tobytes() + b"\xff\x80\0" for p in ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)))
PLY += b"\3" + np.array([0, 1, 2], "<i4").tobytes() + b"\3" + np.array([0, 2, 3], "<i4").tobytes()
TEXT = b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
TEXT += b"element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
STL = (
    b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\nendsolid\n"
)


def gltf():
    made = Gltf()
    colours = made.array(np.full((24, 4), 60000, "u2"), normalized=True)
    joints, weights = made.array(np.zeros((24, 4), "u1")), made.array(np.ones((24, 4), "f4"))
    material = made.material(
        made.texture(letter("F", side=16)), {"extensions": {"KHR_texture_transform": {"scale": [2, 2]}}}
    )
    attributes = {"COLOR_0": colours, "JOINTS_0": joints, "WEIGHTS_0": weights}
    node = made.show(made.cube(material, attributes), skin=made.put("skins", {"joints": [0]}))
    made.show(made.cube(mode=5), rotation=[0, 0, 0, 1], scale=[1, 2, 3])
    made.tree["nodes"][node]["translation"] = [1, 2, 3]
    return made.glb()


FILES = {
    "glb": gltf(),
    "obj": OBJ.encode(),
    "zip": zipped(**{"m.obj": OBJ.encode(), "m.mtl": MTL, "F.png": png(letter("F", side=16))}),
    "ply": PLY,
    "ply text": TEXT,
    "stl": STL,
}
SPELLINGS = [
    b"-1",
    b"0",
    b"99",
    b"1e40",
    b"nan",
    b"-",
    b"/",
    b" ",
    b"\n",
    b"4294967296",
    b"null",
    b"[]",
    b'"x"',
    b"\0",
    b"\xff",
]


@pytest.mark.parametrize("kind", FILES)
def test_wrong_bytes_are_read_or_refused(kind, capfd):
    random = np.random.default_rng(20)
    whole = FILES[kind]
    refused = 0
    for turn in range(400):
        data = bytearray(whole)
        for _ in range(random.integers(1, 4)):
            at = int(random.integers(len(data)))
            if turn % 3 == 0:
                data[at] = random.integers(256)
            elif turn % 3 == 1:
                data[at : at + int(random.integers(1, 3))] = SPELLINGS[random.integers(len(SPELLINGS))]
            else:
                del data[at : at + int(random.integers(1, 40))]
        try:
            model = read_mesh(bytes(data), kind.split()[0])
        except MeshError:
            refused += 1
            continue
        assert np.isfinite(model.mesh.vertices).all()
        if model.light is not None:
            faces = np.arange(len(model.mesh.faces))
            assert np.isfinite(model.light(faces, np.full((len(faces), 3), 1 / 3))).all()

    assert 20 < refused < 400
    assert capfd.readouterr() == ("", "")
