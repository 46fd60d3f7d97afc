# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The engine `hull`: the shape that the outlines allow, rounded.

Owns      the engine. Not here: the shape itself (`shape.hull`).
"""

from collections.abc import Sequence

from fourview.compute import Machine
from fourview.engines import ENGINES
from fourview.progress import RunProgress
from fourview.recipe import Recipe
from fourview.shape.engine import Engine
from fourview.shape.hull import hull
from fourview.shape.shape import Shape
from fourview.views.view import View


def engine(machine: Machine) -> Engine:
    """The engine; it needs no machine."""

    def shape(views: Sequence[View], recipe: Recipe, run: RunProgress) -> Shape:
        with run.stage("encode") as tick:
            return Shape(hull(views, tick), (), {}, is_framed=True)

    return Engine("hull", "1", ENGINES["hull"].licence, shape)
