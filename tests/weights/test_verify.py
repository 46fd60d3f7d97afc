# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A file is believed only when its bytes say what they should."""

import hashlib
import json
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from fourview.errors import CheckpointError
from fourview.weights.catalogue import ENTRIES, File
from fourview.weights.verify import RECORD, hash_of, read_header, verify


def safetensors(path, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def tensor(begin, end, shape, dtype="F16"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_the_header_tells_type_and_shape_of_every_tensor(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"a": np.zeros((2, 3), np.float16), "b": np.zeros(4, np.float32)}, path, metadata={"by": "us"})

    header = read_header(path)

    assert {name: (t.name, t.dtype, t.shape, t.file) for name, t in header.items()} == {
        "a": ("a", "F16", (2, 3), path),
        "b": ("b", "F32", (4,), path),
    }


FAULTS = {
    "empty file": (b"", "its header has 0 bytes"),
    "cut in the length": (b"\x01\x02", "damaged, cut short"),
    "absurd length": ((2**62).to_bytes(8, "little") + b"{}", "its header has 4611686018427387904 bytes"),
    "length past the end": ((100).to_bytes(8, "little") + b"{}", "its header has 100 bytes and has 10 itself"),
    "no JSON": ((4).to_bytes(8, "little") + b"{{{{", "no JSON"),
    "no text": ((4).to_bytes(8, "little") + b"\xff\xfe\xfd\xfc", "no JSON"),
    "nested without end": ((200_000).to_bytes(8, "little") + b"[" * 200_000, "no JSON"),
    "a list": ((2).to_bytes(8, "little") + b"[]", "a list, not an object"),
}


@pytest.mark.parametrize(("data", "said"), FAULTS.values(), ids=FAULTS)
def test_a_file_without_a_sound_header_is_refused(tmp_path, data, said):
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)

    with pytest.raises(CheckpointError, match=said) as caught:
        read_header(path)

    assert str(path) in str(caught.value)
    assert "fetch it again" in str(caught.value)


PLACES = {
    "cut short": ({"a": tensor(0, 12, [6])}, 10, "its header needs"),
    "more than it says": ({"a": tensor(0, 12, [6])}, 13, "its header needs"),
    "out of the file": ({"a": tensor(0, 4, [2]), "b": tensor(4, 2**40, [2**39 - 2])}, 12, "its header needs"),
    "overlap": ({"a": tensor(0, 8, [4]), "b": tensor(4, 12, [4])}, 12, "puts 'b' at bytes 4 to 12; 8 to 16"),
    "hole": ({"a": tensor(0, 4, [2]), "b": tensor(8, 12, [2])}, 12, "puts 'b' at bytes 8 to 12; 4 to 8"),
    "backwards": ({"a": tensor(12, 0, [6])}, 12, "puts 'a' at bytes 12 to 0"),
    "another size than its shape": ({"a": tensor(0, 12, [5])}, 12, "puts 'a' at bytes 0 to 12; 0 to 10"),
    "negative": ({"a": tensor(-12, 0, [6])}, 12, "dtype, shape and data_offsets are expected"),
    "negative shape": ({"a": tensor(0, 12, [-2, -3])}, 12, "dtype, shape and data_offsets are expected"),
    "huge numbers": ({"a": tensor(0, 12, [10**4000] * 4)}, 12, "dtype, shape and data_offsets are expected"),
    "many axes": ({"a": tensor(0, 12, [2**40] * 5000)}, 12, "dtype, shape and data_offsets are expected"),
    "true as a number": ({"a": tensor(0, True, [1])}, 1, "dtype, shape and data_offsets are expected"),
    "a type of whole numbers": ({"a": tensor(0, 8, [1], "I64")}, 8, "holds 'a' as I64; one of F16, BF16, F32"),
    "a text for a tensor": ({"a": "x"}, 0, "dtype, shape and data_offsets are expected"),
}  # fmt: skip


@pytest.mark.parametrize(("header", "size", "said"), PLACES.values(), ids=PLACES)
def test_tensors_must_lie_end_to_end_up_to_the_last_byte(tmp_path, header, size, said):
    path = safetensors(tmp_path / "model.safetensors", header, bytes(size))

    with pytest.raises(CheckpointError, match=said):
        read_header(path)


def test_whatever_is_believed_here_the_library_reads_the_same(tmp_path):
    """Bytes of sound files are changed at random; the library is the judge of those that still pass."""
    rng = np.random.default_rng(3)
    path = tmp_path / "model.safetensors"
    save_file(
        {"a.b": np.zeros((2, 3), np.float16), "c": np.ones(5, np.float32), "d": np.zeros((0, 2), np.float16)}, path
    )
    sound = path.read_bytes()
    believed = 0
    for _ in range(3000):
        data = bytearray(sound)
        for place in rng.integers(0, 8 + int.from_bytes(sound[:8], "little"), rng.integers(1, 3)):
            data[place] = rng.choice(list(b'0123456789 ,:[]{}"FBabcd\0'))
        path.write_bytes(data)
        try:
            header = read_header(path)
        except CheckpointError:
            continue
        believed += 1
        with safe_open(path, "np") as file:
            assert {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()} == {  # noqa: SIM118
                name: t.shape for name, t in header.items()
            }
    assert 30 < believed < 2900


def a_zip(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data.pkl", b"")


def a_pickle(protocol):
    return lambda path: path.write_bytes(pickle.dumps({"a": list(range(9))}, protocol))


@pytest.mark.parametrize("name", ["model.fp16.ckpt", "model.pt", "model.PTH", "model.bin", "model.pkl"])
def test_a_file_named_as_pickles_are_is_refused(tmp_path, name):
    path = safetensors(tmp_path / name, {})

    with pytest.raises(CheckpointError, match=f"{name} is a pickle.*never unpickled.*convert it to safetensors"):
        read_header(path)


@pytest.mark.parametrize("write", [a_zip, *map(a_pickle, (2, 3, 4, 5))])
def test_a_pickle_under_another_name_is_refused(tmp_path, write):
    path = tmp_path / "model.safetensors"
    write(path)

    with pytest.raises(CheckpointError, match=r"is a pickle.*never unpickled"):
        read_header(path)


def test_a_header_whose_length_begins_like_a_pickle_is_read(tmp_path):
    """0x0280 bytes of header: the file begins with the two bytes of pickle protocol 2."""
    path = safetensors(tmp_path / "model.safetensors", json.dumps({}).encode().ljust(0x0280))

    assert path.read_bytes()[:2] == b"\x80\x02"
    assert read_header(path) == {}


CONFIG = b"target: a.decoder\n"
ENTRY = ENTRIES["hunyuan2-vae-turbo"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.yaml").write_bytes(CONFIG)
    save_file({"a": np.arange(6, dtype=np.float16)}, tmp_path / "model.fp16.safetensors")
    return tmp_path


def record(folder):
    files = {
        name: {"size": (folder / name).stat().st_size, "sha256": hash_of(folder / name, "sha256")}
        for name in ("config.yaml", "model.fp16.safetensors")
    }
    (folder / RECORD).write_text(json.dumps({"files": files}))


def damage(path, at=-1):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_whole_folder_is_verified_against_the_record(folder):
    record(folder)

    config, model = verify(ENTRY, folder)

    assert (config.size, config.sha256) == (len(CONFIG), hashlib.sha256(CONFIG).hexdigest())
    assert model.against == "the pull's record"


def test_one_changed_bit_is_found(folder):
    record(folder)
    damage(folder / "model.fp16.safetensors")

    with pytest.raises(CheckpointError, match=r"the pull's record says .*: delete it, then `fourview weights pull"):
        verify(ENTRY, folder)


def test_a_changed_size_is_found_before_anything_is_hashed(folder):
    record(folder)
    (folder / "config.yaml").write_bytes(CONFIG + b"\n")

    with pytest.raises(CheckpointError, match=f"has {len(CONFIG) + 1} bytes; {len(CONFIG)} are expected"):
        verify(ENTRY, folder)


def test_the_catalogue_counts_more_than_the_record(folder):
    record(folder)
    entry = replace(ENTRY, files=(File("config.yaml", len(CONFIG), "0" * 64), ENTRY.files[1]))

    with pytest.raises(CheckpointError, match=f"the catalogue says {'0' * 64}"):
        verify(entry, folder)


def test_without_any_hash_the_header_is_still_checked(folder):
    before = verify(ENTRY, folder)
    damage(folder / "model.fp16.safetensors", at=9)

    assert "no hash is known" in before[1].against
    with pytest.raises(CheckpointError, match="no JSON"):
        verify(ENTRY, folder)


@pytest.mark.parametrize("text", ["", "[]", '{"files": 1}', '{"files": {"config.yaml": 3}}'])
def test_a_spoilt_record_is_an_error(folder, text):
    (folder / RECORD).write_text(text)

    with pytest.raises(CheckpointError, match="not the record that a pull writes"):
        verify(ENTRY, folder)


def test_progress_of_a_verification_rises_to_one(folder):
    seen = []

    verify(ENTRY, folder, seen.append)

    assert seen == sorted(seen)
    assert seen[-1] == 1.0
