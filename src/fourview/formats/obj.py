# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Wavefront OBJ: text, with a material file and a picture beside it.

Owns      the bytes of the three files and of the zip that carries them as one. Not here: units and axes (`place`).

Positions, normals and texture coordinates are numbered separately, so a seam needs no second position: every program
that opens the file finds the surface closed.
"""

import io
import re
import zipfile
from collections.abc import Iterator

import numpy as np

from fourview import __version__
from fourview.arrays import Float, Int
from fourview.mesh.mesh import Mesh, merge_vertices, vertex_normals
from fourview.progress import Tick, no_tick

EPOCH = (1980, 1, 1, 0, 0, 0)  # date of every file in the zip, the first that a zip can hold: equal models, equal files
BATCH = 1 << 16  # lines written between two ticks
MATERIAL = "newmtl surface\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {picture}\n"


def encode(mesh: Mesh, png: bytes | None, tick: Tick = no_tick) -> bytes:
    """`mesh` (as placed) as a plain OBJ, or with `png` as a zip of `model.obj`, `model.mtl` and `model.png`."""
    if png is None or mesh.uv is None:
        return _text(mesh, False, tick)
    material = MATERIAL.format(picture="model.png").encode()
    return pack({"model.obj": _text(mesh, True, tick), "model.mtl": material, "model.png": png})


def pack(files: dict[str, bytes]) -> bytes:
    """A zip of `files` that depends on nothing but their names and bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return out.getvalue()


def unpack(data: bytes, name: str) -> dict[str, bytes]:
    """The files of our zip under `name` (`robot.obj`), with material and picture named after it, the OBJ last."""
    beside = re.sub(r"\s", "_", name.rpartition(".")[0])  # readers split these lines at spaces
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        text, material, png = (archive.read(f"model.{suffix}") for suffix in ("obj", "mtl", "png"))
    text = text.replace(b"mtllib model.mtl", f"mtllib {beside}.mtl".encode(), 1)
    material = material.replace(b"map_Kd model.png", f"map_Kd {beside}.png".encode(), 1)
    return {f"{beside}.png": png, f"{beside}.mtl": material, name: text}


def is_zip(data: bytes) -> bool:
    """Whether `data` begins as a zip does."""
    return data[:4] == b"PK\3\4"


def _text(mesh: Mesh, has_picture: bool, tick: Tick) -> bytes:
    welded, _ = merge_vertices(mesh)
    corners = [welded.faces, mesh.faces, welded.faces] if has_picture else [welded.faces, welded.faces]
    parts = [f"# fourview {__version__}\n", "mtllib model.mtl\n" if has_picture else "", "o model\n"]
    # Nine digits bring a float32 back to the last bit.
    parts += _lines("v %.9g %.9g %.9g\n", welded.vertices, tick)
    if has_picture and mesh.uv is not None:
        parts += _lines("vt %.9g %.9g\n", mesh.uv, tick)
    parts += _lines("vn %.5g %.5g %.5g\n", vertex_normals(welded), tick)
    parts.append("usemtl surface\n" if has_picture else "")
    line = "f %d/%d/%d %d/%d/%d %d/%d/%d\n" if has_picture else "f %d//%d %d//%d %d//%d\n"
    parts += _lines(line, np.stack(corners, axis=2).reshape(len(mesh.faces), -1) + 1, tick)
    return "".join(parts).encode()


def _lines(line: str, values: Float | Int, tick: Tick) -> Iterator[str]:
    """`line` once for each row of `values (n, c)`."""
    for start in range(0, len(values), BATCH):
        tick(0.9)
        rows = values[start : start + BATCH]
        yield (line * len(rows)) % tuple(rows.ravel().tolist())
