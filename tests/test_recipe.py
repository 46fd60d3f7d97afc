# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The one definition of all parameters."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourview.errors import RecipeError
from fourview.recipe import Recipe, flat, parameters


def test_every_parameter_has_a_path_a_sentence_and_values_that_it_takes():
    for parameter in parameters():
        assert parameter.path.endswith("." + parameter.name)
        assert parameter.doc
        assert parameter.choices or parameter.low is not None


def test_flat_names_are_unique():
    names = [parameter.name for parameter in parameters()]

    assert len(names) == len(set(names))


def test_flat_names_reach_the_nested_recipe_and_are_remembered():
    recipe = Recipe.of(octree_resolution=127, texture="off", height_m=2)

    assert recipe.surface.octree_resolution == 127
    assert recipe.texture.texture == "off"
    assert recipe.export.height_m == 2.0
    assert recipe.given == {"octree_resolution", "texture", "height_m"}


def test_defaults_lie_within_their_own_ranges():
    defaults = flat(Recipe())

    assert flat(Recipe.of(**defaults)) == defaults


@pytest.mark.parametrize(
    ("given_parameter", "wanted"),
    [
        ({"octree_resolution": 15}, "octree_resolution is 15; it takes a whole number in 16 .. 512"),
        ({"octree_resolution": 2.5}, "octree_resolution is 2.5; it takes a whole number"),
        ({"octree_resolution": float("nan")}, "octree_resolution is nan"),
        ({"num_chunks": True}, "num_chunks is True"),
        ({"file_type": "fbx"}, "file_type is 'fbx'; it takes one of glb, obj, ply, stl"),
        ({"colour": 1}, "there is no parameter 'colour'; the parameters are remove_background"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(given_parameter, wanted):
    with pytest.raises(RecipeError, match=wanted.replace(".", r"\.").replace("(", r"\(")):
        Recipe.of(**given_parameter)


@given(st.sampled_from([k for k in parameters() if not k.choices]), st.integers() | st.floats())
def test_any_number_is_taken_within_the_range_or_refused(parameter, value):
    inside = parameter.low <= value <= parameter.high and (parameter.type is float or value == int(value))

    if inside:
        assert flat(Recipe.of(**{parameter.name: value}))[parameter.name] == parameter.type(value)
    else:
        with pytest.raises(RecipeError):
            Recipe.of(**{parameter.name: value})


def test_a_recipe_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().given = frozenset()
