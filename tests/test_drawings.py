# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures as strangers send them, through the whole run: the model is right, or a warning names what is not."""

import numpy as np
import pytest
from drawn import codes, drawings, near, seen_from

import fourview
from fourview.recipe import Recipe


def run(pictures, **knobs):
    small = {"octree_resolution": 96, "target_face_num": 2000, "texture_size": 256, "engine": "hull"}
    return fourview.generate(pictures, Recipe.of(**small | knobs))


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
