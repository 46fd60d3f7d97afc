# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Notices about what no picture shows: sides without a picture, and how much of the surface was made up.

Owns      these notices. Not here: how the surface was filled (`mirror`, `inpaint`, the engine for the shape).
"""

from collections.abc import Collection, Sequence

from fourview.arrays import Float
from fourview.mesh.mesh import Mesh, face_normals
from fourview.notice import Notice
from fourview.sides import SIDES
from fourview.views.camera import side_camera
from fourview.views.view import View


def sides_not_shown(mesh: Mesh, views: Sequence[View], unseen: Float, mirrored: Collection[str]) -> list[Notice]:
    """A notice for each side without a picture: how much of the surface it is, and how it was filled.

    `unseen (f,)`: how much of each face no view saw, shares of the surface.
    `mirrored`: the views whose colours were mirrored onto the other side.
    """
    given = {view.name for view in views}
    normal = face_normals(mesh)
    notices = []
    for name, side in ((n, s) for n, s in SIDES.items() if n not in given):
        toward = side_camera(side.azimuth_deg, (1.0, 1.0)).view_from_world[2, :3]
        turned = unseen[normal @ toward >= abs(normal).max(axis=1)].sum()
        other = side.opposite
        ways = [f"its outline is the mirrored {other} one" if other in given else "its shape is guessed"]
        if other in mirrored:
            ways.append(f"its colours are the mirrored {other} ones, lettering runs backwards")
        elif unseen is not None:
            ways.append("its colours are guessed from those beside it")
        message = (
            f"no picture shows the {name} side, {turned:.0%} of the surface: {', '.join(ways)}; add a '{name}' picture"
        )
        notices.append(Notice("side_not_shown", message, name))
    return notices


def much_unseen(seen: float, views: Sequence[View]) -> Notice:
    """The notice that more of the surface was made up than usual; `seen` is the share that a picture shows."""
    missing = [name for name in SIDES if name not in {view.name for view in views}]
    cure = f"add the {missing[0]} picture" if missing else "it faces up or down, or lies behind other parts"
    message = f"{1 - seen:.0%} of the surface is in no picture and took colours from beside or from the other side"
    return Notice("unseen_surface_filled", f"{message}; {cure}")
