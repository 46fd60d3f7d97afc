# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures as strangers send them, through the whole run: the model is right, or a warning names what is not."""

from importlib.resources import files

import numpy as np
import pytest
from drawn import SIDES, codes, drawings, jpeg, near, seen_from
from PIL import Image, ImageDraw, ImageFilter

import fourview
from fourview.recipe import Recipe


def run(pictures, **parameters):
    small = {"octree_resolution": 96, "target_face_num": 2000, "texture_size": 256, "engine": "hull"}
    return fourview.generate(pictures, Recipe.of(**small | parameters))


YELLOW = (240, 190, 20)


@pytest.mark.parametrize("slenderness", [20, 50])
def test_a_slender_thing_keeps_its_colour(slenderness):
    half = 440 // slenderness

    result = run(
        drawings(lambda pen, _: pen.rectangle([256 - half, 36, 255 + half, 475], fill=YELLOW), (512, 512)),
        octree_resolution=256,
    )

    colour, there = seen_from(result, "front")
    assert near(colour, YELLOW)[there].mean() > 0.95
    assert np.ptp(result.mesh.uv, axis=0).max() > 0.9
    assert codes(result) == []


def warnings(result):
    """The messages of the run's warnings by code."""
    return {notice.code: notice.message for notice in result.report.warnings}


def ball_on_a_wire(pen, _):
    pen.ellipse([128, 256, 383, 500], fill=(60, 90, 160))
    pen.line([256, 270, 256, 60], fill=(30, 30, 30), width=2)
    pen.ellipse([226, 10, 285, 70], fill=(220, 40, 40))


def test_a_ball_on_a_wire_thinner_than_a_cell_stays_on_its_wire():
    result = run(drawings(ball_on_a_wire, (512, 512)))

    health = result.report.mesh
    assert (health.components, health.watertight, health.manifold) == (1, True, True)
    _, there = seen_from(result, "front")
    assert there[80:250, 240:272].any(axis=1).all()
    assert codes(result) == ["pieces_bridged"]


def test_a_thing_in_two_pieces_stays_in_two_and_the_warning_counts_them():
    def paint(pen, _):
        pen.rectangle([64, 140, 191, 240], fill=(90, 90, 200))
        pen.ellipse([88, 20, 167, 90], fill=(200, 60, 60))

    result = run(drawings(paint))

    assert result.report.mesh.components == 2
    assert "2 pieces" in warnings(result)["model_in_pieces"]
    assert "front 2" in warnings(result)["model_in_pieces"]


@pytest.mark.parametrize("texture", ["project", "off"])
def test_a_stroke_that_the_cells_cannot_hold_is_a_warning_with_its_pixels(texture):
    def paint(pen, side):
        pen.ellipse([100, 160, 411, 500], fill=(60, 90, 160))
        if side in ("front", "back"):
            pen.rectangle(
                [408 if side == "front" else 101, 40, 410 if side == "front" else 103, 330], fill=(30, 30, 30)
            )
        else:
            pen.rectangle([255, 40, 256, 200], fill=(30, 30, 30))

    result = run(drawings(paint, (512, 512)), octree_resolution=32, texture=texture)

    assert "thin_parts_lost" in codes(result)
    assert "px)" in warnings(result)["thin_parts_lost"]


def test_loose_parts_that_are_cut_out_stay():
    def paint(pen, side):
        pen.polygon([(256, 160), (120, 490), (391, 490)], fill=(235, 235, 245))
        pen.ellipse([176, 60, 335, 110], outline=(230, 190, 30), width=14)
        if side in ("front", "back"):
            for x in (80, 431):
                pen.ellipse([x - 24, 250, x + 23, 297], fill=(60, 160, 220))

    result = run(drawings(paint, (512, 512)))

    _, there = seen_from(result, "front")
    assert result.report.mesh.components == 4
    assert [there[273, x] for x in (80, 431)] == [True, True]
    assert there[67:104, 200:312].any()
    assert codes(result) == ["model_in_pieces"]


def test_a_side_that_no_picture_shows_is_named_with_how_it_was_filled():
    def paint(pen, side):
        pen.rectangle([40, 80, 215, 200] if side == "left" else [80, 80, 175, 200], fill=(245, 200, 30))
        if side == "left":
            pen.rectangle([60, 110, 90, 150], fill=(20, 20, 20))

    result = run(drawings(paint, sides=("front", "left", "back")))
    alone = run(drawings(paint, sides=("front",)))

    message = warnings(result)["side_not_shown"]
    assert "right side" in message
    assert "%" in message
    assert "mirrored left" in message
    sides = [n.field for n in alone.report.warnings if n.code == "side_not_shown"]
    assert sides == ["left", "back", "right"]
    assert "shape is guessed" in warnings(alone)["side_not_shown"]


def glass_bottle(pen, _):
    pen.rounded_rectangle([90, 130, 210, 430], 20, fill=(150, 200, 210, 90))
    pen.rectangle([90, 240, 210, 340], fill=(200, 40, 40, 255))
    pen.rectangle([125, 40, 175, 80], fill=(40, 40, 40, 255))
    pen.rectangle([130, 80, 170, 130], fill=(150, 200, 210, 90))


def test_glass_that_is_left_out_is_a_warning_with_its_share():
    result = run(drawings(glass_bottle, (300, 450)))

    shares = [n.message for n in result.report.warnings if n.code == "half_transparent_left_out"]
    assert len(shares) == 4
    assert "64% of the subject" in shares[0]


def test_a_ring_keeps_its_hole_as_a_jpeg_on_white():
    def paint(pen, side):
        if side in ("front", "back"):
            pen.ellipse([40, 40, 280, 280], fill=(200, 120, 60))
            pen.ellipse([115, 115, 205, 205], fill=(255, 255, 255))
        else:
            pen.rounded_rectangle([122, 40, 198, 280], 37, fill=(200, 120, 60))

    result = run({s: jpeg(p) for s, p in drawings(paint, (320, 320), ground=(255, 255, 255, 255)).items()})

    assert (result.report.mesh.components, result.report.mesh.euler) == (1, 0)


def test_a_table_keeps_its_four_legs():
    def paint(pen, side):
        half = 100 if side in ("left", "right") else 150
        pen.rectangle([192 - half, 125, 191 + half, 145], fill=(150, 100, 60))
        for x in (192 - half + 10, 191 + half - 18):
            pen.rectangle([x, 145, x + 8, 320], fill=(110, 70, 40))

    result = run(drawings(paint, (384, 384)), octree_resolution=128, engine="mini")

    low = result.mesh.vertices[result.mesh.vertices[:, 1] < result.mesh.vertices[:, 1].min() + 0.1]
    corners = {(x > 0, z > 0) for x, _, z in low.tolist()}
    assert len(corners) == 4
    assert result.report.mesh.components == 1


def test_a_soft_contact_shadow_is_no_part_of_the_thing():
    def paint(pen, _):
        pen.ellipse([100, 330, 330, 390], fill=(120, 120, 122, 255))

    shadows = drawings(paint, (400, 420), ground=(250, 250, 250, 255))
    pictures = {}
    for side, shadow in shadows.items():
        soft = shadow.filter(ImageFilter.GaussianBlur(14))
        ImageDraw.Draw(soft).rounded_rectangle([110, 60, 290, 360], 30, fill=(200, 60, 60, 255))
        pictures[side] = jpeg(soft)

    result = run(pictures)

    size = np.ptp(result.mesh.vertices, axis=0)
    assert size[0] / size[1] == pytest.approx(0.6, abs=0.04)
    assert result.report.mesh.components == 1


def figure(pen, side, clear=False):
    """A drawn figure with ink around white trousers; the ink stays where a tool has removed the white."""
    half = 45 if side == "left" else 75
    pen.rectangle([160 - half, 20, 160 + half, 160], fill=(220, 30, 40), outline=(10, 10, 10), width=5)
    trousers = (255, 255, 255, 0 if clear and side == "front" else 255)
    pen.rectangle([160 - half, 156, 160 + half, 260], fill=trousers, outline=(10, 10, 10), width=5)
    pen.rectangle([160 - half, 256, 160 + half, 430], fill=(50, 60, 200), outline=(10, 10, 10), width=5)


def test_a_hole_that_the_opposite_outline_contradicts_is_filled_with_its_colours():
    sides = ("front", "left", "back")
    result = run(drawings(lambda pen, side: figure(pen, side, clear=True), (320, 450), sides))

    colour, there = seen_from(result, "front")
    trousers = colour[175:240, 100:220]
    assert there[175:240, 100:220].all()
    assert near(trousers, (255, 255, 255), 40).mean() > 0.9
    assert "'back'" in warnings(result)["holes_filled"]
    assert "views_disagree" not in codes(result)


def test_a_way_through_that_both_ends_show_stays_open():
    def paint(pen, side):
        if side in ("front", "back"):
            pen.ellipse([30, 30, 225, 225], fill=(200, 120, 60), outline=(10, 10, 10), width=4)
            pen.ellipse([90, 90, 165, 165], fill=(0, 0, 0, 0))
        else:
            pen.rectangle([98, 30, 157, 225], fill=(200, 120, 60))

    result = run(drawings(paint))

    assert result.report.mesh.euler == 0
    assert codes(result) == []


def test_a_dark_fringe_leaves_no_dark_specks():
    robot = {side: files("fourview") / f"examples/robot/{side}.png" for side in SIDES}
    fringed = {}
    for side, file in robot.items():
        picture = Image.open(file).convert("RGBA")
        black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        black.alpha_composite(picture)
        black.putalpha(picture.getchannel("A").filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.GaussianBlur(2)))
        fringed[side] = black

    clean, mended = (run(pictures, octree_resolution=128, engine="mini") for pictures in (robot, fringed))

    assert set(codes(mended)) == {"fringe_removed"}
    assert dark_px(mended) < 1.2 * dark_px(clean) + 20


def dark_px(result):
    """How many pixels of the model, seen from all sides, are nearly black."""
    seen = [seen_from(result, side) for side in SIDES]
    return sum(int(((colour.max(axis=2) < 25) & there).sum()) for colour, there in seen)


def test_a_white_cup_before_white_paper_is_one_cup_with_a_handle():
    row, column = np.mgrid[:384, :384].astype(float) * 2
    half = np.interp(row, [150, 200, 560, 620], [150, 200, 150, 90])
    body = (abs(column - 384) < half) & (row > 150) & (row < 620)
    across = np.clip((column - 384) / half, -1, 1)
    pictures = {}
    for side in SIDES:
        light = np.where(body, 249 - 26 * across**4 - 8 * np.clip(-across, 0, 1), 255)
        if side in ("front", "back"):
            away = np.hypot(column - (590 if side == "front" else 768 - 590), row - 380)
            light[(away < 90) & (away > 60) & ~body] = 236
        soft = Image.fromarray(light.astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.7))
        pictures[side] = jpeg(soft)

    result = run(pictures)

    _, there = seen_from(result, "front")
    assert result.report.mesh.components == 1
    assert there[190, 192]  # the middle of the cup
    assert there[190, 332]  # the handle
    assert not there[190, 300]  # through it


def test_black_joints_before_black_are_joined_or_the_pieces_are_told():
    def paint(pen, _):
        pen.rectangle([80, 30, 175, 120], fill=(60, 60, 70))
        pen.rectangle([110, 120, 145, 132], fill=(9, 9, 9))
        pen.rectangle([70, 132, 185, 230], fill=(70, 40, 40))

    result = run({s: jpeg(p) for s, p in drawings(paint, ground=(6, 6, 6, 255)).items()})

    assert result.report.mesh.components == 1 or "2 pieces" in warnings(result)["model_in_pieces"]
