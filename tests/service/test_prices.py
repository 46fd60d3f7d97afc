# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Prices: whole thousandths of a credit, the same each time, and never less for more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fourview import engines, kinds
from fourview.recipe import Recipe, parameters
from fourview.service.prices import PRICES, PriceRow, price_of

ENGINES = st.sampled_from(sorted(engines.ENGINES))
PRICED = ("steps", "octree_resolution", "target_face_num", "texture_size")
HIGHEST = {parameter.name: int(parameter.high) for parameter in parameters() if parameter.name in PRICED}
RANGES = {
    parameter.name: st.integers(int(parameter.low), int(parameter.high))
    for parameter in parameters()
    if parameter.name in PRICED
}
TABLES = st.builds(PriceRow, **dict.fromkeys(PriceRow.model_fields, st.integers(0, 10**9)))


def test_the_default_recipe_costs_the_sum_of_its_row():
    assert price_of("generate", Recipe(), PRICES) == 40 + 20 + 20 + 20
    assert price_of("generate", Recipe.of(engine="hunyuan2mv"), PRICES) == 100 + 30 * 20 + 100 + 50 + 150


def test_the_grid_and_the_texture_count_by_their_square_and_faces_by_their_number():
    prices = {"hull": PriceRow(base=0, step=0, resolution=100, faces=10, texture=1)}

    large = Recipe.of(engine="hull", octree_resolution=512, target_face_num=1_000_000, texture_size=2048)
    price = price_of("generate", large, prices)

    assert price == 400 + 1000 + 4


def test_every_part_is_rounded_up():
    prices = {"hull": PriceRow(base=0, step=0, resolution=1, faces=1, texture=1)}

    assert (
        price_of(
            "generate", Recipe.of(engine="hull", octree_resolution=16, target_face_num=100, texture_size=256), prices
        )
        == 3
    )


def test_no_texture_costs_nothing():
    assert price_of("generate", Recipe.of(texture="off", texture_size=8192), PRICES) == 80


def test_turbo_weights_take_five_steps_unless_told_otherwise():
    turbo = {"engine": "hunyuan2mv", "variant": "turbo"}

    assert price_of("generate", Recipe.of(**turbo), PRICES) == 100 + 5 * 20 + 100 + 50 + 150
    assert price_of("generate", Recipe.of(**turbo, steps=30), PRICES) == price_of(
        "generate", Recipe.of(engine="hunyuan2mv"), PRICES
    )


def test_an_operation_on_a_mesh_costs_its_base_its_texture_and_the_faces_it_makes():
    recipe = Recipe.of(target_face_num=20_000, texture_size=2048)

    assert price_of("convert", recipe, PRICES) == price_of("retexture", recipe, PRICES) == 10 + 4 * 20
    assert price_of("simplify", recipe, PRICES) == 10 + 2 * 10 + 4 * 20
    assert price_of("convert", Recipe.of(texture="off"), PRICES) == 10


def test_there_is_a_row_for_every_engine_and_for_every_kind_of_job_without_one():
    without = {kind.name for kind in kinds.KINDS.values() if kind.is_job and not kind.has_engine}

    assert set(PRICES) == {*engines.ENGINES} | without


@pytest.mark.parametrize("value", [-1, 1.5, "1", None])
def test_a_price_that_is_no_whole_number_is_refused(value):
    with pytest.raises(ValidationError):
        PriceRow(base=value, step=0, resolution=0, faces=0, texture=0)


@given(ENGINES, TABLES, st.fixed_dictionaries(RANGES), st.sampled_from(PRICED), st.data())
def test_more_never_costs_less_and_the_same_costs_the_same(engine, table, values, name, data):
    prices = {engine: table}
    more = values | {name: data.draw(st.integers(values[name], HIGHEST[name]))}

    price, higher = (
        price_of("generate", Recipe.of(engine=engine, **parameters), prices) for parameters in (values, more)
    )

    assert isinstance(price, int)
    assert 0 <= price <= higher
    assert price == price_of("generate", Recipe.of(engine=engine, **values), prices)


@given(st.fixed_dictionaries(RANGES), st.sampled_from(["glb", "obj", "ply", "stl"]), st.integers(-1, 2**63 - 1))
def test_what_has_no_price_changes_none(values, file_type, seed):
    assert price_of("generate", Recipe.of(**values), PRICES) == price_of(
        "generate", Recipe.of(**values, file_type=file_type, seed=seed, guidance_scale=0), PRICES
    )
