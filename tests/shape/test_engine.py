# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from fourview.errors import RecipeError
from fourview.recipe import Recipe
from fourview.shape.engine import find


def test_the_engine_of_the_default_recipe_is_found() -> None:
    assert find(Recipe().shape.engine).name == Recipe().shape.engine


def test_an_unknown_engine_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(RecipeError, match="there is no engine 'magic'; the engines are mini, hull, hunyuan2mv"):
        find("magic")
