# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Where our cleaning does what the official one does, it comes to the same."""

from collections import Counter

import numpy as np
import pytest
from parity.golden import Recording, distance, recordings

from fourview.mesh.crumbs import drop_crumbs
from fourview.mesh.mesh import Mesh, keep_faces, merge_vertices
from fourview.mesh.simplify import simplify

FLOATER_RATIO = 0.005
POSITION = 1e-6  # float32 through the official filters
NEARNESS = 1.5  # times as far as the official reduction is from what was reduced, plus a thousandth of its size


@pytest.mark.parametrize("path", recordings("mesh"))
def test_cleaning_comes_to_what_the_official_one_comes_to(path):
    with Recording(path) as recording:
        if "floater.in.vertices" in recording:
            check_floaters(recording)
        if "degenerate.in.vertices" in recording:
            check_degenerate(recording)
        for key in recording.named("reduce", ".out.faces"):
            check_reduction(recording, key.removesuffix(".out.faces"))
        for key in recording.named("reduce", ".out.n_faces"):
            mesh = read(recording, "floater.in")
            assert len(simplify(mesh, int(recording[key]))[0].faces) == len(mesh.faces) == int(recording[key])


def read(recording, name):
    return Mesh(recording[f"{name}.vertices"].numpy(), recording[f"{name}.faces"].numpy())


def check_floaters(recording):
    """The same parts survive if parts are measured as official code does: by their faces, not by their area."""
    ours, _ = drop_crumbs(read(recording, "floater.in"), FLOATER_RATIO, size=lambda mesh: np.ones(len(mesh.faces)))

    assert triangles(ours) == triangles(read(recording, "floater.out")), "floaters: other parts survive"


def check_degenerate(recording):
    """One vertex a position, no face that has a vertex twice, no vertex that no face has; all else stays."""
    merged, _ = merge_vertices(read(recording, "degenerate.in"))
    a, b, c = merged.faces.T
    ours = keep_faces(merged, (a != b) & (b != c) & (c != a))

    official = read(recording, "degenerate.out")
    assert len(ours.vertices) == len(official.vertices), "degenerate: another number of vertices"
    assert triangles(ours) == triangles(official), "degenerate: other faces"


def check_reduction(recording, name):
    """As many faces, and about as near to what was reduced."""
    full, official = read(recording, "floater.in"), read(recording, f"{name}.out")
    target = int(name.removeprefix("reduce"))

    ours, _ = simplify(full, target)

    found = len(ours.faces)
    assert found in (target, len(official.faces)), f"{name}: {found} faces, recorded {len(official.faces)}"
    size = np.ptp(full.vertices, axis=0).max()
    theirs_off, off = apart(official, full), apart(ours, full)
    assert off <= NEARNESS * theirs_off + 1e-3 * size, f"{name}: {off:.3g} from the surface, official {theirs_off:.3g}"


def apart(a, b):
    """Hausdorff distance, from the vertices and the middles of the faces of each."""
    return max(distance(points(x), y.vertices, y.faces).max() for x, y in ((a, b), (b, a)))


def points(mesh):
    return np.concatenate([mesh.vertices, mesh.vertices[mesh.faces].mean(axis=1)])


def triangles(mesh):
    """The faces by their corners' positions, however numbered and wherever begun, with how often each is there."""
    corners = np.rint(mesh.vertices[mesh.faces] / POSITION).astype(int).tolist()
    return Counter(min((*t[k:], *t[:k]) for k in range(3)) for t in (tuple(map(tuple, face)) for face in corners))
