# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Remove small components that float beside the object, and hollows inside it.

Owns      which components of a mesh are kept.
Not here  face count (`simplify`), noise in the field (`surface`).

A learned field is often faintly positive in empty space, and the surface closes around such places: these are the
crumbs. They share no vertex with the body, and their area is small. A hollow inside the body is a component too, but
wound the other way: its volume is negative. It cannot be seen or painted, and it would use faces of the budget, so it
is removed as well. Components as large as the body stay: four chairs in a picture are four chairs.
"""

from collections.abc import Callable

import numpy as np

from fourview.arrays import Bool, Float, Int
from fourview.mesh.mesh import Mesh, face_areas, keep_faces
from fourview.mesh.topology import label_parts


def drop_crumbs(mesh: Mesh, min_ratio: float = 0.005, size: Callable[[Mesh], Float] = face_areas) -> tuple[Mesh, int]:
    """The mesh without hollows and without components smaller than `min_ratio` of its largest; how many were removed.

    Expects one vertex a position. The size of a component is the sum of its faces' `size (f,)`; official
    post-processors count faces.
    """
    part, keep = worthy_parts(mesh, min_ratio, size)
    return (mesh, 0) if keep.all() else (keep_faces(mesh, keep[part]), int(len(keep) - keep.sum()))


def worthy_parts(mesh: Mesh, min_ratio: float = 0.005, size: Callable[[Mesh], Float] = face_areas) -> tuple[Int, Bool]:
    """The component of each face `(f,)`, and which components are neither crumbs nor hollows `(parts,)`."""
    part = label_parts(mesh.faces, len(mesh.vertices))  # (f,)
    count = int(part.max(initial=-1)) + 1
    if count < 2:
        return part, np.ones(count, bool)
    large = np.bincount(part, size(mesh))  # (parts,)
    hollow = part_volumes(mesh, part) < 0
    if not hollow.all():
        large[hollow] = 0.0
    return part, (large >= min_ratio * large.max()) & (large > 0)


def part_volumes(mesh: Mesh, part: Int) -> Float:
    """Volume of each component, `(parts,)` box units^3, negative if it is wound inside out; `part (f,)`."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    return np.bincount(part, np.einsum("ij,ij->i", a, np.cross(b, c))) / 6
