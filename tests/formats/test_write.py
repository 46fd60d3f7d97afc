# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from formats.marked import marked, painted
from PIL import Image

from fourview.errors import CanceledError, OutputError
from fourview.file_types import FILE_TYPES
from fourview.formats.write import ENCODERS, check_place, encode, file_type_of, save
from fourview.recipe import ExportRecipe
from fourview.texture.texture import Texture, srgb_from_linear

EVERY_FILE = [("glb", "png"), ("glb", "webp"), ("obj", "png"), ("ply", "png"), ("stl", "png")]


def test_an_obj_with_a_texture_is_a_zip_of_three_files_that_name_each_other():
    data = encode(marked(), painted(), ExportRecipe(file_type="obj"))

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}

    assert set(files) == {"model.obj", "model.mtl", "model.png"}
    assert b"\nmtllib model.mtl\n" in files["model.obj"]
    assert b"\nmap_Kd model.png\n" in files["model.mtl"]
    pixels = np.asarray(Image.open(io.BytesIO(files["model.png"])))
    np.testing.assert_array_equal(pixels, srgb_from_linear(painted().albedo))


def test_an_obj_without_a_texture_is_plain_text_with_one_position_a_place():
    lines = encode(marked(), None, ExportRecipe(file_type="obj")).decode().splitlines()

    assert sum(line.startswith("v ") for line in lines) == len(np.unique(marked().vertices, axis=0))
    assert sum(line.startswith("f ") for line in lines) == len(marked().faces)


def test_an_obj_saved_beside_others_keeps_its_material_and_picture_to_itself(tmp_path):
    for name in ("robot.obj", "my ship.obj"):
        written = save(tmp_path / name, encode(marked(), painted(), ExportRecipe(file_type="obj")))
        assert written[-1] == tmp_path / name

    assert {path.name for path in tmp_path.iterdir()} == {
        "robot.obj", "robot.mtl", "robot.png", "my ship.obj", "my_ship.mtl", "my_ship.png",
    }  # fmt: skip
    assert b"\nmtllib my_ship.mtl\n" in (tmp_path / "my ship.obj").read_bytes()
    assert b"\nmap_Kd my_ship.png\n" in (tmp_path / "my_ship.mtl").read_bytes()


@pytest.mark.parametrize("texture", [painted(), None], ids=["painted", "plain"])
def test_a_path_that_ends_in_zip_gets_a_zip(tmp_path, texture):
    save(tmp_path / "robot.zip", encode(marked(), texture, ExportRecipe(file_type="obj")))

    assert "model.obj" in zipfile.ZipFile(tmp_path / "robot.zip").namelist()
    assert len(list(tmp_path.iterdir())) == 1


def test_equal_models_are_equal_bytes_in_any_process_at_any_number_of_threads():
    lines = """
import hashlib, sys
from formats.marked import marked, painted
from fourview.formats.write import encode
from fourview.recipe import ExportRecipe
for word in sys.argv[1:]:
    file_type, texture_format = word.split("-")
    recipe = ExportRecipe(file_type=file_type, texture_format=texture_format)
    print(hashlib.sha256(encode(marked(), painted(), recipe, {"b": 1, "a": 2})).hexdigest())
"""

    def hashes(threads):
        environment = os.environ | {"OMP_NUM_THREADS": threads, "PYTHONHASHSEED": threads, "TZ": f"UTC+{threads}"}
        environment["PYTHONPATH"] = str(Path(__file__).parent.parent)
        command = [sys.executable, "-c", lines, *map("-".join, EVERY_FILE)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return done.stdout.split()

    one, four = hashes("1"), hashes("4")

    assert one == four
    assert len(set(one)) == len(EVERY_FILE)


@pytest.mark.parametrize("file_type", ["glb", "obj"])
def test_a_large_texture_can_be_stopped_while_it_is_packed(file_type):
    noise = np.random.default_rng(0).random((1600, 1600, 3), np.float32)
    seen = []

    def tick(done):
        seen.append(done)
        if done > 0.4:
            raise CanceledError("canceled during 'export'")

    with pytest.raises(CanceledError):
        encode(marked(), Texture(noise, np.ones((1600, 1600), bool)), ExportRecipe(file_type=file_type), tick=tick)

    assert seen == sorted(seen)


@pytest.mark.parametrize(("name", "file_type"), [
    ("a.glb", "glb"), ("A.GLB", "glb"), ("a.obj", "obj"), ("a.zip", "obj"), ("a.ply", "ply"), ("a b.stl", "stl"),
])  # fmt: skip
def test_the_suffix_names_the_format_and_a_good_path_leaves_no_trace(tmp_path, name, file_type):
    assert file_type_of(name) == file_type

    check_place(tmp_path / name)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("model.fbx", r"ends in '\.fbx'; a model can be written as \.glb, \.obj, \.ply, \.stl, \.zip"),
        ("model", "has no suffix; a model can be written as"),
    ],
)
def test_a_suffix_that_names_no_format_is_refused_with_those_that_do(name, said):
    with pytest.raises(OutputError, match=said):
        file_type_of(name)


@pytest.mark.parametrize(("name", "said"), [
    ("file/model.glb", "file is a file; a folder is to be there"),
    ("file/deep/model.glb", "file is a file; a folder is to be there"),
    ("n" * 300 + ".glb", "too long"),
    ("folder.glb", "is a folder; .* add a file name"),
])  # fmt: skip
def test_a_path_that_cannot_be_written_is_refused_with_the_cure(tmp_path, name, said):
    (tmp_path / "folder.glb").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match=said):
        check_place(tmp_path / name)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.glb"]


def test_a_folder_that_takes_no_files_is_refused_to_root_too():
    with pytest.raises(OutputError, match=r"cannot be written \(.*\): choose another folder"):
        check_place("/dev/fd/model.glb")


def test_a_full_disk_leaves_the_old_file_and_nothing_half_written(tmp_path):
    """The limit on the size of files stands for the full disk: the write fails in the middle."""
    old = tmp_path / "model.glb"
    old.write_bytes(b"old")
    lines = """
import resource, signal, sys
from fourview.errors import OutputError
from fourview.formats.write import save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save(sys.argv[1], bytes(5000))
except OutputError as error:
    print(error)
"""

    done = subprocess.run([sys.executable, "-c", lines, old], capture_output=True, text=True, check=True)

    assert "model.glb cannot be written" in done.stdout
    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]


def test_an_obj_whose_picture_has_no_place_is_not_written_at_all(tmp_path):
    (tmp_path / "robot.png").mkdir()

    with pytest.raises(OutputError, match=r"robot\.png is a folder"):
        save(tmp_path / "robot.obj", encode(marked(), painted(), ExportRecipe(file_type="obj")))

    assert [path.name for path in tmp_path.iterdir()] == ["robot.png"]


def test_a_folder_that_is_not_there_is_made_when_the_file_is_saved(tmp_path):
    path = tmp_path / "a" / "b" / "model.ply"

    check_place(path)
    assert list(tmp_path.iterdir()) == []

    assert save(path, b"data") == [path]
    assert path.read_bytes() == b"data"


def test_saving_replaces_what_was_there(tmp_path):
    path = tmp_path / "model.ply"
    for data in (b"one", b"two"):
        assert save(path, data) == [path]

    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_every_file_type_has_an_encoder():
    assert ENCODERS.keys() == FILE_TYPES.keys()
