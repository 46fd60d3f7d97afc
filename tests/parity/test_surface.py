# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Which points are near the surface, and where its vertices go, as the official code has it."""

import json

import pytest
import trimesh
from parity.golden import Recording, recordings
from parity.oracle import mapped
from skimage.measure import marching_cubes

from fourview.shape.hunyuan2mv import official

TOLERANCE = 1e-6
BOUNDS = 1.01
NOT_ASKED = -9000  # official fields hold -10000 where nothing was asked


@pytest.mark.parametrize("path", recordings("surface"))
def test_the_surface_is_where_the_official_one_is(path):
    with Recording(path) as recording:
        for key in recording.named("select.out.mask"):
            level = float(key.removeprefix("select.out.mask").removeprefix("_alpha_") or 0)
            field = recording["select.in.field"]
            recording.agree(key, official.near_surface(field, field > NOT_ASKED, level), 0)
        for key in recording.named("surface.", ".vertices"):
            check_surface(recording, key.removesuffix(".vertices"))


def check_surface(recording, name):
    kind = name.removeprefix("surface.")
    given = recording["surface.in.field_nan" if "nan" in kind else "surface.in.field"]  # (1, x, y, z)
    level = float(kind.removeprefix("level_")) if "level_" in kind else 0.0
    bounds = json.loads(recording.words.get(f"{name}.bounds", recording.words.get("bounds", str(BOUNDS))))

    cells, faces, _, _ = marching_cubes(given[0].numpy(), level)
    vertices = mapped(cells, int(recording.words["octree_resolution"]), bounds)
    if "trimesh" in kind:
        mesh = trimesh.Trimesh(vertices, faces[:, ::-1])
        vertices, faces = mesh.vertices, mesh.faces

    recording.agree(f"{name}.faces", faces, 0)
    recording.agree(f"{name}.vertices", vertices, TOLERANCE)
