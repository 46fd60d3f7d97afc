# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The file types of a model: one entry each. Recipe, writer, HTTP, documentation and page read this table.

Owns      name, purpose, media type, axes and unit of each file type that is written.
Not here  the bytes (`formats.write.ENCODERS`), which files can be read (`formats.read`).

This file imports nothing heavy: the HTTP process reads it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class FileType:
    """One file type.

    `summary`: what it is for. `up`: the axis that points up where the recipe names none. `units_per_m`: how many units
    of the file are one metre.
    """

    name: str
    summary: str
    media_type: str
    up: str = "y"
    units_per_m: float = 1.0


FILE_TYPES: dict[str, FileType] = {
    file_type.name: file_type
    for file_type in (
        FileType("glb", "Blender and game engines", "model/gltf-binary"),
        FileType("obj", "older programs, a zip with its texture", "model/obj"),
        FileType("ply", "research, colours at the vertices", "application/octet-stream"),
        FileType("stl", "3D printing, no colours", "model/stl", up="z", units_per_m=1000.0),
    )
}
