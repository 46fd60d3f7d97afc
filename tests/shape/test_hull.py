# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The hull against solids whose outlines are known: it must find them again, or keep what the outlines say."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourview.arrays import Bool, Byte, Float
from fourview.errors import PictureError
from fourview.shape.hull import hull
from fourview.surface.field import Field
from fourview.views.camera import AZIMUTH_DEG, side_camera
from fourview.views.view import View

SIZE = 256
HALF_EXTENT = 1 / 0.85
PIXEL = 2 * HALF_EXTENT / SIZE
Outline = Callable[[Float, Float], Bool]  # (across, up) in the object's frame -> inside


def view(name: str, outline: Outline, image: Byte | None = None) -> View:
    """A view that shows `outline`, given over x (front, back) or z (left, right) and y; even grey unless `image`."""
    right = ((np.arange(SIZE) + 0.5) / SIZE * 2 - 1) * HALF_EXTENT
    across = right if name in ("front", "right") else -right
    matte = outline(across[None, :], -right[:, None]).astype(np.float32)
    grey = np.full((SIZE, SIZE, 3), 128, np.uint8)
    return View(
        name, grey if image is None else image, matte, side_camera(AZIMUTH_DEG[name], (HALF_EXTENT, HALF_EXTENT))
    )


def views(front: Outline, side: Outline, image: Byte | None = None) -> list[View]:
    return [view(name, front if name in ("front", "back") else side, image) for name in AZIMUTH_DEG]


def ellipse(a: float, b: float) -> Outline:
    return lambda across, up: (across / a) ** 2 + (up / b) ** 2 <= 1


def rectangle(a: float, b: float) -> Outline:
    return lambda across, up: (np.abs(across) <= a) & (np.abs(up) <= b)


def volume(field: Field, cells: int = 80) -> float:
    middles = (np.arange(cells) + 0.5) / cells
    axes = [low + (high - low) * middles for low, high in field.bounds.T]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float32)
    return float(np.mean(field(points) > 0) * np.prod(field.bounds[1] - field.bounds[0]))


def at(field: Field, x: float, y: float, z: float) -> float:
    return float(field(np.array([[x, y, z]], np.float32))[0])


def test_the_outlines_of_an_ellipsoid_give_the_ellipsoid() -> None:
    axes = np.array([0.5, 1.0, 0.7])
    directions = np.random.default_rng(0).normal(size=(2000, 3))
    skin = directions / np.linalg.norm(directions / axes, axis=1, keepdims=True)

    field = hull(views(ellipse(0.5, 1.0), ellipse(0.7, 1.0)))

    assert np.all(field((skin * 0.96).astype(np.float32)) > 0)
    assert np.all(field((skin * 1.04).astype(np.float32)) < 0)
    assert volume(field) == pytest.approx(4 / 3 * np.pi * axes.prod(), rel=0.02)


def test_values_near_a_ball_grow_about_like_the_distance() -> None:
    directions = np.random.default_rng(0).normal(size=(2000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    depth = np.linspace(0, 0.1, 2000)

    values = hull(views(ellipse(1, 1), ellipse(1, 1)))((directions * (1 - depth[:, None])).astype(np.float32))

    assert np.all(values > 0.6 * depth - PIXEL)
    assert np.all(values < 3 * depth + PIXEL)


def test_an_evenly_lit_box_stays_a_box() -> None:
    field = hull(views(rectangle(0.6, 1.0), rectangle(0.5, 1.0)))

    assert volume(field) == pytest.approx(8 * 0.6 * 1.0 * 0.5, rel=0.04)


def test_a_can_that_darkens_toward_its_rims_is_round() -> None:
    across = ((np.arange(SIZE) + 0.5) / SIZE * 2 - 1) * HALF_EXTENT / 0.6
    shade = (255 * np.sqrt(np.clip(1 - across**2, 0, 1))).astype(np.uint8)
    image = np.broadcast_to(shade[None, :, None], (SIZE, SIZE, 3))

    field = hull(views(rectangle(0.6, 1.0), rectangle(0.6, 1.0), image))

    assert volume(field) == pytest.approx(np.pi * 0.6**2 * 2, rel=0.04)


def test_stretched_arms_are_not_as_deep_as_the_chest() -> None:
    def front(x: Float, y: Float) -> Bool:
        return ellipse(0.3, 1)(x, y) | ((np.abs(x) <= 0.9) & (np.abs(y - 0.3) <= 0.08))

    field = hull(views(front, ellipse(0.3, 1)))

    assert at(field, 0, 0.3, 0.25) > 0
    assert at(field, 0.7, 0.3, 0) > 0
    assert at(field, 0.7, 0.3, 0.2) < 0


@pytest.mark.parametrize("grown", [True, False])
def test_the_silhouettes_stay_what_the_pictures_show(grown: bool) -> None:
    legs = rectangle(0.1, 0.5) if not grown else ellipse(0.12, 0.5)

    def front(x: Float, y: Float) -> Bool:
        return (ellipse if grown else rectangle)(0.5, 0.4)(x, y - 0.4) | legs(x - 0.3, y + 0.4) | legs(x + 0.3, y + 0.4)

    def side(z: Float, y: Float) -> Bool:
        return (ellipse if grown else rectangle)(0.9, 0.3)(z, y - 0.3) | legs(z - 0.6, y + 0.4) | legs(z, y - 0.3)

    across, up, through = (np.linspace(-1, 1, 129) for _ in range(3))
    points = np.stack(np.meshgrid(across, up, through, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float32)

    solid = (hull(views(front, side))(points) > 0).reshape(129, 129, 129)

    for seen, shown in (
        (solid.any(axis=2), front(across[:, None], up[None])),
        (solid.any(axis=0).T, side(across[:, None], up[None])),
    ):
        rows = shown.any(axis=0) & solid.any(axis=(0, 2))
        assert (seen & shown)[:, rows].sum() >= 0.97 * (seen | shown)[:, rows].sum()


def test_the_nose_points_to_the_left_of_the_left_picture_and_to_plus_z() -> None:
    def nosed(z: Float, y: Float) -> Bool:
        return ellipse(0.5, 1)(z, y) | ((z > 0) & (z < 0.9) & (np.abs(y) < 0.2))

    pictures = [view("front", ellipse(0.5, 1)), view("left", nosed)]
    columns = np.nonzero(pictures[1].matte.any(axis=0))[0]

    field = hull(pictures)

    assert SIZE - 1 - columns.max() > columns.min()
    assert at(field, 0, 0, 0.8) > 0
    assert at(field, 0, 0, -0.8) < 0


def test_two_views_of_a_symmetric_thing_say_as_much_as_four() -> None:
    four = hull(views(ellipse(0.5, 1.0), ellipse(0.7, 1.0)))
    two = hull([view("front", ellipse(0.5, 1.0)), view("right", ellipse(0.7, 1.0))])

    assert volume(two) == pytest.approx(volume(four), rel=1e-3)


def test_a_disc_alone_becomes_a_ball() -> None:
    field = hull([view("front", ellipse(1, 1))])

    assert volume(field) == pytest.approx(4 / 3 * np.pi, rel=0.03)
    assert field.bounds[1, 2] == pytest.approx(1, abs=0.08)


def test_a_front_and_a_back_without_sides_are_inflated_too() -> None:
    field = hull([view("front", rectangle(0.2, 1)), view("back", rectangle(0.2, 1))])

    assert at(field, 0, 0, 0.15) > 0
    assert at(field, 0, 0, 0.4) < 0


def test_outlines_that_differ_a_little_meet_in_the_middle() -> None:
    pictures = views(ellipse(0.5, 1.0), ellipse(0.5, 1.0))
    pictures[0] = view("front", lambda x, y: ellipse(0.5, 1.0)(x - 0.02, y))

    field = hull(pictures)

    assert at(field, 0.505, 0, 0) > 0
    assert at(field, 0.52, 0, 0) < 0


def test_a_limb_that_one_picture_lacks_is_kept() -> None:
    def with_limb(x: Float, y: Float) -> Bool:
        return ellipse(0.4, 1.0)(x, y) | ((x > 0) & (x < 0.9) & (np.abs(y) < 0.06))

    pictures = views(ellipse(0.4, 1.0), ellipse(0.4, 1.0))
    pictures[0] = view("front", with_limb)

    assert at(hull(pictures), 0.8, 0, 0) > 0


@pytest.mark.bits
def test_a_value_belongs_to_its_point_alone() -> None:
    field = hull(views(ellipse(0.5, 1.0), rectangle(0.7, 1.0)))
    points = np.random.default_rng(0).uniform(-1.1, 1.1, (300_001, 3)).astype(np.float32)

    values = field(points)

    assert values.dtype == np.float32
    assert np.array_equal(field(points[::-1])[::-1], values)
    assert np.array_equal(field(points[1234:4321]), values[1234:4321])
    assert np.array_equal(hull(views(ellipse(0.5, 1.0), rectangle(0.7, 1.0)))(points), values)


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(st.sampled_from(["left", "back", "right"]), unique=True),
    size=st.tuples(st.integers(16, 90), st.integers(16, 90)),
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0.02, 0.9),
)
def test_noise_in_any_subset_gives_a_closed_body_within_its_bounds(
    names: list[str], size: tuple[int, int], seed: int, share: float
) -> None:
    random = np.random.default_rng(seed)
    pictures = []
    for name in ["front", *names]:
        matte = (random.random(size) < share).astype(np.float32)
        matte[8, 8] = 1
        image = random.integers(0, 256, (*size, 3), dtype=np.uint8)
        pictures.append(View(name, image, matte, side_camera(AZIMUTH_DEG[name], (1.0, size[0] / size[1]))))

    field = hull(pictures)

    low, high = field.bounds
    skin = random.uniform(low, high, (3000, 3)).astype(np.float32)
    skin[np.arange(3000), np.arange(3000) % 3] = field.bounds[np.arange(3000) // 3 % 2, np.arange(3000) % 3]
    assert np.isfinite(field(random.uniform(-3, 3, (3000, 3)).astype(np.float32))).all()
    assert (field(skin) < 0).all()


def test_without_a_front_the_error_names_the_cure() -> None:
    with pytest.raises(PictureError, match=r"the views are left; the front is needed: send a 'front' picture"):
        hull([view("left", ellipse(1, 1))])


def test_an_empty_matte_is_an_error() -> None:
    with pytest.raises(PictureError, match="the matte of the 'left' picture is empty"):
        hull([view("front", ellipse(1, 1)), view("left", lambda z, y: np.abs(z + y) < 0)])
