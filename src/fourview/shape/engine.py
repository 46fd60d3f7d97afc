# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Engines: whatever turns views into a field.

Owns      what an engine promises, and the table of those that exist.
Not here  how an engine works (its own file), its parameters (`recipe`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fourview.compute import Machine
from fourview.errors import MissingExtraError, RecipeError
from fourview.install import install_line
from fourview.progress import Journey
from fourview.recipe import Recipe
from fourview.shape.hull import hull
from fourview.shape.shape import Shape
from fourview.views.view import View


def _nothing_to_check(recipe: Recipe) -> None:
    """An engine that is always ready."""


@dataclass(frozen=True)
class Engine:
    """Views -> field. `version` changes whenever the same views give another shape; `licence` is that of the engine.

    `shape` opens the stages `encode` and, if it samples, `denoise` of the journey. `check` raises, before any picture
    is read, what would go wrong later.
    """

    name: str
    version: str
    licence: str
    shape: Callable[[Sequence[View], Recipe, Journey], Shape]
    check: Callable[[Recipe], None] = _nothing_to_check


def find(name: str, machine: Machine | None = None) -> Engine:
    """The engine called `name` on `machine`; one that keeps its network between runs keeps it in what is returned."""
    if name not in _ENGINES:
        raise RecipeError(f"there is no engine '{name}'; the engines are {', '.join(_ENGINES)}")
    return _ENGINES[name](machine or Machine())


def _mini(machine: Machine) -> Engine:
    from fourview.shape.mini.engine import Mini

    made = Mini()
    return Engine("mini", "2", made.licence, made.shape)


def _hull(machine: Machine) -> Engine:
    def shape(views: Sequence[View], recipe: Recipe, journey: Journey) -> Shape:
        with journey.stage("encode") as tick:
            return Shape(hull(views, tick), (), {}, is_framed=True)

    return Engine("hull", "1", "Apache-2.0", shape)


def _hunyuan2mv(machine: Machine) -> Engine:
    try:
        from fourview.shape.hunyuan2mv.engine import Hunyuan2mv
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "fourview":
            raise
        raise MissingExtraError(
            f"the engine 'hunyuan2mv' needs the module {error.name!r}: {install_line('hunyuan')}"
        ) from error
    made = Hunyuan2mv(machine)
    return Engine("hunyuan2mv", "1", made.licence, made.shape, made.check)


_ENGINES: dict[str, Callable[[Machine], Engine]] = {"mini": _mini, "hull": _hull, "hunyuan2mv": _hunyuan2mv}
