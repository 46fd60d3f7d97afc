# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The bytes of a glTF become arrays of numbers: buffers, views, accessors, and two kinds of compression.

Owns      strides, sparse and normalised numbers, data: URIs, Draco and meshopt.
Not here  what arrays mean (`gltf`).

The decoders come with the extra [gltf]: wheels of the libraries that the extensions were made with.
"""

import base64
import importlib
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import numpy as np

from fourview.arrays import Float, Int
from fourview.errors import MeshError
from fourview.formats.readers.scene import Files, Limits
from fourview.install import install_line

Json = dict[str, Any]

DRACO = "KHR_draco_mesh_compression"
MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
COMPONENTS = {5120: "i1", 5121: "u1", 5122: "i2", 5123: "u2", 5124: "i4", 5125: "u4", 5126: "f4", 5130: "f8"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
# Attributes that are shares of one where they are integers, whether the accessor says so or not.
SHARES = ("COLOR", "WEIGHTS")
UNPACK = "export it again without compression"


class Arrays:
    """The arrays of a file, by their numbers in its JSON."""

    def __init__(self, tree: Json, blob: bytes | None, files: Files, limits: Limits) -> None:
        self._tree, self._blob, self._files, self.limits = tree, blob, files, limits
        self._buffers: dict[int, bytes] = {}
        self._unpacked: dict[int, bytes] = {}

    def check(self, shapes: list[Json]) -> None:
        """Raise `MeshError` where there are too many shapes, or too many numbers, each as often as a shape names it."""
        self.limits.parts(len(shapes))
        sizes = [self.count(k) * WIDTHS[each["type"]] for k, each in enumerate(self._tree.get("accessors", ()))]
        named = [index for shape in shapes for index in (*shape["attributes"].values(), shape.get("indices"))]
        self.limits.numbers(sum(sizes) + sum(sizes[index] for index in named if index is not None))

    def count(self, index: int | None) -> int:
        """How many rows an array has; 0 where there is none."""
        return 0 if index is None else max(0, int(self._tree["accessors"][index]["count"]))

    def is_there(self, index: int) -> bool:
        """Whether the file has bytes for an array; without them it is zero everywhere."""
        accessor = self._tree["accessors"][index]
        return "bufferView" in accessor or "sparse" in accessor

    def floats(self, index: int, name: str = "") -> Float:
        """An array `(n, c)` for the attribute `name`."""
        return self.as_accessor(self.stored(index), index, name)

    def as_accessor(self, stored: Float | Int, index: int, name: str) -> Float:
        """Numbers as the accessor means them; integers that are normalised, or are shares, become 0..1 or -1..1."""
        accessor = self._tree["accessors"][index]
        kind = COMPONENTS[accessor["componentType"]]
        values: Float = stored.reshape(len(stored), -1).astype(np.float64)
        if kind[0] == "f" or not (accessor.get("normalized") or name.startswith(SHARES)):
            return values
        full = 2 ** (8 * int(kind[1]) - (kind[0] == "i")) - 1
        scaled: Float = np.maximum(values / full, -1)
        return scaled

    def stored(self, index: int) -> Float | Int:
        """An array `(n, c)` as it is stored."""
        accessor = self._tree["accessors"][index]
        count, width = self.count(index), WIDTHS[accessor["type"]]
        kind = np.dtype("<" + COMPONENTS[accessor["componentType"]])
        if "bufferView" in accessor:
            rows = self._rows(accessor["bufferView"], accessor.get("byteOffset", 0), count, kind, width)
        else:
            rows = np.zeros((count, width), kind)
        if (sparse := accessor.get("sparse")) is not None:
            rows = rows.copy()
            at, values = sparse["indices"], sparse["values"]
            index_kind = np.dtype("<" + COMPONENTS[at["componentType"]])
            number = self._rows(at["bufferView"], at.get("byteOffset", 0), sparse["count"], index_kind, 1)
            rows[number[:, 0]] = self._rows(
                values["bufferView"], values.get("byteOffset", 0), sparse["count"], kind, width
            )
        return rows

    def view(self, index: int) -> bytes:
        """The bytes of a buffer view, unpacked."""
        view = self._tree["bufferViews"][index]
        name = next((name for name in MESHOPT if name in view.get("extensions", {})), None)
        if name is None:
            return self._slice(view)
        if index not in self._unpacked:
            self._unpacked[index] = self._unmeshopted(view["extensions"][name], name)
        return self._unpacked[index]

    def bytes_at(self, uri: str) -> bytes | None:
        """The bytes of a data: URI, or of the file beside the mesh that `uri` names; None where there is none."""
        if not uri.startswith("data:"):
            found = self._files.find(unquote(uri))
            return found if found is not None else self._files.find(uri)
        head, _, body = uri.partition(",")
        return base64.b64decode(body) if head.endswith(";base64") else unquote_to_bytes(body)

    def _rows(self, view: int, offset: int, count: int, kind: np.dtype[Any], width: int) -> Float | Int:
        data, stride = self.view(view), self._tree["bufferViews"][view].get("byteStride") or kind.itemsize * width
        if count == 0:
            return np.zeros((0, width), kind)
        if offset < 0 or stride < 0 or offset + stride * (count - 1) + kind.itemsize * width > len(data):
            raise ValueError(f"an array of {count} rows needs more than the {len(data)} bytes it has")
        return np.ndarray((count, width), kind, data, offset, (stride, kind.itemsize))

    def _slice(self, view: Json) -> bytes:
        data, start = self._buffer(view["buffer"]), int(view.get("byteOffset", 0))
        if start < 0 or start + view["byteLength"] > len(data):
            raise ValueError(f"bytes {start} to {start + view['byteLength']} of {len(data)} are asked for")
        return data[start : start + view["byteLength"]]

    def _buffer(self, index: int) -> bytes:
        if index not in self._buffers:
            uri = self._tree["buffers"][index].get("uri")
            data = self.bytes_at(uri) if uri is not None else self._blob
            if data is None and uri is not None:
                raise MeshError(
                    f"the glTF keeps its shape in the file '{unquote(uri)[:80]}', which did not come with it: send a "
                    "GLB, or a zip of all files"
                )
            if data is None:
                raise ValueError(f"buffer {index} has no bytes")
            self._buffers[index] = data
        return self._buffers[index]

    def _unmeshopted(self, packed: Json, name: str) -> bytes:
        count, stride = int(packed["count"]), int(packed["byteStride"])
        self.limits.numbers(count * stride)
        meshopt = _decoder("meshopt", name)
        filtered = packed.get("filter", "NONE")
        try:
            rows = meshopt.decode_gltf_buffer(
                self._slice(packed), count, stride, packed["mode"], None if filtered == "NONE" else filtered
            )
        except Exception as error:  # whatever a damaged file makes of a decoder
            raise _damaged(name, error) from error
        if packed["mode"] != "ATTRIBUTES":
            rows = np.asarray(rows).ravel().astype(f"<u{stride}")
        return np.ascontiguousarray(rows).tobytes()


def drawn(arrays: Arrays, primitive: Json) -> tuple[Int | None, dict[str, Float]]:
    """The indices of a primitive, or None, and its attributes, whatever they are packed with."""
    names = primitive["attributes"]
    packed = primitive.get("extensions", {}).get(DRACO)
    if packed is not None and "POSITION" in names and not arrays.is_there(names["POSITION"]):
        return _undracoed(arrays, primitive, packed)
    indices = arrays.stored(primitive["indices"]).astype(np.int64) if "indices" in primitive else None
    return indices, {name: arrays.floats(index, name) for name, index in names.items() if _counts(name)}


def _undracoed(arrays: Arrays, primitive: Json, packed: Json) -> tuple[Int | None, dict[str, Float]]:
    draco, names = _decoder("DracoPy", DRACO), primitive["attributes"]
    try:
        mesh = draco.decode(arrays.view(packed["bufferView"]))
        faces = np.asarray(mesh.faces).reshape(-1, 3)
        arrays.limits.faces(len(faces))
        held = {
            name: mesh.get_attribute_by_unique_id(k)["data"]
            for name, k in packed["attributes"].items()
            if _counts(name)
        }
    except MeshError:
        raise
    except Exception as error:  # whatever a damaged file makes of a decoder
        raise _damaged(DRACO, error) from error
    attributes = {name: arrays.as_accessor(data, names[name], name) for name, data in held.items() if name in names}
    return faces, attributes


def _counts(name: str) -> bool:
    """Whether a shape at rest with a base colour depends on an attribute."""
    return name == "POSITION" or name.startswith(("TEXCOORD_", "COLOR_0", "JOINTS_", "WEIGHTS_"))


def _decoder(module: str, extension: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MeshError(
            f"the mesh is compressed with {extension}, and its decoder is not installed: "
            f"{install_line('gltf')}, or {UNPACK}"
        ) from error


def _damaged(extension: str, error: Exception) -> MeshError:
    reason = " ".join(str(error).split())[:80]
    return MeshError(f"the {extension} data of the mesh cannot be decoded ({reason}): {UNPACK}")
