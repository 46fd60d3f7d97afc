# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Cutting out: every picture's subject comes back as it was put in, or as a clear error."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from fourview import compute
from fourview.errors import CanceledError, MissingExtraError, PictureError
from fourview.views import backdrop
from fourview.views.matting import cut_out
from fourview.views.view import Picture

SIDE = 160


def disc(radius=40.0, centre=(SIDE / 2, SIDE / 2), side=SIDE):
    """Coverage `(side, side)` of a disc, one pixel soft."""
    row, column = np.mgrid[:side, :side] + 0.5
    return np.clip(radius + 0.5 - np.hypot(row - centre[0], column - centre[1]), 0, 1)


def laid(alpha, subject, ground):
    """`subject` over `ground`, colours or pictures in levels, as bytes."""
    alpha = alpha[..., None]
    return np.round(np.asarray(subject) * alpha + np.asarray(ground) * (1 - alpha)).astype(np.uint8)


def picture(image, alpha=None, name="front"):
    return Picture(name, image, None if alpha is None else alpha.astype(np.float32))


def cut_one(image, alpha=None, remove_background="auto"):
    (matte,), notices = cut_out([picture(image, alpha)], remove_background)
    return matte, notices


def overlap(matte, truth):
    a, b = matte >= 0.5, truth >= 0.5
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


def codes(notices):
    return {n.code for n in notices}


def ball(side=256, radius=70, hue=(220, 60, 40)):
    """A shaded ball on a blotchy wall: its picture and coverage. No plain backdrop, so the network is asked."""
    rng = np.random.default_rng(7)
    blotches = Image.fromarray(rng.integers(40, 160, (side // 8, side // 8, 3), dtype=np.uint8))
    wall = np.asarray(blotches.resize((side, side), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(3)))
    alpha = disc(radius, (side / 2, side / 2), side)
    row, column = (np.mgrid[:side, :side] + 0.5 - side / 2) / radius
    light = np.clip(0.35 + 0.65 * np.sqrt(np.clip(1 - row**2 - column**2, 0, 1)) - 0.2 * row, 0, 1.15)
    return laid(alpha, np.clip(np.array(hue) * light[..., None], 0, 255), wall), alpha


# The picture's own alpha


def test_an_alpha_that_somebody_cut_is_used_as_it_is():
    alpha = disc()

    matte, notices = cut_one(laid(alpha, (200, 90, 40), (0, 0, 0)), alpha)

    np.testing.assert_allclose(matte, np.where(alpha < 0.02, 0, alpha), atol=1e-6)
    assert matte.dtype == np.float32
    assert not notices


@pytest.mark.parametrize("remove_background", ["auto", "always", "never"])
def test_colours_under_clear_pixels_change_nothing(remove_background):
    alpha = disc()
    rng = np.random.default_rng(0)
    image = laid(np.ones_like(alpha), (200, 90, 40), 0)
    noisy = np.where(alpha[..., None] > 0, image, rng.integers(0, 256, image.shape)).astype(np.uint8)

    plain, _ = cut_one(image, alpha, remove_background)
    other, _ = cut_one(noisy, alpha, remove_background)

    np.testing.assert_array_equal(plain, other)


def test_an_opaque_alpha_channel_is_no_cut_out():
    truth = disc()
    alpha = np.ones_like(truth)
    alpha[:3, :3] = 0  # the rounded corner of a screenshot

    matte, _ = cut_one(laid(truth, (200, 90, 40), (250, 250, 250)), alpha)

    assert overlap(matte, truth) > 0.98


def test_always_cuts_anew_within_the_alpha():
    truth = disc()
    alpha = np.zeros_like(truth)
    alpha[20:140, 20:140] = 1  # somebody's careless rectangle

    kept, _ = cut_one(laid(truth, (200, 90, 40), (30, 60, 160)), alpha, "auto")
    anew, _ = cut_one(laid(truth, (200, 90, 40), (30, 60, 160)), alpha, "always")

    np.testing.assert_array_equal(kept, alpha)
    assert (anew <= alpha).all()


def test_never_keeps_an_alpha_with_two_parts_to_the_last_bit():
    alpha = np.maximum(disc(25, (80, 40)), disc(25, (80, 120))) * np.float32(0.9)

    matte, _ = cut_one(laid(alpha, (200, 90, 40), 0), alpha, "never")

    np.testing.assert_array_equal(matte, alpha.astype(np.float32))


@pytest.mark.parametrize("remove_background", ["auto", "always", "never"])
def test_an_empty_alpha_is_refused(remove_background):
    with pytest.raises(PictureError, match=r"'front' picture is transparent all over.*send"):
        cut_one(np.full((64, 64, 3), 200, np.uint8), np.zeros((64, 64)), remove_background)


@pytest.mark.parametrize("alpha", [None, np.ones((64, 64))])
def test_never_refuses_a_picture_that_shows_no_outline(alpha):
    with pytest.raises(PictureError, match=r"opaque all over.*remove_background auto"):
        cut_one(np.full((64, 64, 3), 200, np.uint8), alpha, "never")


@pytest.mark.parametrize("alpha", [None, np.ones((48, 64)), np.full((48, 64), 0.7)])
def test_whole_takes_all_of_an_opaque_picture_as_the_subject_and_remarks_on_it(alpha):
    matte, notices = cut_one(np.full((48, 64, 3), 200, np.uint8), alpha, "whole")

    np.testing.assert_array_equal(matte, np.ones((48, 64), np.float32))
    assert [(notice.code, notice.field) for notice in notices] == [("whole_picture", "front")]
    assert "64 x 48" in notices[0].message


def test_whole_keeps_an_alpha_that_shows_an_outline_beside_an_opaque_picture():
    alpha = disc()
    cut, opaque = picture(laid(alpha, (200, 90, 40), 0), alpha), picture(laid(alpha, 200, 90), name="back")

    mattes, notices = cut_out([cut, opaque], "whole")

    np.testing.assert_array_equal(mattes[0], alpha.astype(np.float32))
    np.testing.assert_array_equal(mattes[1], 1)
    assert [(notice.code, notice.field) for notice in notices] == [("whole_picture", "back")]


def faded(alpha, subject, old_backdrop):
    """A subject cut out three pixels too wide: its colours fade to an old backdrop's where its alpha falls."""
    wide = Image.fromarray((alpha * 255).astype(np.uint8)).filter(ImageFilter.MaxFilter(7))
    return laid(alpha, subject, old_backdrop), np.asarray(wide.filter(ImageFilter.GaussianBlur(2))) / 255


@pytest.mark.parametrize("old_backdrop", [(0, 0, 0), (255, 255, 255), (30, 160, 60)])
def test_a_fringe_of_an_old_backdrop_is_taken_off_the_rim(old_backdrop):
    truth = disc(45)
    image, alpha = faded(truth, (200, 120, 90), old_backdrop)

    matte, (notice,) = cut_one(image, alpha)

    assert overlap(alpha, truth) < 0.92
    assert overlap(matte, truth) > 0.97
    assert (notice.code, notice.field) == ("fringe_removed", "front")
    assert str(old_backdrop) in notice.message


def test_a_drawn_outline_is_no_fringe():
    ink = disc(45)
    image = laid(disc(40), (250, 215, 190), laid(ink, (10, 10, 10), (0, 0, 0)))

    matte, notices = cut_one(image, ink)

    np.testing.assert_allclose(matte, np.where(ink < 0.02, 0, ink), atol=1e-6)
    assert not notices


# A plain backdrop


@pytest.mark.parametrize("ground", [(255, 255, 255), (0, 0, 0), (20, 180, 50), (128, 128, 128)])
def test_a_plain_backdrop_is_keyed_to_a_fraction_of_a_pixel(ground):
    truth = disc()

    matte, notices = cut_one(laid(truth, (200, 90, 40), ground))

    assert np.abs(matte - truth).max() < 0.06
    assert not notices


def test_noise_a_gradient_and_a_vignette_leave_a_backdrop_plain():
    truth = disc()
    across = np.linspace(-1, 1, SIDE)
    light = 200 + 15 * across[:, None] - 12 * (across[:, None] ** 2 + across[None] ** 2)
    rng = np.random.default_rng(1)
    image = laid(truth, (60, 90, 40), light[..., None] * np.ones(3)) + rng.normal(0, 2, (SIDE, SIDE, 3))

    matte, _ = cut_one(np.clip(image, 0, 255).astype(np.uint8))

    assert overlap(matte, truth) > 0.98


def test_a_soft_shadow_is_not_the_subject():
    truth = disc(30, (70, 80))
    row, column = np.mgrid[:SIDE, :SIDE]
    shade = 1 - 0.4 * np.exp(-(((row - 104) / 8) ** 2) - ((column - 80) / 30) ** 2)

    matte, _ = cut_one(laid(truth, (180, 40, 60), 240 * shade[..., None] * np.ones(3)))

    assert overlap(matte, truth) > 0.95


def test_a_way_through_the_subject_is_open_and_its_white_eye_is_not():
    ring = disc(50) - disc(22)
    eye = disc(4, (80, 117))
    image = laid(ring, (200, 90, 40), (255, 255, 255))
    image = laid(eye, (255, 255, 255), image)

    matte, _ = cut_one(image)

    assert matte[80, 80] == 0
    assert matte[80, 117] == 1


def test_a_hole_of_another_colour_stays_closed():
    window = disc(20)
    image = laid(window, (90, 130, 200), laid(disc(50), (200, 90, 40), (255, 255, 255)))

    matte, _ = cut_one(image)

    assert overlap(matte, disc(50)) > 0.98


def test_a_stroke_two_pixels_wide_is_kept():
    truth = disc(30)
    truth[20:60, 79:81] = 1

    matte, _ = cut_one(laid(truth, (40, 40, 40), (255, 255, 255)))

    assert (matte[22:50, 79:81] > 0.8).all()


# The network


def test_a_subject_before_clutter_is_found_by_the_network():
    image, truth = ball()

    matte, notices = cut_one(image)

    assert overlap(matte, truth) > 0.93
    assert "matte_unsure" not in codes(notices)


def test_the_number_of_threads_changes_no_bit():
    views = [picture(ball()[0], name="front"), picture(ball()[0][:, ::-1].copy(), name="back")]

    mattes = []
    for count in (1, 2, 16):
        compute.set_threads(count)
        mattes.append(np.stack(cut_out(views)[0]))
    compute.set_threads(None)

    np.testing.assert_array_equal(mattes[0], mattes[1])
    np.testing.assert_array_equal(mattes[0], mattes[2])


def test_another_view_shows_what_the_network_missed():
    """Where one view's ball has a patch of the wall's colour, the opposite view's outline still closes it."""
    image, truth = ball()
    other = image.copy()
    other[128:170, 130:190] = image[10:52, 10:70]  # a piece of wall glued on the ball's rim

    alone, _ = cut_out([picture(other)])
    (together, _), _ = cut_out([picture(other), picture(image[:, ::-1].copy(), name="back")])

    assert overlap(together, truth) > overlap(alone[0], truth)


@pytest.mark.parametrize("seed", range(3))
def test_noise_has_no_subject(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (256, 256, 3), dtype=np.uint8)

    with pytest.raises(PictureError, match=r"no subject was found in the 'front' picture.*plain background"):
        cut_one(noise)


def test_one_flat_colour_has_no_subject():
    with pytest.raises(PictureError, match="no subject was found"):
        cut_one(np.full((64, 64, 3), 200, np.uint8))


def test_a_larger_network_without_its_extra_tells_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "rembg", None)  # as if it were not installed, wherever it is

    with pytest.raises(MissingExtraError, match=r"pip install .*\[rembg\]"):
        cut_out([picture(ball()[0])], network="isnet-general-use")


def test_a_run_is_canceled_between_looks():
    calls = []

    def stop(done):
        calls.append(done)
        if done > 0.2:
            raise CanceledError("stop")

    with pytest.raises(CanceledError):
        cut_out([picture(ball()[0])], tick=stop)

    assert calls == sorted(calls)
    assert len(calls) >= 2


# One subject, cleaned


def test_two_subjects_are_refused_with_their_sizes():
    alpha = np.maximum(disc(25, (80, 40)), disc(25, (80, 120)))

    with pytest.raises(PictureError, match=r"two subjects, of 19\d\d and 19\d\d pixels.*crop"):
        cut_one(laid(alpha, (200, 90, 40), (255, 255, 255)))


def test_a_thin_gap_does_not_split_a_subject():
    truth = disc(50)
    truth[78:82] = 0

    matte, notices = cut_one(laid(truth, (200, 90, 40), (255, 255, 255)))

    assert overlap(matte, truth) > 0.98
    assert not notices


def test_specks_and_pinholes_are_cleaned_and_small_parts_reported():
    alpha = disc(50)
    alpha[80, 80] = 0
    alpha[5, 5] = 1
    alpha[4:7, 140:144] = 1

    matte, notices = cut_one(laid(alpha, (200, 90, 40), 0), alpha)

    assert matte[80, 80] == 1
    assert matte[5, 5] == 0
    assert matte[4:7, 140:144].max() == 0
    assert [(n.code, n.field) for n in notices] == [("small_parts_dropped", "front")]


def test_parts_of_a_picture_that_is_cut_out_are_real_however_far_apart():
    alpha = np.maximum.reduce([disc(25, (80, 40)), disc(25, (80, 120)), disc(4, (20, 80))])

    matte, notices = cut_one(laid(alpha, (200, 90, 40), 0), alpha)

    np.testing.assert_allclose(matte, np.where(alpha < 0.02, 0, alpha), atol=1e-6)
    assert not notices


def test_loose_parts_before_a_plain_backdrop_are_dropped_with_their_share():
    truth = np.maximum(disc(50), disc(3, (10, 150)))

    matte, (notice,) = cut_one(laid(truth, (200, 90, 40), (255, 255, 255)))

    assert matte[10, 150] == 0
    assert (notice.code, notice.field) == ("small_parts_dropped", "front")
    assert "0.4%" in notice.message


@pytest.mark.parametrize("remove_background", ["auto", "never"])
def test_half_transparent_matter_is_left_out_with_its_share(remove_background):
    alpha = disc(50)
    alpha[:80] *= 0.35

    matte, (notice,) = cut_one(laid(np.ones_like(alpha), (150, 200, 210), 0), alpha, remove_background)

    assert overlap(matte, alpha) == 1
    assert (notice.code, notice.field) == ("half_transparent_left_out", "front")
    assert "50%" in notice.message
    assert "alpha 0.35" in notice.message


def test_a_soft_rim_is_no_half_transparent_matter():
    row, column = np.mgrid[:SIDE, :SIDE] + 0.5
    alpha = np.clip((50 - np.hypot(row - 80, column - 80)) / 5 + 0.5, 0, 1)

    assert cut_one(laid(alpha, (200, 90, 40), 0), alpha)[1] == []


def test_a_subject_that_leaves_the_picture_is_reported_with_side_and_pixels():
    truth = disc(40, (150, 80))

    _, notices = cut_one(laid(truth, (200, 90, 40), (255, 255, 255)))

    (notice,) = notices
    assert (notice.code, notice.field) == ("matte_touches_border", "front")
    assert "bottom (" in notice.message
    assert "top" not in notice.message


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(16, 90),
    height=st.integers(16, 90),
    ground=st.tuples(*[st.integers(0, 255)] * 3),
    subject=st.tuples(*[st.integers(0, 255)] * 3),
    with_alpha=st.booleans(),
)
def test_any_box_on_any_colour_is_a_matte_or_a_picture_error(width, height, ground, subject, with_alpha):
    truth = np.zeros((height, width))
    truth[height // 4 : -height // 4, width // 4 : -width // 4] = 1
    image = laid(truth, subject, ground)

    try:
        matte, _ = cut_one(image, truth if with_alpha else None)
    except PictureError as error:
        assert "'front'" in str(error)  # noqa: PT017 (either outcome is right)
    else:
        assert matte.shape == (height, width)
        assert matte.min() >= 0
        assert matte.max() == 1
        contrast = max(abs(a - b) for a, b in zip(subject, ground, strict=True))
        if with_alpha or contrast > 60:
            assert overlap(matte, truth) > 0.9


def china(level=249, side=256, ground=255.0, logo=False):
    """A white cup before white paper, its middle only `ground - level` levels darker: its picture and coverage."""
    row, column = np.mgrid[:side, :side] / side * 768
    half = np.interp(row, [150, 200, 560, 620], [150, 200, 150, 90])
    body = (abs(column - 384) < half) & (row > 150) & (row < 620)
    away = np.hypot(column - 590, row - 380)
    handle = (away < 90) & (away > 60) & ~body
    across = np.clip((column - 384) / half, -1, 1)
    shade = np.where(body, level - 26 * across**4 - 8 * np.clip(-across, 0, 1), np.where(handle, 236, ground))
    image = np.repeat(shade[..., None], 3, axis=2)
    if logo:
        image[(abs(column - 384) < 60) & (abs(row - 380) < 50)] = (200, 30, 40)
    return image.round().astype(np.uint8), (body | handle).astype(float)


@pytest.mark.parametrize("logo", [False, True])
@pytest.mark.parametrize("level", [252, 249])
def test_white_china_before_white_paper_is_one_cup_with_a_handle(level, logo):
    image, truth = china(level, logo=logo)

    matte, _ = cut_one(image)

    assert overlap(matte, truth) > 0.95
    assert matte[127, 150 + 47] < 0.5  # through the handle
    assert matte[127, 222] > 0.5  # the handle


def test_where_keying_leaves_two_pieces_the_network_that_is_sure_of_one_decides(monkeypatch):
    image, truth = china(249)
    stripes = truth.astype(bool)
    stripes[:, 115:140] = False
    backdrop_of = np.full(image.shape, 255, np.float32)
    keyed = backdrop.Keyed(stripes, np.zeros_like(stripes), backdrop_of)  # sure of itself, and wrong
    monkeypatch.setattr(backdrop, "key", lambda _: keyed)

    matte, notices = cut_one(image)

    assert overlap(matte, truth) > 0.95
    assert codes(notices) == {"matte_from_network"}


def test_two_subjects_stay_refused_where_the_network_sees_two_as_well():
    truth = np.maximum(disc(50, (128, 60), 256), disc(50, (128, 196), 256))

    with pytest.raises(PictureError, match="two subjects"):
        cut_one(laid(truth, (200, 90, 40), (255, 255, 255)))
