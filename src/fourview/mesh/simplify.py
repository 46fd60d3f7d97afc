"""Bring a mesh to the number of faces that was asked for.

Owns      the promise about the count, and the way there: a fast start, a repair, an exact finish.
Not here  which edges go at the end (`collapse`), how pinches are undone (`repair`), proof (`measure`).

`fast-simplification` takes the first steps: about a microsecond a face, but it pinches a few dozen edges of a real hull
and cannot promise a count. `docs/simplify.md` compares it with its rivals.
"""

import fast_simplification
import numpy as np

from fourview import child
from fourview.arrays import Float, Int
from fourview.mesh.collapse import collapse
from fourview.mesh.crumbs import drop_crumbs
from fourview.mesh.measure import measure
from fourview.mesh.mesh import Mesh, keep_faces
from fourview.mesh.repair import make_manifold, settle
from fourview.notice import Notice
from fourview.progress import Tick, no_tick

LOWEST_SHARE = 0.98  # of the target, that the result has at least
LEFT_TO_FINISH = 2.0  # the fast start stops at so many times the target ...
LEFT_AT_MOST = 30_000  # ... but leaves no more faces than this to the finish, which is slower
CHILD_FACES = 500_000  # the fast start takes about half a second for so many: more run where they can be killed


def simplify(mesh: Mesh, target_face_num: int, tick: Tick = no_tick) -> tuple[Mesh, list[Notice]]:
    """The mesh with at most `target_face_num` faces and at least 98 % of them; itself if it has no more to begin with.

    Expects one vertex a position. What is closed and 2-manifold stays so; what is not comes as near as it can. What is
    missed is said in a notice.
    """
    if len(mesh.faces) <= target_face_num:
        return mesh, []
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces
    start = target_face_num + min(int((LEFT_TO_FINISH - 1) * target_face_num), LEFT_AT_MOST)
    if len(faces) > start:
        if len(faces) > CHILD_FACES:
            vertices, faces = child.call(fast_start, vertices, faces, start, tick=tick)
        else:
            vertices, faces = fast_start(vertices, faces, start)
    tick(0.5)
    sound = make_manifold(vertices, faces)
    if sound is not None:
        vertices, faces = collapse(*sound, target_face_num, lambda done: tick(0.5 + done / 2))
    small = keep_faces(Mesh(vertices, faces), np.ones(len(faces), bool))
    small = Mesh(settle(small.vertices), small.faces)
    return small, missed(small, target_face_num)


def fast_start(vertices: Float, faces: Int, target: int) -> tuple[Float, Int]:
    """About `target` faces, closed if the mesh was, but perhaps pinched."""
    vertices, faces = fast_simplification.simplify(vertices, faces, target_count=target)
    return vertices.astype(np.float64), faces.astype(np.int32)


def missed(mesh: Mesh, target: int) -> list[Notice]:
    """What the result does not keep of the promise, and why."""
    count = len(mesh.faces)
    if LOWEST_SHARE * target <= count <= target:
        return []
    health = measure(mesh)
    if not health.watertight or not health.manifold:
        why = "the mesh is not closed"
    else:
        holes = health.components - health.euler // 2
        why = f"its {health.components} parts with {holes} holes through them need more"
    message = f"{count} faces instead of {target}: {why}; ask for at least {count} faces"
    return [Notice("face_target_missed", message, "target_face_num")]
