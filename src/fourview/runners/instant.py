# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The double of all engines: a small box, whatever the pictures show, after as many seconds as it is told.

Owns      the device `instant` and `instant:SECONDS`, its stages, a box in every format, a plain picture.
Not here  the process around it, which is the real one (`process`).

For tests and measurements of the doors. Orders are read as an engine reads them: unknown parameters, missing or foreign
files are refused with the errors that an engine has for them. It starts without numpy, in a tenth of a second.
"""

import json
import os
import platform
import secrets
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fourview import __version__
from fourview.errors import MeshError, PictureError
from fourview.progress import STAGES, CancelToken, Event, Journey, Tick
from fourview.recipe import SEED_MAX, Recipe, flat, parameters
from fourview.work import Ability, Kind, MadeFile, Outcome, Work

LICENCE = "Apache-2.0"
TICK_S = 0.05
STEPS = 5  # of the stage `denoise`
STAGES_OF: dict[Kind, tuple[str, ...]] = {
    "generate": STAGES,
    "retexture": ("fetch", "matte", "texture", "export"),
    "simplify": ("fetch", "simplify", "texture", "export"),
    "convert": ("fetch", "export"),
    "preview": ("fetch", "matte"),
    "format": ("fetch", "export"),
}
PICTURE_HEADS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")

# The box, metres: right, up and front of its middle; corner k has them where bits 0, 1 and 2 of k are set.
HALF = (0.3, 0.5, 0.2)
CORNERS = [tuple(half if k >> axis & 1 else -half for axis, half in enumerate(HALF)) for k in range(8)]
SIDES = [(0, 4, 6, 2), (1, 3, 7, 5), (0, 1, 5, 4), (2, 6, 7, 3), (0, 2, 3, 1), (4, 5, 7, 6)]  # seen from outside
FACES = [face for a, b, c, d in SIDES for face in ((a, b, c), (a, c, d))]
HEALTH: dict[str, Any] = {
    "faces": 12, "vertices": 8, "watertight": True, "manifold": True, "components": 1, "euler": 2,
    "volume": 64 * HALF[0] * HALF[1] * HALF[2],  # box units: the longest side is 2
    "bounds": [[-2 * half for half in HALF], [2 * half for half in HALF]], "degenerate": 0,
}  # fmt: skip


class Instant:
    """What a process of the device `instant` does."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._seconds = float(device.partition(":")[2] or 0)

    def ability(self) -> Ability:
        """Everything."""
        engine = {"installed": True, "version": __version__, "licence": LICENCE, "lacks": None}
        names = next(k.choices for k in parameters() if k.name == "engine")
        about = {"device": self._device, "host": platform.node(), "pid": os.getpid(), "version": __version__}
        return Ability((*names, "mesh"), {**about, "engines": dict.fromkeys(names, engine)})

    def warm_up(self) -> None:
        """Nothing."""

    def execute(self, work: Work, watch: Callable[[Event], None], cancel: CancelToken) -> Outcome:
        """The box, or plain pictures."""
        recipe = Recipe.of(**work.parameters)
        is_generate = work.kind == "generate"
        journey = Journey(watch, cancel, recipe.shape.engine if is_generate else "mesh")
        stages = STAGES_OF[work.kind]
        files: list[MadeFile] = []
        for stage in stages:
            with journey.stage(stage, STEPS if stage == "denoise" else 0) as tick:
                if stage == "fetch":
                    _check(work)
                _spend(self._seconds / len(stages), tick)
                if stage == stages[-1]:
                    files = _write(work, recipe.export.file_type)
        if work.kind == "preview":
            return Outcome("done", tuple(files), {"warnings": []})
        seed = None
        if is_generate:
            seed = secrets.randbelow(SEED_MAX) if recipe.shape.seed == -1 else recipe.shape.seed
        report: dict[str, Any] = {
            "version": __version__,
            "engine": {"name": recipe.shape.engine if is_generate else "mesh", "version": "1", "licence": LICENCE},
            "recipe": flat(recipe), "seed_used": seed, "timings_s": journey.timings_s, "mesh": HEALTH,
            "faces_extracted": len(FACES), "seen": None, "silhouette_iou": {}, "warnings": [],
        }  # fmt: skip
        return Outcome("done", tuple(files), report, seed)


def _spend(seconds: float, tick: Tick) -> None:
    began = time.monotonic()
    while (left := seconds - (time.monotonic() - began)) > 0:
        tick(1 - left / seconds)
        time.sleep(min(left, TICK_S))


def _check(work: Work) -> None:
    """Raise what an engine would where the files are not of the right kind."""
    if work.kind in ("generate", "retexture", "preview") and "front" not in work.inputs:
        raise PictureError("the 'front' picture is missing; it is required: give the object's front")
    for name, path in work.inputs.items():
        error = MeshError if name == "mesh" else PictureError
        try:
            with open(path, "rb") as file:
                head = file.read(16)
        except OSError as fault:
            raise error(f"the '{name}' cannot be read ({fault.strerror}): check the path") from fault
        if name == "mesh" and (not head or (path.suffix == ".glb" and not head.startswith(b"glTF"))):
            raise MeshError(f"the mesh is no {path.suffix[1:]}: export it again as GLB, OBJ, PLY or STL")
        if name != "mesh" and not head.startswith(PICTURE_HEADS):
            raise PictureError(f"the '{name}' picture is of an unknown kind; PNG, JPEG or WebP is needed")


def _write(work: Work, file_type: str) -> list[MadeFile]:
    if work.kind == "preview":
        return [
            _put(work.folder, f"{side}_{what}.png", "png", _png(channels))
            for side in work.inputs
            for what, channels in (("matte", 1), ("cutout", 4))
        ]
    model = _put(work.folder, f"model.{file_type}", file_type, _BOX[file_type]())
    if work.kind == "format":
        return [model]
    glb = [] if file_type == "glb" else [_put(work.folder, "model.glb", "glb", _glb())]
    return [model, *glb, _put(work.folder, "preview.png", "png", _png(3))]


def _put(folder: Path, name: str, file_format: str, data: bytes) -> MadeFile:
    path = folder / name
    path.write_bytes(data)
    return MadeFile(name, file_format, path)


def _glb() -> bytes:
    blob = b"".join(struct.pack("<3f", *corner) for corner in CORNERS)
    blob += b"".join(struct.pack("<3H", *face) for face in FACES)
    gltf = {
        "asset": {"version": "2.0", "generator": f"fourview {__version__} instant"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": len(CORNERS), "type": "VEC3",
             "min": [_f32(-half) for half in HALF], "max": [_f32(half) for half in HALF]},
            {"bufferView": 1, "componentType": 5123, "count": 3 * len(FACES), "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 12 * len(CORNERS), "target": 34962},
            {"buffer": 0, "byteOffset": 12 * len(CORNERS), "byteLength": 6 * len(FACES), "target": 34963},
        ],
        "buffers": [{"byteLength": len(blob)}],
    }  # fmt: skip
    text = json.dumps(gltf).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(blob))
    return b"".join(
        [head, struct.pack("<I4s", len(text), b"JSON"), text, struct.pack("<I4s", len(blob), b"BIN\0"), blob]
    )


def _f32(value: float) -> float:
    """`value` as a float32 holds it."""
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def _obj() -> bytes:
    corners = "".join("v {} {} {}\n".format(*corner) for corner in CORNERS)
    return (corners + "".join(f"f {a + 1} {b + 1} {c + 1}\n" for a, b, c in FACES)).encode()


def _ply() -> bytes:
    head = [
        "ply", "format ascii 1.0", f"element vertex {len(CORNERS)}", *(f"property float {axis}" for axis in "xyz"),
        f"element face {len(FACES)}", "property list uchar int vertex_indices", "end_header",
    ]  # fmt: skip
    rows = ["{} {} {}".format(*corner) for corner in CORNERS] + ["3 {} {} {}".format(*face) for face in FACES]
    return ("\n".join(head + rows) + "\n").encode()


def _stl() -> bytes:
    corners = [(1000 * x, -1000 * z, 1000 * y) for x, y, z in CORNERS]  # millimetres, +Z up
    faces = [struct.pack("<12f2x", 0, 0, 0, *corners[a], *corners[b], *corners[c]) for a, b, c in FACES]
    return b"fourview instant, millimetres".ljust(80) + struct.pack("<I", len(FACES)) + b"".join(faces)


_BOX: dict[str, Callable[[], bytes]] = {"glb": _glb, "obj": _obj, "ply": _ply, "stl": _stl}


def _png(channels: int, side: int = 64) -> bytes:
    """A plain picture: grey (1 channel), RGB (3) or RGBA (4)."""
    rows = (b"\0" + b"\xb4" * (side * channels)) * side
    head = struct.pack(">IIBBBBB", side, side, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
