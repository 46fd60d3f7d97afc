# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Pieces that hang free are joined where every outline is one thing, and nowhere else."""

import numpy as np
import pytest
from surface.truths import faults, sphere, union

from fourview.mesh.measure import measure
from fourview.surface.bridge import bridge
from fourview.surface.extract import extract
from fourview.surface.field import Field
from fourview.surface.octree import sample
from fourview.views.camera import AZIMUTH_DEG, side_camera
from fourview.views.view import View

CELLS = 48
PX = 400
THIN = 0.01  # a quarter of a cell


def rod(start, end, radius=THIN):
    """The distance to a straight rod, positive inside."""
    start, end = np.float32(start), np.float32(end)

    def value(points):
        along = np.clip(((points - start) @ (end - start)) / ((end - start) ** 2).sum(), 0, 1)
        return np.float32(radius) - np.linalg.norm(points - start - along[:, None] * (end - start), axis=1)

    return Field(value, sphere(1).bounds)


def outlines(balls, wire=None):
    """Views of balls `(radius, centre)` and a straight wire between two points, drawn as discs and a stroke."""
    at = (np.arange(PX) + 0.5) / PX * 2 - 1
    across, up = np.meshgrid(at, -at)
    views = []
    for name, axis in (("front", [1, 0, 0]), ("left", [0, 0, -1])):
        flat = [(np.dot(centre, axis), centre[1]) for _, centre in balls]
        away = [np.hypot(across - x, up - y) - r for (x, y), (r, _) in zip(flat, balls, strict=True)]
        if wire:
            start, end = (np.array([np.dot(point, axis), point[1]]) for point in wire)
            offset = np.stack([across, up], axis=-1) - start
            along = np.clip(offset @ (end - start) / ((end - start) ** 2).sum(), 0, 1)
            away.append(np.linalg.norm(offset - along[..., None] * (end - start), axis=-1) - THIN)
        matte = (np.min(away, axis=0) < 0).astype(np.float32)
        views.append(View(name, np.zeros((PX, PX, 3), np.uint8), matte, side_camera(AZIMUTH_DEG[name], (1.0, 1.0))))
    return views


TWO = [(0.3, (-0.5, -0.45, 0)), (0.25, (0.4, 0.5, 0.1))]
BALLS = union(*(sphere(*ball) for ball in TWO))
WIRE = rod(TWO[0][1], TWO[1][1])


@pytest.fixture(scope="module")
def joined():
    return outlines(TWO, (TWO[0][1], TWO[1][1]))


def test_a_wire_thinner_than_a_cell_joins_what_it_holds(joined):
    field = union(BALLS, WIRE)
    samples = sample(field, CELLS)
    before = extract(samples)

    after, notices = bridge(field, samples, before, joined)

    assert measure(before).components > 1
    health = measure(after)
    assert (health.components, health.watertight, health.manifold, health.euler) == (1, True, True, 2)
    assert faults(after) == []
    assert [n.code for n in notices] == ["pieces_bridged"]
    assert "1 of 2 pieces" in notices[0].message


def test_a_bridge_follows_the_wire_and_is_no_thicker_than_a_cell(joined):
    field = union(BALLS, WIRE)
    samples = sample(field, CELLS)
    before = extract(samples)

    after, _ = bridge(field, samples, before, joined)

    new = after.vertices[~(after.vertices[:, None] == before.vertices).all(axis=2).any(axis=1)]
    assert len(new) > 50
    assert (WIRE.value(new) > -1.6 * 2 / CELLS).all()


def test_a_gap_in_the_field_is_bridged_within_a_cell_of_the_outlines(joined):
    samples = sample(BALLS, CELLS)  # the field knows no wire, the outlines do

    after, _ = bridge(BALLS, samples, extract(samples), joined)

    assert measure(after).components == 1
    assert faults(after) == []
    new = after.vertices[np.abs(BALLS.value(after.vertices)) > 0.05]
    px = ((new[:, :2] * [1, -1] + 1) / 2 * PX).astype(int)
    inside = np.argwhere(joined[0].matte > 0)[:, ::-1]
    nearest = [np.hypot(*(inside - p).T).min() for p in px]
    assert max(nearest) <= 1.3 * PX / CELLS


def test_what_the_outlines_show_apart_stays_apart():
    samples = sample(BALLS, CELLS)
    mesh = extract(samples)

    after, notices = bridge(BALLS, samples, mesh, outlines(TWO))

    assert after is mesh
    assert notices == []


def test_one_piece_is_left_as_it_is(joined):
    samples = sample(sphere(0.6), CELLS)
    mesh = extract(samples)

    assert bridge(sphere(0.6), samples, mesh, joined) == (mesh, [])


def test_three_pieces_on_one_wire_become_one(joined):
    field = union(BALLS, sphere(0.1, (-0.05, 0.025, 0.05)))
    samples = sample(field, CELLS)

    after, notices = bridge(field, samples, extract(samples), joined)

    assert measure(after).components == 1
    assert "2 of 3 pieces" in notices[0].message


def test_bridges_are_the_same_every_time(joined):
    meshes = []
    for _ in range(2):
        samples = sample(BALLS, CELLS)
        meshes.append(bridge(BALLS, samples, extract(samples), joined)[0])

    assert np.array_equal(meshes[0].vertices, meshes[1].vertices)
    assert np.array_equal(meshes[0].faces, meshes[1].faces)
