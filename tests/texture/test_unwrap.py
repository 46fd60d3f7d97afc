# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The atlas: charts inside it, apart from each other, none over itself, however rough the mesh."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texture.scene import both, box, sphere

from fourview.mesh.mesh import Mesh, face_areas
from fourview.texture.bake import refine
from fourview.texture.pack import COLUMNS, pack
from fourview.texture.rasterize import nearest_faces
from fourview.texture.unwrap import unwrap


def spiral_ramp(turns=3, steps=24):
    """A sheet that winds upward around an axis: seen from above it lies over itself."""
    a = np.linspace(0, 2 * np.pi * turns, turns * steps)
    rise = np.linspace(-0.6, 0.6, len(a))
    inner, outer = (np.stack([r * np.cos(a), rise, -r * np.sin(a)], axis=1) for r in (0.3, 0.9))
    k = np.arange(len(a) - 1)
    faces = np.concatenate([np.stack([k, k + len(a), k + 1], 1), np.stack([k + 1, k + len(a), k + len(a) + 1], 1)])
    return Mesh(np.concatenate([inner, outer]).astype(np.float32), faces.astype(np.int32))


def loose_triangles(count, seed=0):
    """Small triangles that touch nobody: as many charts."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-1, 1, (count, 1, 3)) + rng.uniform(-0.03, 0.03, (count, 3, 3))
    return Mesh(corner.reshape(-1, 3).astype(np.float32), np.arange(3 * count, dtype=np.int32).reshape(-1, 3))


def texels_of_faces(mesh, texture_size):
    """How many texels each face owns when alone on them, and how many it shares with others, summed over faces."""
    xy = mesh.uv.astype(float) * texture_size
    first = nearest_faces(xy, None, mesh.faces, (texture_size, texture_size))
    order = np.arange(len(mesh.faces))[::-1]
    last = nearest_faces(xy, None, mesh.faces[order], (texture_size, texture_size))
    return first, np.where(last >= 0, order[last], -1)


SOLIDS = {
    "ball": sphere(),
    "box": box(),
    "two balls through each other": both(sphere(0.6, 20, (-0.3, 0, 0)), sphere(0.6, 20, (0.3, 0, 0))),
    "spiral": spiral_ramp(),
    "crumbs": loose_triangles(300),
}


@pytest.mark.parametrize("name", SOLIDS)
@pytest.mark.parametrize("texture_size", [256, 1000])
def test_no_texel_belongs_to_two_faces(name, texture_size):
    flat, _, notices = unwrap(SOLIDS[name], texture_size)

    first, last = texels_of_faces(flat, texture_size)

    assert 0 <= flat.uv.min() <= flat.uv.max() <= 1
    assert (first >= 0).mean() > 0.05
    assert np.array_equal(first, last)
    assert notices == []


@pytest.mark.parametrize("name", ["ball", "box", "two balls through each other", "spiral"])
def test_charts_keep_eight_texels_apart(name):
    flat, chart, _ = unwrap(SOLIDS[name], 512)

    face = nearest_faces(flat.uv.astype(float) * 512, None, flat.faces, (512, 512))
    owner = np.where(face >= 0, chart[face], -1)

    for axis in (0, 1):
        for step in range(1, 7):  # two texels less than the gap: a middle may lie a texel inside its chart's edge
            here, there = np.take(owner, range(512 - step), axis), np.take(owner, range(step, 512), axis)
            assert not ((here != there) & (here >= 0) & (there >= 0)).any()


def test_a_sheet_that_lies_over_itself_is_cut():
    assert unwrap(spiral_ramp(turns=1), 256)[1].max() == 0
    assert unwrap(spiral_ramp(turns=3), 256)[1].max() >= 2


def test_a_box_falls_into_its_six_sides_at_one_scale():
    cube = box((1.0, 1.0, 1.0))

    flat, chart, _ = unwrap(cube, 512)

    uv = flat.uv.astype(float)[flat.faces]
    one, other = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    area = np.abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]) / 2
    assert chart.max() == 5
    assert len(flat.vertices) == 24
    assert np.allclose(area, area[0])
    assert area.sum() > 0.5


def test_charts_are_not_mirrored():
    flat, _, _ = unwrap(sphere(), 512)

    uv = flat.uv.astype(float)[flat.faces]
    one, other = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]

    assert (one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0] > 0).all()


def test_positions_and_winding_stay_and_seams_alone_split_vertices():
    ball = sphere()

    flat, chart, _ = unwrap(ball, 512)

    assert np.array_equal(flat.vertices[flat.faces], ball.vertices[ball.faces])
    corners = np.stack([np.repeat(chart, 3), ball.faces.ravel()], axis=1)
    assert len(flat.vertices) == len(np.unique(corners, axis=0))
    assert chart.max() < 12


def test_a_rough_skin_does_not_break_into_crumbs():
    rng = np.random.default_rng(0)
    cube = refine(box((1.0, 1.0, 1.0)), 10_000)  # edges of 1/32
    rough = Mesh(cube.vertices + rng.uniform(-0.01, 0.01, cube.vertices.shape).astype(np.float32), cube.faces)

    _, chart, _ = unwrap(rough, 512)

    assert chart.max() < 30


@pytest.mark.parametrize("texture_size", [256, 1024, 8192])
@pytest.mark.parametrize("slenderness", [10, 18, 20, 50, 100, 2000])
def test_a_slender_box_spans_the_atlas_lengthwise(slenderness, texture_size):
    flat, chart, notices = unwrap(box((2 / slenderness, 2.0, 2 / slenderness)), texture_size)

    assert np.ptp(flat.uv, axis=0).max() > 0.95
    assert 0 <= flat.uv.min() <= flat.uv.max() <= 1
    assert chart.max() == 5
    assert notices == []


def test_many_slender_charts_share_the_atlas_and_stay_apart():
    rods = [box((0.01, 2.0, 0.01), (0.05 * k, 0.0, 0.0)) for k in range(60)]
    bundle = rods[0]
    for rod in rods[1:]:
        bundle = both(bundle, rod)

    flat, chart, notices = unwrap(bundle, 1024)

    first, last = texels_of_faces(flat, 1024)
    assert np.array_equal(first, last)
    assert chart.max() == 6 * 60 - 1
    assert np.ptp(flat.uv, axis=0).min() > 0.9
    assert notices == []


def test_more_charts_than_the_budget_still_end_in_an_atlas_and_a_notice():
    crowd = loose_triangles(3000)

    flat, chart, notices = unwrap(crowd, 1024)

    assert chart.max() == 2999
    assert [n.code for n in notices] == ["unwrap_budget_exceeded"]
    assert "3000 charts" in notices[0].message
    assert 0 <= flat.uv.min() <= flat.uv.max() <= 1
    first, last = texels_of_faces(flat, 1024)
    assert np.array_equal(first, last)


def test_more_charts_than_texels_still_end():
    flat, _, notices = unwrap(loose_triangles(9000), 64)

    assert 0 <= flat.uv.min() <= flat.uv.max() <= 1
    assert np.ptp(flat.uv, axis=0).min() > 0.5
    assert [n.code for n in notices] == ["unwrap_budget_exceeded"]


@pytest.mark.parametrize("faces", [[[0, 0, 0]], [[0, 1, 1]], [[0, 1, 2]], [[0, 1, 2], [0, 2, 1], [0, 1, 3], [0, 1, 4]]])
def test_degenerate_doubled_and_forked_faces_are_laid_out(faces):
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, -1, 0.5]], np.float32)

    flat, chart, _ = unwrap(Mesh(points, np.array(faces, np.int32)), 128)

    assert np.isfinite(flat.uv).all()
    assert len(chart) == len(faces)


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)), min_size=1, max_size=40),
    texture_size=st.sampled_from([64, 200, COLUMNS, 1024]),
)
def test_any_rectangles_find_places_apart(sizes, texture_size):
    corner = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * np.array(sizes)[:, None]  # (c, 4, 2)
    edges = np.stack([corner, np.roll(corner, -1, axis=1)], axis=2).reshape(-1, 2, 2)

    layout = pack(edges, np.repeat(np.arange(len(sizes)), 4), float(np.prod(sizes, axis=1).sum()), texture_size)

    turns = layout.quarter[:, None, None]
    x, y = corner[..., :1], corner[..., 1:]
    turned = np.where(turns % 2 == 0, np.concatenate([x, y], -1), np.concatenate([-y, x], -1))
    turned = np.where(turns >= 2, -turned, turned) * layout.scale + layout.offset_px[:, None]
    low, high = turned.min(axis=1), turned.max(axis=1)
    assert low.min() >= -1e-6
    assert high.max() <= texture_size + 1e-6
    apart = (low[:, None] >= high[None] + layout.gap_px - 1e-6).any(-1)
    np.fill_diagonal(apart, True)
    assert (apart | apart.T).all()


def test_the_atlas_is_well_used():
    flat, _, _ = unwrap(sphere(), 1024)

    uv = flat.uv.astype(float)[flat.faces]
    one, other = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]

    assert np.abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]).sum() / 2 > 0.5
    assert face_areas(flat).sum() == pytest.approx(face_areas(sphere()).sum())
