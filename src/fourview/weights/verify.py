# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Check that a file of weights is what it should be, without torch and without trusting the file.

Owns      hashes, the record that `pull` leaves beside the files, the header of a safetensors file, the refusal of
          pickles.
Not here  which tensors a network needs (`load`).

A safetensors file is 8 bytes of length, a JSON header of that length, and the tensors end to end:

    u64 n | {"name": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}, "__metadata__": {...}} | data

Why our own code: the library's message is one word for every fault, and a header must be sound before anything maps the
file.
"""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fourview.errors import CheckpointError
from fourview.progress import Tick, no_tick
from fourview.weights.catalogue import Entry

RECORD = "fourview.json"  # repository, commit, and size and sha256 of each file, as they were when they were pulled
HEADER_LIMIT = 100_000_000  # bytes; the format's own
BYTES_OF = {"F16": 2, "BF16": 2, "F32": 4}
PICKLE_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
BLOCK = 2**22  # bytes read at once


@dataclass(frozen=True)
class Header:
    """What a file says of one tensor: its full `name` there, `F16`, `BF16` or `F32`, its shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path


@dataclass(frozen=True)
class Verified:
    """A file that was found correct; `against`: what it was compared with."""

    file: Path
    size: int
    sha256: str
    against: str


def verify(entry: Entry, folder: Path, tick: Tick = no_tick) -> list[Verified]:
    """Size and hash of each file of `entry` in `folder`; raises `CheckpointError` at the first that is wrong.

    They are compared with the catalogue where it has a hash, else with the record of the pull, else with the file's own
    header.
    """
    recorded = _read_record(folder)
    sizes = [(folder / file.name).stat().st_size for file in entry.files]
    verified, done = [], 0
    for file, size in zip(entry.files, sizes, strict=True):
        path, record = folder / file.name, recorded.get(file.name, {})
        wanted, against = (file.sha256, "the catalogue") if file.sha256 else (record.get("sha256"), "the pull's record")
        wanted_size = file.size or record.get("size")
        if wanted_size is not None and size != wanted_size:
            raise CheckpointError(f"{path} has {size} bytes; {wanted_size} are expected: {_again(entry)}")
        if path.suffix == ".safetensors":
            read_header(path)

        def watch(read: int, before: int = done) -> None:
            tick((before + read) / sum(sizes))

        sha256 = hash_of(path, "sha256", watch)
        if wanted is not None and sha256 != wanted:
            raise CheckpointError(f"{path} has the sha256 {sha256}; {against} says {wanted}: {_again(entry)}")
        verified.append(Verified(path, size, sha256, against if wanted else "its own header, no hash is known"))
        done += size
    return verified


def _again(entry: Entry) -> str:
    return f"delete it, then `fourview weights pull {entry.name}`"


def _read_record(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / RECORD
    if not path.exists():
        return {}
    try:
        files = json.loads(path.read_text())["files"]
        return {str(name): dict(file) for name, file in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is not the record that a pull writes; delete it, or pull again") from error


def hash_of(path: Path, kind: str, tick: Callable[[int], None] = lambda read: None) -> str:
    """The `sha256` of a file, or the `git` id that the hub gives to small files; `tick` gets the bytes read."""
    digest = hashlib.sha256() if kind == "sha256" else hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    read = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            read += len(block)
            tick(read)
    return digest.hexdigest()


def refuse_pickle(path: Path) -> None:
    """Raise `CheckpointError` where `path` is named as pickles are."""
    if path.suffix.lower() in PICKLE_SUFFIXES:
        raise _pickled(path)


def _pickled(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} is a pickle, which can run any code when it is read; it is never unpickled here: "
        "convert it to safetensors, or pull the official file"
    )


def read_header(path: Path) -> dict[str, Header]:
    """Every tensor of a safetensors file by name; raises `CheckpointError` where the file is not sound."""
    refuse_pickle(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or not 2 <= length <= min(HEADER_LIMIT, size - 8):
            if start[:4] == b"PK\x03\x04" or (start[:1] == b"\x80" and start[1:2] <= b"\x05"):
                raise _pickled(path)
            raise _unsound(path, f"says that its header has {length} bytes and has {size} itself")
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError) as error:
            raise _unsound(path, "has a header that is no JSON") from error
    if not isinstance(header, dict):
        raise _unsound(path, f"has a header that is a {type(header).__name__}, not an object")
    header.pop("__metadata__", None)
    end = 0
    for name, (begin, stop, needed) in sorted(
        ((name, _span(path, name, tensor)) for name, tensor in header.items()), key=lambda item: item[1]
    ):
        if (begin, stop - begin) != (end, needed):
            raise _unsound(
                path, f"puts {name!r} at bytes {begin} to {stop}; {end} to {end + needed} are expected by its shape"
            )
        end = stop
    if 8 + length + end != size:
        raise _unsound(path, f"has {size} bytes; its header needs {8 + length + end}")
    return {name: Header(name, t["dtype"], tuple(t["shape"]), path) for name, t in header.items()}


def _span(path: Path, name: str, tensor: Any) -> tuple[int, int, int]:
    """Where a tensor begins and ends in the data, and the bytes that its shape takes."""
    match tensor:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [begin, stop]} if (
            all(type(n) is int and 0 <= n < 2**48 for n in (*shape, begin, stop)) and len(shape) <= 8
        ):
            if dtype not in BYTES_OF:
                raise _unsound(path, f"holds {name!r} as {dtype}; one of {', '.join(BYTES_OF)} is expected")
            return begin, stop, BYTES_OF[dtype] * math.prod(shape)
    raise _unsound(path, f"says of {name!r} {str(tensor)[:80]!r}; dtype, shape and data_offsets are expected")


def _unsound(path: Path, fault: str) -> CheckpointError:
    return CheckpointError(f"{path} {fault}: it is damaged, cut short or no safetensors file; fetch it again")
