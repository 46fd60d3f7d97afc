# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What messages call the file in a field of a request: a picture or a mesh.

Owns      the noun, the error of each, the advice for a file that is too large.
Not here  the messages (`inputs`, `outbound.fetch`).
"""

from dataclasses import dataclass

from fourview import kinds
from fourview.errors import MeshError, PictureError


@dataclass(frozen=True)
class Noun:
    """`smaller`: what a client does about a file that is too large. `media_type`: an example of one."""

    name: str
    error: type[PictureError] | type[MeshError]
    smaller: str
    media_type: str

    def __str__(self) -> str:
        return self.name

    def of(self, field: str) -> str:
        """How a message begins that is about the file in `field`: "the 'front' picture", "the mesh"."""
        return f"the {self.name}" if field == self.name else f"the '{field}' {self.name}"


PICTURE = Noun("picture", PictureError, "scale it down, or save it as JPEG", "image/png")
MESH = Noun("mesh", MeshError, "give it fewer faces, or save it as GLB", "model/gltf-binary")


def noun_of(name: str) -> Noun:
    """The noun of an input by its name in `kinds`, a side or `mesh`."""
    return MESH if name == kinds.MESH else PICTURE
