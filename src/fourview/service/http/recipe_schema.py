# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of a recipe in the words of JSON Schema, which the OpenAPI document is made of.

Owns      the schema of each parameter: its name, type, range and sentence as `fourview.recipe` has them; what is left
          of a schema in a form, which holds neither null nor lists; the media type of JSON where files are taken.
Not here  fields of a request that are no parameters, reading values (`body`).
"""

from collections.abc import Mapping
from typing import Any

from fourview.recipe import Parameter, parameters

# `@hey-api/openapi-ts` takes JSON wherever it stands in a list, and writes a file into it as `{}`. It does not know
# this spelling of the same media type (RFC 9110, 8.3.1), and takes the form, which is the first of the list.
JSON = "application/json ; charset=utf-8"

_TYPES = {int: "integer", float: "number", str: "string"}


def parameter_schema(parameter: Parameter) -> dict[str, Any]:
    """The JSON Schema of one parameter."""
    only = f" (engine {', '.join(parameter.engines)})" if parameter.engines else ""
    schema: dict[str, Any] = {
        "type": [_TYPES[parameter.type], "null"] if parameter.optional else _TYPES[parameter.type]
    }
    if parameter.choices:
        schema["enum"] = [*parameter.choices, None] if parameter.optional else list(parameter.choices)
    if parameter.low is not None:
        schema |= {"minimum": parameter.low, "maximum": parameter.high}
    if parameter.default is not None:
        schema["default"] = parameter.default
    return schema | {"description": parameter.doc + only}


def recipe_properties() -> dict[str, dict[str, Any]]:
    """The schema of each parameter by its flat name."""
    return {parameter.name: parameter_schema(parameter) for parameter in parameters()}


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
