# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Engines: whatever turns views into a field.

Owns      what an engine promises, and the table of those that exist.
Not here  how an engine works (its own file), its knobs (`recipe`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fourview.errors import RecipeError
from fourview.notice import Notice
from fourview.progress import Tick
from fourview.recipe import Recipe
from fourview.shape.hull import hull
from fourview.surface.field import Field
from fourview.views.view import View

Make = Callable[[Sequence[View], Recipe, Tick], tuple[Field, list[Notice]]]


@dataclass(frozen=True)
class Engine:
    """Views -> field. `version` changes whenever the same views give another shape; `licence` is that of the engine."""

    name: str
    version: str
    licence: str
    field: Make


def _hull(views: Sequence[View], recipe: Recipe, tick: Tick) -> tuple[Field, list[Notice]]:
    return hull(views, tick), []


_ENGINES = {engine.name: engine for engine in [Engine("hull", "1", "Apache-2.0", _hull)]}


def find(name: str) -> Engine:
    """The engine called `name`."""
    if name not in _ENGINES:
        raise RecipeError(f"there is no engine '{name}'; the engines are {', '.join(_ENGINES)}")
    return _ENGINES[name]
