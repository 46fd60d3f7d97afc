# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The knobs of a recipe in the words of JSON Schema, which the OpenAPI document is made of.

Owns      the schema of each knob: its name, type, range and sentence as `fourview.recipe` has them.
Not here  fields of a request that are no knobs, reading values (`body`).
"""

from typing import Any

from fourview.recipe import Knob, knobs

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
