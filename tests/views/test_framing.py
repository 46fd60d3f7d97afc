# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras of pictures that agree, and of pictures that agree only roughly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourview.arrays import Float
from fourview.errors import PictureError
from fourview.views.camera import project
from fourview.views.framing import frame
from fourview.views.view import Picture, View

ATOL_PX = 0.3
ORDER = ("front", "left", "back", "right")


def disc(shape: tuple[int, int], middle: tuple[float, float], radii: tuple[float, float]) -> Float:
    """The coverage of an ellipse, `(h, w)`; `middle` and `radii` are (column, row)."""
    fine = (np.arange(8 * max(shape)) + 0.5) / 8
    x, y = (fine[: 8 * shape[1]] - middle[0]) / radii[0], (fine[: 8 * shape[0]] - middle[1]) / radii[1]
    inside = x[None, :] ** 2 + y[:, None] ** 2 <= 1
    return inside.reshape(shape[0], 8, shape[1], 8).mean(axis=(1, 3)).astype(np.float32)


def block(shape: tuple[int, int], left: float, top: float, right: float, bottom: float) -> Float:
    """The coverage of a rectangle, `(h, w)`."""
    across, down = (
        np.clip(np.minimum(np.arange(n) + 1, high) - np.maximum(np.arange(n), low), 0, 1)
        for n, low, high in ((shape[1], left, right), (shape[0], top, bottom))
    )
    return (down[:, None] * across).astype(np.float32)


def framed(**mattes: Float) -> tuple[dict[str, View], set[str]]:
    """Views by name and the codes of the notices, for grey pictures with these mattes."""
    pictures = [Picture(n, np.full((*m.shape, 3), 128, np.uint8), m) for n, m in mattes.items()]
    views, notices = frame(pictures, list(mattes.values()))
    return {v.name: v for v in views}, {n.code for n in notices}


def span(view: View) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of what the matte shows, along the picture's own right and up, box units."""
    (h, w), (half_w, half_h) = view.matte.shape, view.camera.half_extent
    inside = view.matte >= 0.5
    columns, rows = np.flatnonzero(inside.any(axis=0)), np.flatnonzero(inside.any(axis=1))
    right, up = -view.camera.view_from_world[:2, 3]
    x = right + (np.array([columns[0], columns[-1] + 1]) * 2 / w - 1) * half_w
    y = up + (1 - np.array([rows[-1] + 1, rows[0]]) * 2 / h) * half_h
    return float(x[0]), float(x[1]), float(y[0]), float(y[1])


@pytest.mark.parametrize("radii", [(40.0, 90.0, 60.0), (90.0, 30.0, 55.0), (20.0, 35.0, 90.0)])
@pytest.mark.parametrize("solid", ["ellipsoid", "box"])
def test_cameras_of_an_exact_set_are_the_true_ones_to_a_third_of_a_pixel(
    radii: tuple[float, float, float], solid: str
) -> None:
    rx, ry, rz = radii
    sides = {"front": (rx, 97.3), "left": (rz, 101.7), "back": (rx, 103.1), "right": (rz, 98.4)}
    if solid == "box":
        mattes = {n: block((220, 200), c - r, 108.6 - ry, c + r, 108.6 + ry) for n, (r, c) in sides.items()}
    else:
        mattes = {n: disc((220, 200), (c, 108.6), (r, ry)) for n, (r, c) in sides.items()}

    views, codes = framed(**mattes)

    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * radii / max(radii)
    for n, (r, c) in sides.items():
        pixels, _ = project(views[n].camera, corners, (200, 220))
        np.testing.assert_allclose([pixels[:, 0].min(), pixels[:, 0].max()], [c - r, c + r], atol=ATOL_PX)
        np.testing.assert_allclose([pixels[:, 1].min(), pixels[:, 1].max()], [108.6 - ry, 108.6 + ry], atol=ATOL_PX)
        half_w, half_h = views[n].camera.half_extent
        assert half_w / 200 == pytest.approx(half_h / 220, rel=1e-9)
        assert half_h == pytest.approx(views["front"].camera.half_extent[1], rel=1e-9)
    assert not codes


def test_one_view_ten_percent_larger_is_scaled_back_and_reported() -> None:
    front, left = disc((240, 240), (120, 120), (60, 80)), disc((240, 240), (120, 120), (44, 88))

    views, codes = framed(front=front, left=left)

    assert span(views["front"])[2:] == pytest.approx(span(views["left"])[2:], abs=0.02)
    assert codes == {"view_scale_mismatch"}


def test_pictures_of_other_sizes_share_one_frame() -> None:
    front, back = disc((240, 240), (120, 120), (60, 80)), disc((480, 480), (240, 240), (120, 160))

    views, codes = framed(front=front, back=back)

    assert views["front"].camera.half_extent == pytest.approx(views["back"].camera.half_extent, rel=1e-3)
    assert not codes


def test_an_antenna_only_one_view_shows_leaves_the_scale_alone() -> None:
    body = block((240, 240), 60, 100, 180, 220)
    front = np.maximum(body, block((240, 240), 119, 40, 121, 100))

    views, codes = framed(front=front, left=body, back=body)

    assert views["front"].camera.half_extent == pytest.approx(views["left"].camera.half_extent)
    assert span(views["left"])[2:] == pytest.approx((-1, 1), abs=0.02)
    assert not codes


def test_a_stray_pixel_moves_nothing() -> None:
    clean = disc((240, 240), (120, 120), (60, 80))
    dirty = clean.copy()
    dirty[3, 5] = 1

    views, _ = framed(front=dirty, left=clean)

    assert views["front"].camera.half_extent == pytest.approx(views["left"].camera.half_extent)


def test_opposite_outlines_are_laid_on_each_other_where_an_arm_differs() -> None:
    body = block((240, 240), 80, 20, 160, 220)
    front = np.maximum(body, block((240, 240), 60, 80, 100, 110))

    views, _ = framed(front=front, back=body)

    assert views["front"].camera.view_from_world[0, 3] == pytest.approx(
        -views["back"].camera.view_from_world[0, 3], abs=0.02
    )


def test_outlines_that_do_not_match_are_reported() -> None:
    _, codes = framed(front=block((240, 240), 20, 20, 220, 220), back=block((240, 240), 80, 20, 160, 220))

    assert "views_disagree" in codes


def test_a_faint_line_still_gets_a_camera() -> None:
    matte = np.zeros((40, 40), np.float32)
    matte[20, 5:30] = 0.5

    views, _ = framed(front=matte, left=disc((40, 40), (20, 20), (9, 15)))

    assert all(np.isfinite(v.camera.half_extent).all() for v in views.values())


def test_pixels_stay_as_they_are() -> None:
    matte = disc((120, 100), (50, 60), (30, 40))

    views, _ = framed(front=matte)

    assert views["front"].matte is matte
    assert views["front"].image.shape == (120, 100, 3)


def test_pictures_without_a_front_are_an_error() -> None:
    with pytest.raises(PictureError, match="a front picture is needed"):
        framed(left=disc((120, 100), (50, 60), (30, 40)))


def test_an_empty_matte_is_an_error() -> None:
    with pytest.raises(PictureError, match="shows no object"):
        framed(front=np.zeros((40, 40), np.float32))


def rough(h: int, w: int, seed: int) -> Float:
    """An ellipse and a rectangle that starts in its middle, anywhere in the picture."""
    random = np.random.default_rng(seed)
    middle = random.uniform(2, [w - 2, h - 2])
    ends = np.sort([middle, random.uniform(0, [w, h])], axis=0)
    return np.maximum(disc((h, w), tuple(middle), tuple(random.uniform(2, [w, h]) / 2)), block((h, w), *ends.ravel()))


SIDES = st.integers(16, 90)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(ORDER), st.tuples(SIDES, SIDES, st.integers(0, 10_000)), max_size=4))
def test_any_pictures_get_finite_cameras_and_a_centred_box_of_side_two(sizes: dict[str, tuple[int, int, int]]) -> None:
    mattes = {n: rough(*sizes.get(n, (48, 64, 0))) for n in ORDER if n in sizes or n == "front"}

    views, _ = framed(**mattes)

    low, high = np.full(3, -np.inf), np.full(3, np.inf)
    for n, view in views.items():
        assert np.isfinite(view.camera.view_from_world).all()
        assert min(view.camera.half_extent) > 0
        left, right, bottom, top = span(view)
        axis, sign = {"front": (0, 1), "left": (2, -1), "back": (0, -1), "right": (2, 1)}[n]
        low[[axis, 1]] = np.maximum(low[[axis, 1]], [min(sign * left, sign * right), bottom])
        high[[axis, 1]] = np.minimum(high[[axis, 1]], [max(sign * left, sign * right), top])
    pixel = max(
        2 * e / s for v in views.values() for e, s in zip(v.camera.half_extent, v.matte.shape[::-1], strict=True)
    )
    known = np.isfinite(low)
    assert (high - low)[known].max() == pytest.approx(2, abs=2 * pixel)
    np.testing.assert_allclose(low[known] + high[known], 0, atol=2 * pixel)
