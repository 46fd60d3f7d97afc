# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Requests of the jobs API in the OpenAPI document.

Owns      the schema of a request for each kind of work.
Not here  reading a request (`jobs_api.request`), the schema of a parameter (`http.recipe_schema`).
"""

from collections.abc import Mapping
from typing import Any

from fourview.kinds import KINDS
from fourview.recipe import parameters
from fourview.service.http.recipe_schema import JSON, in_form, recipe_properties

TAGS_MAX, TAG_LENGTH_MAX = 20, 64
TAG = rf"[^\x00-\x1f\x7f,]{{1,{TAG_LENGTH_MAX}}}"  # pattern of a tag


def parameters_of(kind: str) -> tuple[str, ...]:
    """The flat names of the parameters that a kind of work reads."""
    allowed = KINDS[kind].parameters
    return tuple(parameter.name for parameter in parameters()) if allowed is None else allowed


def request_body(
    files: tuple[str, ...], allowed: tuple[str, ...], options: Mapping[str, Any], needed: tuple[str, ...]
) -> dict[str, Any]:
    """A request for the OpenAPI document: as a form whose files are parts and whose parameters are fields, and as JSON.

    The form comes first: generators of clients that know one way to send a request take the first that is named.
    JSON, which holds no file, comes after it.
    """
    properties = recipe_properties()
    parameters = {name: properties[name] for name in allowed}
    where = {"type": ["string", "null"], "description": "a URL, base64, a data URI or an upload id"}
    part = {"type": "string", "format": "binary", "description": "a file, or what JSON takes"}
    recipe = {"type": "object", "properties": parameters, "additionalProperties": False}

    def schema(fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "object", "properties": fields, "required": list(needed), "additionalProperties": False}

    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": schema(dict.fromkeys(files, part) | in_form({**parameters, **options}))},
            JSON: {"schema": schema(dict.fromkeys(files, where) | {"recipe": recipe, **options})},
        },
    }


def job_body(kind: str) -> dict[str, Any]:
    """The request of a kind of job."""
    options = {
        "tags": {"type": "array", "items": {"type": "string", "pattern": f"^{TAG}$"}, "maxItems": TAGS_MAX},
        "webhook_url": {"type": ["string", "null"], "description": "is told of every change of state"},
        "keep_h": {"type": ["number", "null"], "description": "how long the job is kept after its end, hours"},
    }
    return request_body(KINDS[kind].accepts, parameters_of(kind), options, KINDS[kind].needs)
