# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Colours move from one surface to another that lies close by."""

import numpy as np
import pytest
from texture.scene import both, box, sphere, texel_points, waves

from fourview.errors import CanceledError
from fourview.mesh.simplify import simplify
from fourview.texture.transfer import transfer

BLUR = 0.02  # linear light: about what two neighbouring texels of `waves` differ by


def painted(mesh, light):
    """What `transfer` asks for: the colours of `mesh`, of which `light` knows those of points."""
    return lambda face, weight: light(np.einsum("nk,nkx->nx", weight, mesh.vertices[mesh.faces[face]]))


def error(mesh, texture, light):
    """Difference between each covered texel and the light of its point, `(n, 3)`."""
    face, point = texel_points(mesh, len(texture.albedo))
    at = texture.covered & (face >= 0)
    return np.abs(texture.albedo[at] - light(point[at]))


def test_a_ball_with_a_fiftieth_of_its_faces_keeps_its_colours():
    ball = sphere(rings=100)
    small, _ = simplify(ball, 800)

    mesh, texture, notices = transfer(small, ball, painted(ball, waves), 512)

    assert np.array_equal(mesh.vertices[mesh.faces], small.vertices[small.faces])
    assert np.percentile(error(mesh, texture, waves), 99) < BLUR
    assert notices == []


def test_the_unit_of_both_surfaces_does_not_matter():
    metre, millimetre = sphere(0.5, 20), sphere(500.0, 20)

    one = transfer(metre, metre, painted(metre, waves), 256)[1]
    other = transfer(millimetre, millimetre, painted(millimetre, lambda points: waves(points / 1000)), 256)[1]

    assert np.percentile(np.abs(one.albedo - other.albedo), 99) < BLUR  # cells begin elsewhere


def test_the_two_faces_of_a_thin_wall_keep_their_own_colours():
    wall = box((1.6, 1.6, 0.002))

    def front_red(points):
        return np.where(points[:, 2:] > 0, [0.8, 0.0, 0.0], [0.0, 0.0, 0.8]).astype(np.float32)

    mesh, texture, _ = transfer(wall, wall, painted(wall, front_red), 256)

    face, point = texel_points(mesh, 256)
    side = np.cross(*(mesh.vertices[mesh.faces[:, k]] - mesh.vertices[mesh.faces[:, 0]] for k in (1, 2)))
    broad = (face >= 0) & (np.abs(side[face, 2]) > np.abs(side[face, :2]).max(axis=-1)) & texture.covered
    assert broad.sum() > 10_000
    assert np.abs(texture.albedo[broad] - front_red(point[broad])).max() < BLUR


def test_a_surface_that_lies_many_texels_off_the_old_one_takes_the_nearest_colours():
    ball, larger = sphere(0.9, 30), sphere(1.0, 30)

    def halves(points):
        return np.where(points[:, :1] > 0, [0.9, 0.9, 0.9], [0.1, 0.1, 0.1]).astype(np.float32)

    mesh, texture, _ = transfer(larger, ball, painted(ball, halves), 256)

    face, point = texel_points(mesh, 256)
    at = (face >= 0) & texture.covered & (np.abs(point[..., 0]) > 0.3)
    assert np.abs(texture.albedo[at] - halves(point[at])).max() < BLUR


def test_parts_that_stand_apart_keep_apart():
    two = both(sphere(0.4, 20, (-0.5, 0, 0)), sphere(0.4, 20, (0.5, 0, 0)))

    def sided(points):
        return np.where(points[:, :1] > 0, [0.9, 0.0, 0.0], [0.0, 0.9, 0.0]).astype(np.float32)

    mesh, texture, _ = transfer(two, two, painted(two, sided), 256)

    assert error(mesh, texture, sided).max() < BLUR


def test_it_can_be_stopped():
    ball = sphere()

    def stop(done):
        if done > 0.6:
            raise CanceledError("stop")

    with pytest.raises(CanceledError):
        transfer(ball, ball, painted(ball, waves), 256, stop)
