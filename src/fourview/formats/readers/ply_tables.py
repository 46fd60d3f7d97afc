# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The tables of a PLY file: its header, and rows of numbers and lists, as text or binary.

Owns      types, byte orders, elements and their rows.
Not here  which columns mean what (`ply`).
"""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from fourview.arrays import Float, Int

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip

FULL = {"u1": 255, "u2": 65535}  # the code of full light; floats have 1


@dataclass
class Element:
    """One table of the file. `columns`: name, type, type of the count where it is a list."""

    name: str
    count: int
    columns: list[tuple[str, str, str | None]] = field(default_factory=list)

    def code_max(self, name: str) -> int:
        return FULL.get(next(kind for column, kind, _ in self.columns if column == name), 1)


Table = dict[str, "Float | Int | list[Float]"]  # a column of numbers, or of lists


def read_header(data: bytes) -> tuple[list[Element], str, list[str], bytes]:
    """The elements, the byte order ("=" for text), the names of pictures, and the bytes that follow."""
    head, found, body = data.partition(b"end_header")
    if not found:
        raise ValueError("its header has no end")
    body = body[2:] if body[:2] == b"\r\n" else body[1:]
    elements: list[Element] = []
    order, pictures = "=", []
    for line in head.decode("utf-8", "replace").splitlines():
        words = line.split()
        if words[:1] == ["format"]:
            order = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}[words[1]]
        elif words[:1] == ["element"]:
            elements.append(Element(words[1], max(0, int(words[2]))))
        elif words[:2] == ["property", "list"]:
            elements[-1].columns.append((words[4], TYPES[words[3]], TYPES[words[2]]))
        elif words[:1] == ["property"]:
            elements[-1].columns.append((words[2], TYPES[words[1]], None))
        elif len(words) > 2 and words[0] == "comment" and words[1].lower() == "texturefile":
            pictures.append(line.split(None, 2)[2])
    return elements, order, pictures, body


def text_tables(body: bytes, elements: list[Element]) -> dict[str, Table]:
    lines = (line for line in io.BytesIO(body) if line.strip())
    return {element.name: _text_table(lines, element) for element in elements}


def _text_table(lines: Iterator[bytes], element: Element) -> Table:
    rows = itertools.islice(lines, element.count)
    if not element.count:
        return {}
    if all(of_count is None for _, _, of_count in element.columns):
        numbers = np.loadtxt(rows, np.float64, comments=None, ndmin=2)
        if numbers.shape[0] != element.count or numbers.shape[1] < len(element.columns):
            raise ValueError(f"it has {numbers.shape[0]} of {element.count} rows of '{element.name}': it is cut off")
        return {name: numbers[:, k] for k, (name, _, _) in enumerate(element.columns)}
    texts = list(rows)
    if len(texts) != element.count:
        raise ValueError(f"it has {len(texts)} of {element.count} rows of '{element.name}': it is cut off")
    if (table := _uniform(texts, element)) is not None:
        return table
    cells: list[list[Float]] = [[] for _ in element.columns]
    for row in texts:
        numbers, at = np.array(row.split(), np.bytes_).astype(np.float64), 0
        for column, (_, _, of_count) in enumerate(element.columns):
            length = 1
            if of_count is not None:
                length, at = int(numbers[at]), at + 1
            cells[column].append(numbers[at : at + length])
            at += length
        if at > len(numbers):
            raise ValueError(f"a row of '{element.name}' is too short")
    return _as_table(element, cells)


def _uniform(rows: list[bytes], element: Element) -> Table | None:
    """Rows of text read at once, where every list is as long as that of the first row."""
    try:
        numbers = np.loadtxt(rows, np.float64, comments=None, ndmin=2)
    except ValueError:
        return None
    table: Table = {}
    at = 0
    for name, _, of_count in element.columns:
        if of_count is None:
            table[name], at = numbers[:, at], at + 1
            continue
        length = int(numbers[0, at])
        if (numbers[:, at] != length).any():
            return None
        table[name], at = numbers[:, at + 1 : at + 1 + length], at + 1 + length
    return table if at <= numbers.shape[1] else None


def binary_tables(body: bytes, elements: list[Element], order: str) -> dict[str, Table]:
    tables, at = {}, 0
    for element in elements:
        tables[element.name], at = _binary_table(body, at, element, order)
    return tables


def _binary_table(body: bytes, at: int, element: Element, order: str) -> tuple[Table, int]:
    """The rows from byte `at`, and where they end. Lists that are all as long as the first are read at once."""
    layout: list[tuple[str, str, tuple[int, ...]]] = []
    end = at
    for name, kind, of_count in element.columns:
        length = 1
        if of_count is not None:
            length = int(_numbers(body, end, order + of_count, 1)[0]) if element.count else 0
            layout.append((f"count of {name}", order + of_count, ()))
            end += np.dtype(of_count).itemsize
        layout.append((name, order + kind, () if of_count is None else (length,)))
        end += np.dtype(kind).itemsize * length
    dtype = np.dtype(layout)
    lists = [name for name, _, of_count in element.columns if of_count is not None]
    if len(body) - at >= dtype.itemsize * element.count:
        rows = np.frombuffer(body, dtype, element.count, at)
        if all((rows[f"count of {name}"] == dtype[name].shape[0]).all() for name in lists):
            return {name: rows[name] for name, _, _ in element.columns}, at + dtype.itemsize * element.count
    if not lists:
        raise ValueError(f"it ends within its {element.count} rows of '{element.name}': it is cut off")
    cells: list[list[Float]] = [[] for _ in element.columns]
    for _ in range(element.count):
        for column, (_, kind, of_count) in enumerate(element.columns):
            length = 1
            if of_count is not None:
                length = int(_numbers(body, at, order + of_count, 1)[0])
                at += np.dtype(of_count).itemsize
            cells[column].append(_numbers(body, at, order + kind, length))
            at += np.dtype(kind).itemsize * length
    return _as_table(element, cells), at


def _numbers(body: bytes, at: int, kind: str, count: int) -> Float:
    return np.frombuffer(body, kind, count, at) if count else np.zeros(0)


def _as_table(element: Element, cells: list[list[Float]]) -> Table:
    return {
        name: np.concatenate(cells[k]) if of_count is None else cells[k]
        for k, (name, _, of_count) in enumerate(element.columns)
    }
