# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What a job costs, known before it starts.

Owns      how a price grows with the parameters, the sum for one recipe.
Not here  the default prices (`engines`, `kinds`); holding, charging and releasing credits (`store.ledger`).

Money is whole thousandths of a credit. A price is a sum of parts. Each part grows with one parameter and is rounded up
on its own, so a larger parameter never costs less. Grid and texture grow with the square of their side, as the cells
on a surface and the painted texels do.
"""

from dataclasses import asdict

from pydantic import BaseModel, ConfigDict, Field

from fourview.engines import ENGINES
from fourview.kinds import KINDS
from fourview.recipe import Recipe

_TURBO_STEPS = 5  # sampling steps of the turbo weights where `steps` is not set, as `recipe` says
_REFERENCE_CELLS, _REFERENCE_FACES, _REFERENCE_TEXELS = 256, 10_000, 1024


class PriceRow(BaseModel):
    """Thousandths of a credit; the default recipe costs the sum of all, `step` once for each sampling step."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    base: int = Field(ge=0, le=10**9)
    step: int = Field(ge=0, le=10**9)
    resolution: int = Field(ge=0, le=10**9, description="at 256 cells; four times as much at 512")
    faces: int = Field(ge=0, le=10**9, description="for 10,000 faces")
    texture: int = Field(ge=0, le=10**9, description="at 1024 texels a side; four times as much at 2048")


Prices = dict[str, PriceRow]  # by the name of an engine, or of a kind of work that has a price of its own

PRICES: Prices = {
    **{engine.name: PriceRow(**asdict(engine.price)) for engine in ENGINES.values()},
    **{kind.name: PriceRow(**asdict(kind.price)) for kind in KINDS.values() if kind.price is not None},
}


def price_of(kind: str, recipe: Recipe, prices: Prices) -> int:
    """Thousandths of a credit for one job of a kind in `KINDS`."""
    shape = recipe.shape
    row = prices[shape.engine if KINDS[kind].has_engine else kind]
    steps = _TURBO_STEPS if shape.variant == "turbo" and "steps" not in recipe.given else shape.steps
    has_texture = recipe.texture.texture != "off"
    return (
        row.base
        + row.step * steps
        + _share(row.resolution, recipe.surface.octree_resolution**2, _REFERENCE_CELLS**2)
        + _share(row.faces, recipe.mesh.target_face_num, _REFERENCE_FACES)
        + (_share(row.texture, recipe.texture.texture_size**2, _REFERENCE_TEXELS**2) if has_texture else 0)
    )


def _share(price: int, amount: int, reference: int) -> int:
    """`price` for `reference`, in proportion for `amount`, rounded up."""
    return -(-price * amount // reference)
