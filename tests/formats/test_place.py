# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from formats.marked import HIGH, LOW, is_closed, marked

from fourview.formats.place import place
from fourview.mesh.mesh import Mesh
from fourview.recipe import ExportRecipe

LONGEST = (HIGH - LOW).max()


def bounds(mesh):
    return mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)


def test_the_longest_side_is_one_metre_to_the_last_bit_and_the_middle_is_the_origin():
    low, high = bounds(place(marked(), ExportRecipe()))

    assert (high - low)[1] == 1.0
    np.testing.assert_allclose(high - low, (HIGH - LOW) / LONGEST, atol=1e-6)
    np.testing.assert_allclose(low + high, 0, atol=1e-6)


@pytest.mark.parametrize("height_m", [1e-4, 1.8, 1e4])
def test_height_is_measured_upward_and_keeps_the_proportions(height_m):
    lying = Mesh(marked().vertices[:, [1, 0, 2]], marked().faces[:, ::-1])  # longest along x

    low, high = bounds(place(lying, ExportRecipe(height_m=height_m)))

    np.testing.assert_allclose(high - low, (HIGH - LOW)[[1, 0, 2]] / (HIGH - LOW)[0] * height_m, rtol=1e-6)


def test_origin_bottom_stands_the_model_on_the_ground():
    low, high = bounds(place(marked(), ExportRecipe(origin="bottom")))

    assert low[1] == 0
    assert high[1] == 1
    np.testing.assert_allclose((low + high)[[0, 2]], 0, atol=1e-6)


@pytest.mark.parametrize(("file_type", "up"), [("glb", "z"), ("ply", "z"), ("stl", None), ("stl", "z")])
def test_z_up_stands_on_z_and_faces_minus_y(file_type, up):
    unit = 1000 if file_type == "stl" else 1

    low, high = bounds(place(marked(), ExportRecipe(file_type=file_type, up=up, origin="bottom")))

    assert low[2] == 0
    assert high[2] == unit
    front_to_back = (HIGH - LOW)[2] / LONGEST * unit
    np.testing.assert_allclose([low[1], high[1]], [-front_to_back / 2, front_to_back / 2], rtol=1e-6)


@pytest.mark.parametrize("up", ["y", "z"])
@pytest.mark.parametrize("file_type", ["glb", "stl"])
def test_placing_turns_and_never_mirrors(file_type, up):
    def volume(mesh):
        a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(float) for k in range(3))
        return np.einsum("ij,ij->", a, np.cross(b, c)) / 6

    placed = place(marked(), ExportRecipe(file_type=file_type, up=up))

    unit = 1000 if file_type == "stl" else 1
    assert volume(placed) == pytest.approx(volume(marked()) * (unit / LONGEST) ** 3, rel=1e-5)


def test_vertices_that_rounding_would_bring_together_stay_apart():
    """Near the origin float32 is finer than anywhere: a shift to the ground rounds such neighbours to one place."""
    near = marked()
    vertices = np.concatenate([near.vertices, near.vertices * np.float32(1e-9)])
    faces = np.concatenate([near.faces, near.faces[:, ::-1] + len(near.vertices)])  # a tiny hollow in the middle
    fine = Mesh(vertices, faces)
    assert is_closed(fine.vertices, fine.faces)

    placed = place(fine, ExportRecipe(origin="bottom"))

    assert len(np.unique(placed.vertices, axis=0)) == len(np.unique(vertices, axis=0))
    assert is_closed(placed.vertices, placed.faces)
