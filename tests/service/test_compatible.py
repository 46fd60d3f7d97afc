# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The thirteen fields of the hosted service, in all the ways in which its clients write them."""

import asyncio
import json
from pathlib import Path

import pytest
from service.bodies import BOUNDARY, multipart, request_of

from fourview.recipe import flat, parameters
from fourview.service.hosted import request as hosted
from fourview.service.problems import Refused
from fourview.service.settings import Settings

PICTURE = "iVBORw0KGgoAAAA"
PARAMETERS = {parameter.name: parameter for parameter in parameters()}
# As the hosted service's page has them; seed -1 and randomize_seed true are one thing.
PAGE = {"seed": -1, "steps": 30, "guidance_scale": 5, "octree_resolution": 256, "num_chunks": 200_000,
        "target_face_num": 10_000, "file_type": "glb", "remove_background": "auto"}  # fmt: skip


def ask(fields, **more):
    """What is asked for with these fields, besides a front picture, as JSON."""
    content = json.dumps({"front_image": PICTURE, **fields}).encode()
    settings = more.get("settings") or Settings()
    return asyncio.run(hosted.read(request_of(content, **more), "v1", settings.recipe_defaults))


def ask_form(*parts):
    request = request_of(multipart(*parts), f"multipart/form-data; boundary={BOUNDARY}")
    return asyncio.run(hosted.read(request, "v2", {}))


def parameter(fields, name):
    return flat(ask(fields).recipe)[name]


def refused(fields):
    """The pointers that a refusal names, and what it says."""
    with pytest.raises(Refused) as caught:
        ask(fields)
    return caught.value


def test_nothing_but_a_front_picture_is_a_run_of_the_pages_defaults():
    asked = ask({})

    assert {name: flat(asked.recipe)[name] for name in PAGE} == PAGE
    assert list(asked.sources) == ["front"]
    assert (asked.recipe.given, asked.warnings) == (frozenset(), ())


def test_the_sides_are_those_of_the_fields():
    asked = ask({"back_image": PICTURE, "left_image": "https://example.com/left.png", "right_image": "upl_1"})

    assert {side: source.kind for side, source in asked.sources.items()} == {
        "front": "base64", "back": "base64", "left": "url", "right": "upload",
    }  # fmt: skip
    assert [asked.fields[side] for side in asked.sources] == ["front_image", "back_image", "left_image", "right_image"]


@pytest.mark.parametrize("value", [None, "", " ", "1", "null", "undefined", "None"])
def test_a_picture_may_be_absent_in_many_ways(value):
    assert list(ask({"left_image": value}).sources) == ["front"]
    assert [pointer for pointer, _ in refused({"front_image": value}).errors] == ["/front_image"]


@pytest.mark.parametrize("name", hosted.PARAMETERS + hosted.FLAGS)
@pytest.mark.parametrize("value", [None, "", "null"])
def test_a_parameter_that_is_absent_has_its_default(name, value):
    assert ask({name: value}).recipe == ask({}).recipe


def test_form_text_is_what_json_would_be():
    typed = {
        "seed": 7, "steps": 30, "guidance_scale": 5.0, "octree_resolution": 64, "num_chunks": 5000,
        "target_face_num": 200, "file_type": "stl", "randomize_seed": False, "remove_background": False,
    }  # fmt: skip
    text = {name: str(value) for name, value in typed.items()}

    asked = ask_form(("front_image", b"\x89PNG"), *text.items())

    assert asked.recipe == ask(typed).recipe == ask(text).recipe
    assert asked.sources["front"].value == b"\x89PNG"


YES, NO = (True, 1, "1", "True", "yes", "on"), (False, 0, "0", "FALSE", "no", "off")


@pytest.mark.parametrize("value", [*YES, *NO])
def test_true_and_false_have_many_spellings(value):
    assert parameter({"remove_background": value}, "remove_background") == ("auto" if value in YES else "whole")


@pytest.mark.parametrize("value", [2, 1.0, "maybe", "2", [], {"a": True}])
def test_what_is_neither_true_nor_false_is_refused(value):
    for name in hosted.FLAGS:
        assert [pointer for pointer, _ in refused({name: value}).errors] == [f"/{name}"]


@pytest.mark.parametrize("name", [name for name in hosted.PARAMETERS if name != "file_type"])
def test_a_value_outside_of_its_range_is_refused_with_field_and_range(name):
    for value in (
        PARAMETERS[name].low - 1,
        PARAMETERS[name].high + 1,
        f"{PARAMETERS[name].high + 1}",
        "many",
        True,
        [1],
    ):
        error = refused({name: value})

        assert (error.code, [pointer for pointer, _ in error.errors]) == ("invalid_field", [f"/{name}"])
        assert f"{name} is " in error.detail
        assert PARAMETERS[name].range in error.detail
    for value in (PARAMETERS[name].low, PARAMETERS[name].high):
        assert parameter({name: value, "randomize_seed": False}, name) == value


def test_a_file_type_is_one_of_four():
    for file_type in ("glb", "obj", "ply", "stl"):
        assert parameter({"file_type": file_type}, "file_type") == file_type
    assert "glb, obj, ply, stl" in refused({"file_type": "fbx"}).detail


def test_everything_that_is_wrong_is_named_at_once():
    error = refused({"steps": 0, "file_type": "fbx", "randomize_seed": "x", "left_image": "ftp://x", "front_image": ""})

    assert error.code == "invalid_field"
    assert {pointer for pointer, _ in error.errors} == {
        "/steps", "/file_type", "/randomize_seed", "/left_image", "/front_image"
    }  # fmt: skip


def test_a_picture_that_cannot_be_is_a_picture_error():
    assert refused({"left_image": "file:///etc/passwd"}).code == "invalid_picture"
    assert refused({"left_image": 7}).code == "invalid_picture"


def test_a_parameter_that_is_a_file_is_refused():
    with pytest.raises(Refused) as caught:
        ask_form(("front_image", b"\x89PNG"), ("steps", b"30"))

    assert "a file of 2 bytes" in caught.value.detail


def test_a_fresh_seed_is_drawn_whatever_seed_says_unless_that_is_not_wanted():
    assert parameter({"seed": 42}, "seed") == -1
    assert parameter({"seed": 42, "randomize_seed": True}, "seed") == -1
    assert parameter({"seed": 42, "randomize_seed": "false"}, "seed") == 42
    assert parameter({"randomize_seed": False}, "seed") == -1
    assert parameter({"seed": 2**63 - 1, "randomize_seed": 0}, "seed") == 2**63 - 1


def test_a_seed_that_is_not_used_is_said():
    (notice,) = ask({"seed": 42}).warnings

    assert (notice.code, notice.field) == ("seed_not_used", "seed")
    assert ask({"seed": -1}).warnings == ask({"seed": 42, "randomize_seed": False}).warnings == ()


def test_a_seed_is_checked_even_where_it_is_not_used():
    assert refused({"seed": -2, "randomize_seed": True}).code == "invalid_field"


def test_unknown_fields_are_ignored_with_a_warning():
    asked = ask({"texture": False, "x" * 1000: 1})

    assert [(notice.code, notice.field) for notice in asked.warnings] == [
        ("field_unknown", "texture"), ("field_unknown", "x" * 40 + ".."),
    ]  # fmt: skip
    assert asked.recipe == ask({}).recipe


def test_an_obj_says_that_its_texture_stays_behind():
    assert [notice.code for notice in ask({"file_type": "obj"}).warnings] == ["obj_without_texture"]
    plain = Settings(recipe_defaults={"texture": "off"})
    assert ask({"file_type": "obj"}, settings=plain).warnings == ()


def test_the_houses_defaults_hold_where_nothing_is_sent():
    house = Settings(recipe_defaults={"engine": "hunyuan2mv", "steps": 12, "seed": 5})

    shape = ask({}, settings=house).recipe.shape
    assert (shape.engine, shape.steps) == ("hunyuan2mv", 12)
    assert ask({"steps": 3}, settings=house).recipe.shape.steps == 3


def test_a_seed_of_the_house_is_used_where_no_fresh_one_is_wanted():
    house = Settings(recipe_defaults={"seed": 5})

    assert ask({}, settings=house).recipe.shape.seed == -1
    assert ask({"randomize_seed": False}, settings=house).recipe.shape.seed == 5
    assert ask({"randomize_seed": False, "seed": 6}, settings=house).recipe.shape.seed == 6
    assert ask({}, settings=house).warnings == ()


def test_the_docs_hold_the_row_of_every_field():
    rows = (Path(__file__).parents[2] / "docs" / "reference" / "hosted-api.md").read_text().splitlines()

    for name, schema in hosted.properties().items():
        if name in hosted.PICTURES:
            cells = "a picture", "required" if name == "front_image" else "none", schema["description"]
        elif name in hosted.FLAGS:
            cells = "true, false", "true", schema["description"]
        else:
            cells = PARAMETERS[name].range, f"{PARAMETERS[name].default}".removesuffix(".0"), PARAMETERS[name].doc
        assert f"| `{name}` | {' | '.join(cells)} |" in rows
