# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Reduce a mesh to a requested number of faces.

Owns      the promise about the count, and three steps: a fast start, a repair, an exact finish.
Not here  which edges are collapsed at the end (`collapse`), how pinches are repaired (`repair`), the proof (`measure`).

`fast-simplification` takes the first steps: about a microsecond a face, but it pinches a few dozen edges of a real hull
and cannot promise a count. `docs/how/simplify.md` compares it with its rivals.
"""

import fast_simplification
import numpy as np

from fourview import killable_call
from fourview.arrays import Float, Int
from fourview.mesh.collapse import collapse, squeeze
from fourview.mesh.crumbs import part_volumes
from fourview.mesh.mesh import Mesh, face_areas, keep_faces
from fourview.mesh.repair import insert_middles, make_manifold, pair_all, settle
from fourview.mesh.topology import half_edges, label_parts
from fourview.notice import Notice
from fourview.progress import Tick, no_tick

LOWEST_SHARE = 0.98  # of the target: the result has at least so many faces
# Faces left to our own collapse, which is better and slower; the larger numbers are tried where a component was lost.
LEFT = (60_000, 240_000, 960_000)
CHILD_FACES = 650_000  # the fast start takes 0.7 s for so many; larger meshes run where they can be stopped
TRIES = 40  # times the topology may be simplified
BITE = 4  # each time, one in so many of the surplus edges is collapsed
SPLINTER = 0.005  # of the largest component's area: smaller components may be lost, it cannot be seen


def simplify(mesh: Mesh, target_face_num: int, tick: Tick = no_tick) -> tuple[Mesh, list[Notice]]:
    """The mesh with at most `target_face_num` faces and at least 98 % of them; itself if it has no more to begin with.

    Expects one vertex a position. A closed mesh comes back closed and 2-manifold, with no more components than it had.
    Its holes and components stay as long as the target allows. A notice says where the target was missed.
    """
    if len(mesh.faces) <= target_face_num:
        return mesh, []
    vertices: Float = mesh.vertices.astype(np.float64)
    faces = mesh.faces
    parts = int(label_parts(faces, len(vertices)).max()) + 1
    sound = None
    for left in LEFT:
        if sound is None and len(faces) > 2 * left + target_face_num:
            sound = fast_start(vertices, faces, target_face_num + left, parts, tick)
    sound = sound or make_manifold(vertices, faces, tick=lambda _: tick(0.5))
    if sound is None:
        vertices, faces = fewer_faces(vertices, faces, target_face_num)
    else:
        vertices, faces = finish(*sound, target_face_num, parts, tick)
    small = keep_faces(Mesh(vertices, faces), np.ones(len(faces), bool))
    tick(1.0)
    small = Mesh(settle(small.vertices), small.faces)
    count = len(faces)
    if LOWEST_SHARE * target_face_num <= count <= target_face_num:
        return small, []
    why = "is not closed" if sound is None else "has too many holes and parts"
    message = f"{count} faces instead of {target_face_num}: the mesh {why}; ask for at least {count} faces"
    return small, [Notice("face_target_missed", message, "target_face_num")]


def fast_start(vertices: Float, faces: Int, target: int, parts: int, tick: Tick) -> tuple[Float, Int] | None:
    """About `target` faces, closed and 2-manifold, at most `parts` components; None if more than splinters went."""
    if len(faces) > CHILD_FACES:
        pinched = killable_call.call(fewer_faces, vertices, faces, target, tick=tick)
    else:
        pinched = fewer_faces(vertices, faces, target)
    sound = make_manifold(*pinched, tick=lambda _: tick(0.5))
    return sound and largest_parts(*sound, parts, SPLINTER)


def fewer_faces(vertices: Float, faces: Int, target: int) -> tuple[Float, Int]:
    """About `target` faces, closed if the mesh was, but perhaps pinched."""
    points, triangles = fast_simplification.simplify(vertices, faces, target_count=target)
    return points.astype(np.float64), triangles.astype(np.int32)


def largest_parts(vertices: Float, faces: Int, count: int, splinter: float) -> tuple[Float, Int] | None:
    """The `count` largest components by volume; None if another has more than `splinter` of the largest one's area."""
    mesh = Mesh(vertices, faces)
    part = label_parts(faces, len(vertices))
    volume = abs(part_volumes(mesh, part))
    if len(volume) <= count:
        return vertices, faces
    area = np.bincount(part, face_areas(mesh))
    keep = np.zeros(len(volume), bool)
    keep[np.argsort(-volume, kind="stable")[:count]] = True
    if area[~keep].max() > splinter * area.max():
        return None
    return vertices, faces[keep[part]]


def finish(vertices: Float, faces: Int, target: int, parts: int, tick: Tick) -> tuple[Float, Int]:
    """The closed 2-manifold with `target` faces, or one less if that is odd.

    Where every remaining edge would tear or fold the mesh, some of the cheapest are collapsed all the same, and the
    repair closes holes or, in turn, cuts handles. As long as that does not help, more edges are collapsed and larger
    components may be lost. If too few faces are left in the end, the longest edges are halved.
    """
    vertices, faces = collapse(vertices, faces, target, lambda done: tick(0.5 + done / 2))
    more, cut = 1, False
    for _ in range(TRIES):
        if len(faces) <= target:
            break
        tick(1.0)
        before = len(faces)
        torn = squeeze(vertices, faces, more + (before - target) // BITE)
        mended = make_manifold(*torn, cut)
        whole = mended and largest_parts(*mended, parts, SPLINTER * more)
        if whole:
            vertices, faces = collapse(*whole, target)
        if whole and len(faces) < before:
            more = 1
        else:
            more, cut = more * 2 if cut else more, not cut
    while len(faces) < LOWEST_SHARE * target and (pairs := pair_all(vertices, faces)) is not None:
        up, down, _ = pairs
        start, end = half_edges(faces)
        longest = np.argsort(-np.linalg.norm(vertices[start[up]] - vertices[end[up]], axis=1), kind="stable")
        halved = longest[: (target - len(faces)) // 2]
        vertices, faces = insert_middles(vertices, faces, up[halved], down[halved], 0.0)
    return vertices, faces
