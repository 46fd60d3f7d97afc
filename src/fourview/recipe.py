# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of a run: one table; each interface derives its form from it.

Owns      name, type, range, default and explanation of each parameter.
Not here  what a parameter does (the step that reads it), which engines read it (`engines`), how a value is written on
          the command line or in HTTP (`cli`, `service`).

A parameter has a path in the nested recipe (`surface.octree_resolution`) and one flat public name, its last word, which
every interface uses. This file imports nothing heavy: the HTTP process validates requests with it.
"""

import dataclasses
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from fourview import engines
from fourview.engines import ENGINES
from fourview.errors import RecipeError
from fourview.file_types import FILE_TYPES

SEED_MAX = 2**63 - 1


def parameter(
    default: Any, doc: str, low: float | None = None, high: float | None = None, table: Mapping[str, Any] | None = None
) -> Any:
    """A field with its explanation; for numbers its range, for words the table whose entries are the choices."""
    return dataclasses.field(default=default, metadata={"doc": doc, "low": low, "high": high, "table": table})


@dataclass(frozen=True)
class ViewsRecipe:
    """Pictures become views."""

    remove_background: Literal["auto", "always", "never", "whole"] = parameter(
        "auto",
        "auto looks at the alpha and the backdrop first, always cuts again, never takes the picture's alpha as it is, "
        "whole does the same and takes all of an opaque picture as the subject",
    )
    matting_network: Literal["u2netp", "u2net", "isnet-general-use", "birefnet-general"] = parameter(
        "u2netp",
        "what finds the subject on a busy background; all but u2netp need the extra rembg, which downloads them",
    )


@dataclass(frozen=True)
class ShapeRecipe:
    """Views become a field."""

    engine: str = parameter(engines.DEFAULT, "what turns the views into a shape", table=ENGINES)
    variant: Literal["base", "fast", "turbo"] | None = parameter(
        None,
        "which official weights: base, fast (guidance distilled), turbo (5 steps); unset: those at hand, base first",
    )
    seed: int = parameter(-1, "-1 draws a fresh seed; the seed that was used is in the report", -1, SEED_MAX)
    steps: int = parameter(30, "sampling steps; turbo weights take 5 where nothing is set", 1, 100)
    guidance_scale: float = parameter(5.0, "classifier-free guidance", 0, 50)


@dataclass(frozen=True)
class SurfaceRecipe:
    """A field becomes a mesh."""

    octree_resolution: int = parameter(256, "cells along the longest side of the field's box", 16, 512)
    num_chunks: int = parameter(
        200_000,
        "points a decoding pass takes: it bounds memory and never changes the result",
        1_000,
        5_000_000,
    )
    box_v: float = parameter(1.01, "half the side of the cube that is decoded, box units", 0.1, 4)
    level: float = parameter(0.0, "the value on the surface; higher is thinner", -100, 100)


@dataclass(frozen=True)
class MeshRecipe:
    """The mesh is simplified."""

    target_face_num: int = parameter(10_000, "faces after simplification", 100, 1_000_000)


@dataclass(frozen=True)
class TextureRecipe:
    """Views are painted on the mesh."""

    texture: Literal["project", "off"] = parameter("project", "project paints the given pictures on the model")
    texture_size: int = parameter(1024, "side of the texture, texels", 256, 8192)


@dataclass(frozen=True)
class ExportRecipe:
    """The model becomes a file."""

    file_type: str = parameter("glb", "format of the model's file", table=FILE_TYPES)
    texture_format: Literal["png", "webp"] = parameter(
        "png", "how a GLB carries its texture; webp is smaller, lossless too"
    )
    height_m: float | None = parameter(None, "height of the model, metres; unset: the longest side is 1 m", 1e-4, 1e4)
    origin: Literal["center", "bottom"] = parameter(
        "center", "where the model's origin lies: its middle, or under its feet"
    )
    up: Literal["y", "z"] | None = parameter(None, "the axis that points up; unset: y, but z in STL")


@dataclass(frozen=True)
class Recipe:
    """One run. `Recipe.of(octree_resolution=128)` builds one from flat names and checks every value."""

    views: ViewsRecipe = ViewsRecipe()
    shape: ShapeRecipe = ShapeRecipe()
    surface: SurfaceRecipe = SurfaceRecipe()
    mesh: MeshRecipe = MeshRecipe()
    texture: TextureRecipe = TextureRecipe()
    export: ExportRecipe = ExportRecipe()
    given: frozenset[str] = frozenset()  # flat names that the caller set; only these are worth a warning

    @classmethod
    def of(cls, **flat: Any) -> "Recipe":
        """A recipe from flat names; raises `RecipeError` on an unknown name or a value out of range."""
        return with_parameters(cls(), flat)


@dataclass(frozen=True)
class Parameter:
    """One parameter, as interfaces use it; `engines` is empty where every engine reads it."""

    path: str
    name: str
    type: type
    choices: tuple[str, ...]
    optional: bool
    default: Any
    low: float | None
    high: float | None
    doc: str
    engines: tuple[str, ...]

    @property
    def range(self) -> str:
        """The values it takes, as text."""
        if self.choices:
            return ", ".join(self.choices)
        return f"{plain(self.low)} .. {plain(self.high)}"


def plain(number: float | None) -> str:
    """A number as people write it: 1,000,000 and 0.0001."""
    return f"{number:,}".removesuffix(".0")


def parameters() -> Iterator[Parameter]:
    """Every parameter of a recipe, in the order of a run."""
    for part in dataclasses.fields(Recipe):
        if part.name == "given":
            continue
        hints = get_type_hints(part.type)
        for field in dataclasses.fields(part.type):  # type: ignore[arg-type]
            hint, optional = hints[field.name], False
            if get_origin(hint) in (types.UnionType,) or type(None) in get_args(hint):
                optional = True
                hint = next(a for a in get_args(hint) if a is not type(None))
            choices = get_args(hint) if get_origin(hint) is Literal else ()
            meta, doc = field.metadata, field.metadata["doc"]
            if meta["table"] is not None:
                choices = tuple(meta["table"])
                doc += ": " + "; ".join(f"{name}, {entry.summary}" for name, entry in meta["table"].items())
            yield Parameter(
                f"{part.name}.{field.name}", field.name, str if choices else hint, choices, optional,
                field.default, meta["low"], meta["high"], doc, engines.that_read(field.name),
            )  # fmt: skip


def with_parameters(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """`recipe` with the parameters named in `values` set; raises `RecipeError` with value, expectation and cure."""
    known = {k.name: k for k in parameters()}
    for name, value in values.items():
        if name not in known:
            raise RecipeError(f"there is no parameter '{name}'; the parameters are {', '.join(known)}")
        k = known[name]
        part, field = k.path.split(".")
        changed = dataclasses.replace(getattr(recipe, part), **{field: _checked(k, value)})
        recipe = dataclasses.replace(recipe, **{part: changed})
    return dataclasses.replace(recipe, given=recipe.given | set(values))


def flat(recipe: Recipe) -> dict[str, Any]:
    """The value of every parameter by its flat name."""
    return {k.name: getattr(getattr(recipe, k.path.split(".")[0]), k.name) for k in parameters()}


def _checked(k: Parameter, value: Any) -> Any:
    if value is None and k.optional:
        return None
    if k.choices:
        if value not in k.choices:
            raise RecipeError(f"{k.name} is {value!r}; it takes one of {k.range}")
        return value
    wanted = {int: "a whole number", float: "a number"}[k.type]
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or (k.type is int and value % 1):
        raise RecipeError(f"{k.name} is {value!r}; it takes {wanted} in {k.range}")
    if k.low is not None and k.high is not None and not k.low <= value <= k.high:
        raise RecipeError(f"{k.name} is {value}; it takes {wanted} in {k.range}")
    return k.type(value)
