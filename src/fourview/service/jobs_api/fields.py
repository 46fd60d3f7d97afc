# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Fields of the jobs API: files, parameters, and a refusal that names every wrong field.

Owns      reading files and the recipe from a body, unknown and missing fields.
Not here  the fields of a job alone (`jobs_api.request`), reading a body (`inputs.body`).

Pictures and the mesh are fields. Parameters are in the field `recipe`, or beside it as the fields of a form are. An
unknown field is refused, so nothing that a client asked for is ignored.
"""

import json
from collections.abc import Mapping
from typing import Any

from fourview.errors import MeshError, PictureError
from fourview.kinds import KINDS
from fourview.recipe import Recipe, parameters
from fourview.service.inputs import body
from fourview.service.inputs.body import Body
from fourview.service.inputs.refusals import shorten
from fourview.service.inputs.sources import Source, tell
from fourview.service.nouns import noun_of
from fourview.service.problems import Refused

Wrong = list[tuple[str, str]]  # JSON pointer and message


def parameters_of(kind: str) -> tuple[str, ...]:
    """The flat names of the parameters that a kind of work reads."""
    allowed = KINDS[kind].parameters
    return tuple(parameter.name for parameter in parameters()) if allowed is None else allowed


def read_sources(found: Body, names: tuple[str, ...]) -> tuple[dict[str, Source], Wrong]:
    """What the fields of pictures and meshes hold, and what is wrong with others."""
    sources: dict[str, Source] = {}
    wrong: Wrong = []
    for name in names:
        try:
            source = tell(name, found.fields.get(name), noun_of(name))
        except (PictureError, MeshError) as error:
            wrong.append((f"/{name}", str(error)))
        else:
            if source is not None:
                sources[name] = source
    return sources, wrong


def read_recipe(defaults: Mapping[str, Any], found: Body, allowed: tuple[str, ...], wrong: Wrong) -> Recipe:
    """The recipe of the parameters in `recipe` or beside it; faults are added to `wrong`.

    `defaults`: the parameters with another default in the settings, by flat name.
    """
    inner = _inner(found, wrong)
    values: dict[str, Any] = {}
    for pointer, given in (("/recipe/", inner), ("/", found.fields)):
        for name in given.keys() & set(allowed):
            value = _value(name, given[name], found.is_form and given is not inner)
            if name in values:
                wrong.append((f"/{name}", f"{name} stands in the recipe and beside it; send it once"))
            elif problems := body.wrong_parameters({name: value}):
                wrong.append((pointer + name, problems[0][1]))
            else:
                values[name] = value
    for name in inner.keys() - set(allowed):
        wrong.append((f"/recipe/{_escaped(name)}", _unknown(name, allowed)))
    defaults = {name: value for name, value in defaults.items() if name in allowed}
    return Recipe.of(**{**defaults, **values})


def refuse_unknown(found: Body, fields: tuple[str, ...], allowed: tuple[str, ...], wrong: Wrong) -> None:
    """Add every field that there is none of to `wrong`."""
    for name in found.fields.keys() - {*fields, *allowed}:
        wrong.append((f"/{_escaped(name)}", _unknown(name, (*fields, *allowed))))


def check_needed(needed: tuple[str, ...], sources: Mapping[str, Source], wrong_files: Wrong, wrong: Wrong) -> None:
    """Add every file that is needed and absent to `wrong`."""
    for name in needed:
        if name not in sources and f"/{name}" not in dict(wrong_files):
            wrong.append((f"/{name}", f"'{name}' is missing; send a URL, base64, a data URI, an upload id or a file"))


def refuse(wrong: Wrong, wrong_files: Wrong) -> None:
    """Raises `Refused` where anything is wrong."""
    if found := sorted([*wrong, *wrong_files]):
        code = "invalid_field" if wrong else "invalid_mesh" if ("/mesh" in dict(wrong_files)) else "invalid_picture"
        raise Refused(code, "; ".join(sentence for _, sentence in found), errors=found)


def _inner(found: Body, wrong: Wrong) -> dict[str, Any]:
    """The object in the field `recipe`; in a form it is JSON text."""
    value = found.fields.get("recipe")
    if found.is_form and isinstance(value, str | bytes):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = ""
    if value is None or isinstance(value, dict):
        return value or {}
    wrong.append(("/recipe", 'recipe is no object; send the parameters by name, {"octree_resolution": 128}'))
    return {}


def _value(name: str, value: Any, is_text: bool) -> Any:
    """A parameter's value as the recipe takes it; numbers may be text in forms alone."""
    return shorten(value) if isinstance(value, str) and not is_text else body.as_parameter(name, value)


def _unknown(name: str, known: tuple[str, ...]) -> str:
    return f"there is no field '{shorten(name)}' here; there is {', '.join(known)}"


def _escaped(name: str) -> str:
    return shorten(name).replace("~", "~0").replace("/", "~1")
