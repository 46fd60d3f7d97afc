# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Painting, from pictures to texels: what was seen is kept, what was not is plausible, nothing bleeds."""

import numpy as np
import pytest
from texture.scene import both, box, draw, plain, seams, sphere, texel_points, waves

from fourview.errors import CanceledError
from fourview.mesh.mesh import Mesh, face_normals
from fourview.texture.bake import bake, refine
from fourview.texture.project import sample
from fourview.texture.texture import linear_from_srgb, srgb_from_linear

CODE = 1 / 255
MAGENTA = np.array([1.0, 0.0, 1.0])


def srgb(light):
    return srgb_from_linear(light).astype(float) / 255


def error_where_covered(baked, light):
    """Difference in sRGB between each covered texel and the light that the object has there, `(n, 3)`."""
    face, point = texel_points(baked.mesh, len(baked.texture.albedo))
    at = baked.texture.covered & (face >= 0)
    return srgb(baked.texture.albedo[at]) - srgb(light(point[at]))


def test_a_seen_colour_comes_out_as_it_went_in():
    ball, grey = sphere(), plain(0.21, 0.4, 0.07)

    baked = bake(ball, draw(ball, grey), 256)

    assert np.abs(error_where_covered(baked, grey)).max() <= 1.01 * CODE


def test_one_clear_best_view_is_not_changed_by_the_others():
    cube = box((1.6, 1.6, 1.6))
    views = [
        draw(cube, plain(*light), (name,))[0]
        for name, light in {
            "front": (0.6, 0.1, 0.1),
            "left": (0.1, 0.6, 0.1),
            "back": (0.1, 0.1, 0.6),
            "right": (0.6, 0.6, 0.1),
        }.items()
    ]

    baked = bake(cube, views, 512)

    face, point = texel_points(baked.mesh, 512)
    middle = baked.texture.covered & (face >= 0) & (np.abs(point[..., 2] - 0.8) < 1e-3) & (np.abs(point[..., 0]) < 0.7)
    assert middle.sum() > 10_000
    assert np.abs(srgb(baked.texture.albedo[middle]) - srgb(np.array([0.6, 0.1, 0.1]))).max() <= 1.01 * CODE


def test_a_painted_ball_is_reproduced_where_it_was_seen():
    ball = sphere()

    baked = bake(ball, draw(ball, waves, size=(512, 512)), 512)

    error = error_where_covered(baked, waves)
    assert np.sqrt((error**2).mean()) < 3 * CODE
    assert baked.covered_fraction > 0.9


@pytest.mark.parametrize(
    "solid", [sphere(), box(), both(sphere(0.4, 20, (-0.5, 0, 0)), sphere(0.4, 20, (0.5, 0, 0.2)))]
)
def test_a_magenta_backdrop_does_not_bleed(solid):
    baked = bake(solid, draw(solid, plain(0.1, 0.5, 0.1), size=(200, 160)), 256)

    distance = np.abs(srgb(baked.texture.albedo) - MAGENTA).sum(axis=-1)
    toward_magenta = (srgb(baked.texture.albedo)[..., 1] < srgb(np.array([0.5]))[0] - 0.1) | (distance < 0.6)
    assert toward_magenta.mean() <= 0.001


@pytest.mark.parametrize(
    "solid", [sphere(), sphere(rings=8), both(sphere(0.5, 20, (-0.4, 0, 0)), box((0.8, 1.4, 0.6), (0.3, 0, 0)))]
)
def test_colours_agree_across_seams(solid):
    baked = bake(solid, draw(solid, waves, size=(512, 512)), 512)

    here, there = seams(baked.mesh)
    texel = [np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1) * 512 for uv in (here, there)]
    covered = np.all(
        [sample(baked.texture.covered[..., None].astype(np.float32), xy)[:, 0] > 0 for xy in texel], axis=0
    )
    one, other = (srgb(sample(baked.texture.albedo, xy))[covered] for xy in texel)

    assert covered.sum() > 100
    assert np.abs(one - other).mean() <= 2 * CODE


def test_every_view_contributes():
    ball = sphere()
    lights = {"front": (0.8, 0, 0), "left": (0, 0.8, 0), "back": (0, 0, 0.8), "right": (0.8, 0.8, 0)}
    views = [draw(ball, plain(*light), (name,))[0] for name, light in lights.items()]

    baked = bake(ball, views, 256)

    face, point = texel_points(baked.mesh, 256)
    for axis, toward, name in ((2, 1, "front"), (0, 1, "left"), (2, -1, "back"), (0, -1, "right")):
        near = (face >= 0) & (point[..., axis] * toward > 0.88)
        assert near.any()
        assert np.abs(baked.texture.albedo[near] - lights[name]).max() < 0.01


def test_what_stands_in_front_is_not_printed_on_what_is_behind():
    body, arm = box((1.6, 1.6, 0.4)), box((0.3, 0.3, 0.2), (0.0, 0.0, 0.9))
    both_parts = both(body, arm)

    def light(points):
        return np.where(points[:, 2:] > 0.5, [[0.8, 0.05, 0.05]], [[0.05, 0.05, 0.8]])

    baked = bake(both_parts, draw(both_parts, light), 512)

    face, point = texel_points(baked.mesh, 512)
    on_body = (face >= 0) & (point[..., 2] < 0.5)
    assert on_body.sum() > 10_000
    assert (baked.texture.albedo[..., 0][on_body] > 0.2).mean() < 0.001


def test_unseen_surface_takes_the_colours_beside_it():
    slab = both(box((1.6, 0.3, 1.6), (0, 0.6, 0)), box((1.6, 0.3, 1.6), (0, -0.6, 0)))

    def light(points):
        return np.where(points[:, 1:2] > 0, [[0.7, 0.1, 0.1]], [[0.1, 0.1, 0.7]])

    baked = bake(slab, draw(slab, light), 512)

    face, point = texel_points(baked.mesh, 512)
    upper_sole = (face >= 0) & (np.abs(point[..., 1] - 0.45) < 1e-3) & ~baked.texture.covered
    lower_top = (face >= 0) & (np.abs(point[..., 1] + 0.45) < 1e-3) & ~baked.texture.covered
    assert min(upper_sole.sum(), lower_top.sum()) > 1000
    assert np.abs(baked.texture.albedo[upper_sole] - [0.7, 0.1, 0.1]).max() < 0.05
    assert np.abs(baked.texture.albedo[lower_top] - [0.1, 0.1, 0.7]).max() < 0.05


def test_one_picture_alone_paints_all_and_says_how_much_it_made_up():
    ball = sphere()

    baked = bake(ball, draw(ball, plain(0.3, 0.2, 0.1), ("front",)), 256)

    notice = next(n for n in baked.notices if n.code == "unseen_surface_filled")
    assert 0.4 < baked.covered_fraction < 0.5
    assert f"{1 - baked.covered_fraction:.0%}" in notice.message
    assert "left" in notice.message
    assert np.abs(srgb(baked.texture.albedo) - srgb(np.array([0.3, 0.2, 0.1]))).max() <= 2 * CODE


def test_four_pictures_of_a_ball_need_no_notice():
    ball = sphere()

    assert bake(ball, draw(ball, waves), 256).notices == []


@pytest.mark.parametrize("solid", [sphere(rings=30), box()])
def test_the_shape_stays(solid):
    baked = bake(solid, draw(solid, waves), 256)

    assert np.array_equal(baked.mesh.vertices[baked.mesh.faces], solid.vertices[solid.faces])
    assert np.array_equal(face_normals(baked.mesh), face_normals(solid))


@pytest.mark.bits
def test_the_same_input_gives_the_same_bytes():
    ball = sphere()
    views = draw(ball, waves)

    one, other = bake(ball, views, 256), bake(ball, views, 256)

    assert one.texture.albedo.tobytes() == other.texture.albedo.tobytes()
    assert one.mesh.uv.tobytes() == other.mesh.uv.tobytes()


@pytest.mark.parametrize("texture_size", [64, 257, 1000])
@pytest.mark.parametrize("size", [(64, 64), (301, 157), (1200, 900)])
def test_any_size_of_texture_and_picture_will_do(texture_size, size):
    ball = sphere(rings=12)

    baked = bake(ball, draw(ball, plain(0.2, 0.3, 0.4), size=size), texture_size)

    assert baked.texture.albedo.shape == (texture_size, texture_size, 3)
    assert baked.texture.albedo.dtype == np.float32
    assert np.abs(srgb(baked.texture.albedo) - srgb(np.array([0.2, 0.3, 0.4]))).max() <= 2 * CODE


def test_a_fine_checker_does_not_alias_into_a_small_texture():
    cube = box((2.0, 2.0, 2.0))
    views = draw(cube, plain(0, 0, 0), size=(600, 600))
    rows, columns = np.indices((600, 600))
    views = [
        type(v)(v.name, np.repeat((((rows + columns) % 2) * 255).astype(np.uint8)[..., None], 3, 2), v.matte, v.camera)
        for v in views
    ]

    baked = bake(cube, views, 128)

    face, point = texel_points(baked.mesh, 128)
    inner = baked.texture.covered & (face >= 0) & (np.sort(np.abs(point), axis=-1)[..., 1] < 0.9)
    assert inner.sum() > 1000
    assert np.abs(baked.texture.albedo[inner] - 0.5).max() < 0.1


def test_the_silhouettes_of_an_exact_mesh_agree_and_those_of_a_wrong_one_do_not():
    ball = sphere()
    views = draw(ball, waves)

    exact = bake(ball, views, 128).silhouette_iou
    small = bake(sphere(radius=0.6), views, 128).silhouette_iou

    assert list(exact) == ["front", "left", "back", "right"]
    assert min(exact.values()) > 0.99
    assert max(small.values()) < 0.6


def test_a_view_with_an_empty_matte_or_beside_the_mesh_does_no_harm():
    ball = sphere()
    front, left = draw(ball, plain(0.3, 0.3, 0.3), ("front", "left"))
    empty = type(left)("left", left.image, np.zeros_like(left.matte), left.camera)

    baked = bake(ball, [front, empty], 128)

    assert np.isfinite(baked.texture.albedo).all()
    assert baked.silhouette_iou["left"] == 0


def test_the_run_can_be_stopped_at_every_step():
    ball = sphere()
    views = draw(ball, waves)
    calls = []
    bake(ball, views, 256, calls.append)

    for stop_at in range(1, len(calls), 7):
        left = [stop_at]

        def tick(done, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise CanceledError("stopped")

        with pytest.raises(CanceledError):
            bake(ball, views, 256, tick)
    assert calls == sorted(calls)
    assert 0 <= calls[0] <= calls[-1] <= 1


def test_refining_keeps_the_surface_and_both_sides_of_a_seam():
    ball = sphere(rings=6)

    fine = refine(ball, 1000)

    assert len(fine.faces) == len(ball.faces) * 16
    assert np.isclose(
        np.linalg.norm(face_normals(fine), axis=1).sum(), np.linalg.norm(face_normals(ball), axis=1).sum()
    )


def test_linear_light_survives_the_way_to_codes_and_back():
    codes = np.arange(256, dtype=np.uint8)

    assert np.array_equal(srgb_from_linear(linear_from_srgb(codes)), codes)


def test_a_mesh_without_uv_is_refused_where_uv_is_needed():
    from fourview.texture.bake import texel_positions

    with pytest.raises(ValueError, match="unwrap"):
        texel_positions(Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]])), 64)


def test_a_missing_side_is_painted_like_its_opposite_where_the_object_is_symmetric():
    ball = sphere()

    def light(points):
        return np.where(np.abs(points[:, 1:2]) < 0.2, [[0.7, 0.1, 0.1]], [[0.2, 0.2, 0.6]]) * (1 + 0.2 * points[:, 2:])

    baked = bake(ball, draw(ball, light, ("front", "left")), 512)

    face, point = texel_points(baked.mesh, 512)
    right = (face >= 0) & (point[..., 0] < -0.8) & ~baked.texture.covered
    error = srgb(baked.texture.albedo[right]) - srgb(light(point[right]))
    assert right.sum() > 1000
    assert np.sqrt((error**2).mean()) < 12 * CODE


def test_a_side_is_not_mirrored_onto_a_lopsided_object():
    lopsided = both(box((0.6, 1.6, 0.6), (0.6, 0, 0)), box((1.2, 0.4, 0.6), (-0.3, -0.6, 0)))

    def light(points):
        return np.where(points[:, :1] > 0.8, [[0.8, 0.05, 0.05]], [[0.05, 0.05, 0.8]])

    baked = bake(lopsided, draw(lopsided, light, ("front", "left")), 256)

    face, point = texel_points(baked.mesh, 256)
    far_right = (face >= 0) & (point[..., 0] < -0.85)
    assert far_right.sum() > 200
    assert (baked.texture.albedo[far_right][:, 0] < 0.2).all()
