# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What a run costs, known before it starts.

Owns      the table of prices, the sum for one recipe, or for an operation on a mesh.
Not here  holding, charging and releasing (`store`), how many credits a key has.

Money is whole thousandths of a credit. A price is a sum of parts, each of which grows with one parameter and is
rounded up on its own, so a larger parameter never costs less. Grid and texture count by the square of their side: so
many cells lie on a surface, and so many texels are painted.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from fourview.recipe import Recipe

_TURBO_STEPS = 5  # what the turbo weights take where nothing is set, as the recipe's sentence on `steps` says
_REFERENCE_CELLS, _REFERENCE_FACES, _REFERENCE_TEXELS = 256, 10_000, 1024

Engine = Literal["mini", "hull", "hunyuan2mv", "mesh"]  # `mesh`: what is done to a finished mesh


class EnginePrices(BaseModel):
    """Thousandths of a credit; a run of the default recipe costs the sum of all, `step` once for each step."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    base: int = Field(ge=0, le=10**9)
    step: int = Field(ge=0, le=10**9)
    resolution: int = Field(ge=0, le=10**9, description="at 256 cells; four times as much at 512")
    faces: int = Field(ge=0, le=10**9, description="for 10,000 faces")
    texture: int = Field(ge=0, le=10**9, description="at 1024 texels a side; four times as much at 2048")


Prices = dict[Engine, EnginePrices]

PRICES: Prices = {
    "mini": EnginePrices(base=40, step=0, resolution=20, faces=20, texture=20),
    "hull": EnginePrices(base=40, step=0, resolution=20, faces=20, texture=20),
    "hunyuan2mv": EnginePrices(base=100, step=20, resolution=100, faces=50, texture=150),
    "mesh": EnginePrices(base=10, step=0, resolution=0, faces=10, texture=20),
}


def price_of(recipe: Recipe, prices: Prices) -> int:
    """Thousandths of a credit for one run of `recipe`; its engine must be in the table."""
    table, shape = prices[recipe.shape.engine], recipe.shape
    steps = _TURBO_STEPS if shape.variant == "turbo" and "steps" not in recipe.given else shape.steps
    has_texture = recipe.texture.texture != "off"
    return (
        table.base
        + table.step * steps
        + _share(table.resolution, recipe.surface.octree_resolution**2, _REFERENCE_CELLS**2)
        + _share(table.faces, recipe.mesh.target_face_num, _REFERENCE_FACES)
        + (_share(table.texture, recipe.texture.texture_size**2, _REFERENCE_TEXELS**2) if has_texture else 0)
    )


def price_of_mesh(kind: Literal["retexture", "simplify", "convert"], recipe: Recipe, prices: Prices) -> int:
    """Thousandths of a credit for one operation: the base, faces where it is simplified, texture where it has one."""
    table = prices["mesh"]
    is_simplified, has_texture = kind == "simplify", recipe.texture.texture != "off"
    return (
        table.base
        + (_share(table.faces, recipe.mesh.target_face_num, _REFERENCE_FACES) if is_simplified else 0)
        + (_share(table.texture, recipe.texture.texture_size**2, _REFERENCE_TEXELS**2) if has_texture else 0)
    )


def _share(price: int, amount: int, reference: int) -> int:
    """`price` for `reference`, in proportion for `amount`, rounded up."""
    return -(-price * amount // reference)
