# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Requests of the jobs API for the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from fourview.kinds import KINDS
from fourview.service.http.recipe_schema import JSON, in_form, recipe_properties
from fourview.service.jobs.job_view import JobObject
from fourview.service.jobs_api.answers import Plan
from fourview.service.jobs_api.fields import parameters_of
from fourview.service.jobs_api.request import TAG, TAGS_MAX


def route_of(kind: str) -> dict[str, Any]:
    """What the OpenAPI document says of a route that makes such a job."""
    return {
        "status_code": 201,
        "responses": {200: {"model": Plan}, 201: {"model": JobObject}},
        "openapi_extra": {"requestBody": _body_of_job(kind)},
    }


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


def _body_of_job(kind: str) -> dict[str, Any]:
    """The request of a kind of job."""
    options = {
        "tags": {"type": "array", "items": {"type": "string", "pattern": f"^{TAG}$"}, "maxItems": TAGS_MAX},
        "webhook_url": {"type": ["string", "null"], "description": "is called at every change of state"},
        "keep_h": {"type": ["number", "null"], "description": "how long the job is kept after its end, hours"},
    }
    return request_body(KINDS[kind].accepts, parameters_of(kind), options, KINDS[kind].needs)
