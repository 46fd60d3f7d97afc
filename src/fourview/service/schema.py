# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The knobs of a recipe in the words of JSON Schema, which the OpenAPI document is made of.

Owns      the schema of each knob: its name, type, range and sentence as `fourview.recipe` has them; what is left of a
          schema in a form, which holds neither null nor lists; the media type of JSON where files are taken.
Not here  fields of a request that are no knobs, reading values (`body`).
"""

from collections.abc import Mapping
from typing import Any

from fourview.recipe import Knob, knobs

# `@hey-api/openapi-ts` takes JSON wherever it stands in a list, and writes a file into it as `{}`. It does not know
# this spelling of the same media type (RFC 9110, 8.3.1), and takes the form, which is the first of the list.
JSON = "application/json ; charset=utf-8"

_TYPES = {int: "integer", float: "number", str: "string"}


def knob_schema(knob: Knob) -> dict[str, Any]:
    """The JSON Schema of one knob."""
    only = f" (engine {', '.join(knob.engines)})" if knob.engines else ""
    schema: dict[str, Any] = {"type": [_TYPES[knob.type], "null"] if knob.optional else _TYPES[knob.type]}
    if knob.choices:
        schema["enum"] = [*knob.choices, None] if knob.optional else list(knob.choices)
    if knob.low is not None:
        schema |= {"minimum": knob.low, "maximum": knob.high}
    if knob.default is not None:
        schema["default"] = knob.default
    return schema | {"description": knob.doc + only}


def recipe_properties() -> dict[str, dict[str, Any]]:
    """The schema of each knob by its flat name."""
    return {knob.name: knob_schema(knob) for knob in knobs()}


def in_form(properties: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same fields as a form holds them."""
    return {name: _in_form(schema) for name, schema in properties.items()}


def _in_form(schema: Mapping[str, Any]) -> dict[str, Any]:
    if schema["type"] == "array":
        return {"type": "string", "description": "texts with commas between them"}
    made = dict(schema)
    if isinstance(schema["type"], list):
        made["type"] = next(kind for kind in schema["type"] if kind != "null")
    if "enum" in schema:
        made["enum"] = [choice for choice in schema["enum"] if choice is not None]
    return made
