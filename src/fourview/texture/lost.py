# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Thin parts of the outlines that the model lacks.

Owns      the comparison of mattes with the model's silhouettes where they are thin, and the warning.
Not here  whole silhouettes, whose intersection over union is in the report (`project`).

Wires, antennas, straws: what is thinner than a few cells can fall between the samples, or be lost where the outlines
of two sides place it differently. A rim that is off by a cell does not count, nor does a stray pixel.
"""

from collections.abc import Sequence

import mahotas
import numpy as np

from fourview.arrays import Bool
from fourview.mesh.mesh import Mesh
from fourview.notice import Notice
from fourview.texture.rasterize import nearest_faces
from fourview.views.camera import project
from fourview.views.outline import main_parts
from fourview.views.view import View

THIN_CELLS = 3.0  # strokes up to this wide are thin
OFF_CELLS = 1.5  # distance from the model's silhouette up to which nothing counts as lost
LONG_CELLS = 6.0  # lost strokes shorter than this give no notice


def thin_parts_lost(mesh: Mesh, views: Sequence[View], cell: float) -> list[Notice]:
    """A notice where the mattes show strokes that `mesh` lacks; `cell` is the side of a cell, box units."""
    counts = {view.name: _lost_px(mesh, view, cell) for view in views}
    shares = {name: lost / thin for name, (lost, thin) in counts.items() if lost}
    if not shares:
        return []
    worst = max(shares, key=lambda name: shares[name])
    each = ", ".join(f"{name} {share:.0%} ({counts[name][0]} px)" for name, share in shares.items())
    message = (
        f"of the strokes up to {THIN_CELLS:g} cells wide the model lacks {each}; a higher octree_resolution or thicker"
        " strokes keep them"
    )
    return [Notice("thin_parts_lost", message, worst)]


def _lost_px(mesh: Mesh, view: View, cell: float) -> tuple[int, int]:
    """How many pixels of thin strokes are lost, and how many there are."""
    height, width = view.matte.shape
    cell_px = cell * width / (2 * view.camera.half_extent[0])
    step = max(1, min(int(cell_px / 2), min(height, width) // 16))  # finer pictures add nothing
    inside = main_parts(view.name, view.matte)[step // 2 :: step, step // 2 :: step] >= 0.5
    xy, _ = project(view.camera, mesh.vertices, (width, height))
    covered = nearest_faces(xy / step, None, mesh.faces, (inside.shape[1], inside.shape[0])) >= 0
    cell_px /= step
    thin = inside & ~_near(_deep(inside, THIN_CELLS / 2 * cell_px), THIN_CELLS / 2 * cell_px + 1)
    lost = thin & ~_near(covered, OFF_CELLS * cell_px + 1)
    labels, count = mahotas.label(lost, np.ones((3, 3), bool))
    if not count:
        return 0, 0
    spans = mahotas.labeled.bbox(labels)[1:]  # (parts, 4)
    is_long = np.maximum(spans[:, 1] - spans[:, 0], spans[:, 3] - spans[:, 2]) >= LONG_CELLS * cell_px
    long_px = np.count_nonzero(np.append(False, is_long)[labels])
    return int(long_px) * step**2, int(np.count_nonzero(thin)) * step**2


def _deep(region: Bool, px: float) -> Bool:
    """The pixels of `region` that are more than `px` off its edge; beyond the picture it ends."""
    padded = np.pad(region, 1)
    deep: Bool = mahotas.distance(padded)[1:-1, 1:-1] > px**2
    return deep


def _near(region: Bool, px: float) -> Bool:
    """The pixels at most `px` from `region`."""
    if not region.any():
        return np.zeros_like(region)
    near: Bool = mahotas.distance(~region) <= px**2
    return near
