# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What every engine promises: views become a field.

Owns      `Engine`, and `find`, which loads the one that a recipe names.
Not here  how an engine works (its own module), the table of engines (`engines`), parameters (`recipe`).
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fourview.compute import Machine
from fourview.engines import ENGINES
from fourview.errors import MissingExtraError, RecipeError
from fourview.install import install_line
from fourview.progress import RunProgress
from fourview.recipe import Recipe
from fourview.shape.shape import Shape
from fourview.views.view import View


def _nothing_to_check(recipe: Recipe) -> None:
    """The check of an engine that is always ready."""


@dataclass(frozen=True)
class Engine:
    """Views -> field. `version` changes whenever the same views give another shape.

    `shape` opens the stages `encode` and, if it samples, `denoise`. `check` raises what would fail later, before any
    picture is read.
    """

    name: str
    version: str
    licence: str
    shape: Callable[[Sequence[View], Recipe, RunProgress], Shape]
    check: Callable[[Recipe], None] = _nothing_to_check


def find(name: str, machine: Machine | None = None) -> Engine:
    """The engine called `name` on `machine`. Keep what is returned: it keeps its network between runs.

    Raises `RecipeError` for an unknown name, `MissingExtraError` where a package of the engine is not installed.
    """
    if name not in ENGINES:
        raise RecipeError(f"there is no engine '{name}'; the engines are {', '.join(ENGINES)}")
    entry = ENGINES[name]
    try:
        module = importlib.import_module(entry.module)
    except ModuleNotFoundError as error:
        if entry.extra is None or (error.name or "").partition(".")[0] == "fourview":
            raise
        raise MissingExtraError(
            f"the engine '{name}' needs the module {error.name!r}: {install_line(entry.extra)}"
        ) from error
    engine: Engine = module.engine(machine or Machine())
    return engine
