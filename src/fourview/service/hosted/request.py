# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Requests of the hosted API: its thirteen fields become the request for a job.

Owns      the fields and their schema, which values count as absent.
Not here  the routes (`routes.hosted_v1`, `routes.hosted_v2`), reading a body (`inputs.body`).

Clients of the hosted API write the same value in many ways: a form sends `"true"`, `"30"` and `""`, JavaScript sends
`"null"` for null, published samples send `"1"` for a picture that is absent. Forms and JSON accept all of these.
"""

from collections.abc import Mapping
from typing import Any, Literal

from starlette.requests import Request

from fourview.errors import PictureError
from fourview.notice import Notice
from fourview.recipe import Recipe
from fourview.service.context import AppContext
from fourview.service.http.recipe_schema import JSON, in_form, recipe_properties
from fourview.service.inputs import body, pictures
from fourview.service.inputs.pictures import Source
from fourview.service.jobs.submit import JobRequest
from fourview.sides import FRONT, SIDES

SLUG = "hunyuan3d-2mv"
_ORDER = ("front", "back", "left", "right")  # of the hosted service's page; sides added since follow
PICTURES = {f"{side}_image": side for side in (*_ORDER, *(side for side in SIDES if side not in _ORDER))}  # -> side
FRONT_FIELD = f"{FRONT}_image"
PARAMETERS = ("seed", "steps", "guidance_scale", "octree_resolution", "num_chunks", "target_face_num", "file_type")
FLAGS = ("randomize_seed", "remove_background")
FIELDS = (*PICTURES, *FLAGS, *PARAMETERS)
ABSENT = ("", b"", "null", "undefined", "None")

_CUT = "true cuts the subject out unless the picture has alpha; false takes the alpha, or all of an opaque picture"
_FLAG = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


async def read(context: AppContext, request: Request, api: Literal["v1", "v2"]) -> JobRequest:
    """The job that a request asks for; raises `Refused`, which names each field that cannot be used."""
    found = await body.read(request, PICTURES)
    fields = {name: value for name, value in found.fields.items() if not _is_absent(value)}
    sources, wrong_pictures = _sources(fields)
    values, wrong = _values(fields)
    wrong += body.wrong_parameters(values)
    if FRONT not in sources and FRONT_FIELD not in dict(wrong_pictures):
        wrong.append((FRONT_FIELD, f"{FRONT_FIELD} is missing; send a URL, base64, a data URI, an upload id or a file"))
    if wrong or wrong_pictures:
        body.refuse([*wrong, *wrong_pictures], "invalid_field" if wrong else "invalid_picture")

    unknown = [body.shorten(name) for name in found.fields if name not in FIELDS]
    notices = [Notice("field_unknown", f"there is no field '{name}'; it was ignored", name) for name in unknown]
    parameters = {**context.settings.recipe_defaults, **values}
    if _is_random(fields) and parameters.get("seed", -1) != -1:
        if "seed" in values:
            seed = parameters["seed"]
            ignored = (
                f"randomize_seed is true, so a new seed is drawn and not {seed}; send randomize_seed=false"
            )
            notices.append(Notice("seed_not_used", ignored, "seed"))
        parameters["seed"] = -1
    recipe = Recipe.of(**parameters)
    if recipe.export.file_type == "obj" and recipe.texture.texture != "off":
        alone = "an OBJ is one file here, without its texture; ask for glb, which holds it"
        notices.append(Notice("obj_without_texture", alone, "file_type"))
    return JobRequest(
        api, "generate", recipe, sources, {side: name for name, side in PICTURES.items()},
        warnings=tuple(notices), word=found.word, fingerprint=found.fingerprint,
    )  # fmt: skip


def properties() -> dict[str, dict[str, Any]]:
    """The JSON Schema of each field, in the order of the hosted service's page."""
    picture = {
        "type": ["string", "null"],
        "description": "a URL, base64, a data URI, an upload id or a file part",
    }
    flag = {"type": "boolean", "default": True}
    parameters = recipe_properties()
    return {
        **dict.fromkeys(PICTURES, picture),
        "seed": parameters["seed"],
        "randomize_seed": flag | {"description": "true draws a new seed and ignores seed"},
        **{name: parameters[name] for name in PARAMETERS if name != "seed"},
        "remove_background": flag | {"description": _CUT},
    }


def request_body() -> dict[str, Any]:
    """The request for the OpenAPI document; other fields are ignored with a warning.

    The form comes first, as in `jobs_api.request_schema`.
    """
    schema = {"type": "object", "properties": properties(), "required": [FRONT_FIELD]}
    part = {"type": "string", "format": "binary", "description": "a file, or the text that JSON takes"}
    text = schema | {"properties": in_form(properties())}
    form = schema | {"properties": in_form(properties()) | dict.fromkeys(PICTURES, part)}
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": form},
            JSON: {"schema": schema},
            "application/x-www-form-urlencoded": {"schema": text},
        },
    }


def _is_absent(value: Any) -> bool:
    return value is None or (isinstance(value, str | bytes) and value.strip() in ABSENT)


def _sources(fields: Mapping[str, Any]) -> tuple[dict[str, Source], list[tuple[str, str]]]:
    """The source in the field of each side, and what is wrong with other fields."""
    sources, wrong = {}, []
    for name, side in PICTURES.items():
        try:
            source = pictures.tell(name, fields.get(name))
        except PictureError as error:
            wrong.append((name, str(error)))
        else:
            if source is not None:
                sources[side] = source
    return sources, wrong


def _values(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The parameters that were set, not checked yet, and what is wrong with the flags."""
    wrong = [
        (name, f"{name} is {body.as_parameter('remove_background', fields[name])!r}; it takes true or false")
        for name in FLAGS
        if name in fields and _flag(fields[name]) is None
    ]
    values = {name: body.as_parameter(name, fields[name]) for name in PARAMETERS if name in fields}
    if "remove_background" in fields:
        values["remove_background"] = "auto" if _flag(fields["remove_background"]) else "whole"
    return values, wrong


def _is_random(fields: Mapping[str, Any]) -> bool:
    return _flag(fields.get("randomize_seed", True)) is True


def _flag(value: Any) -> bool | None:
    """True or false in one of their spellings; None where it is neither."""
    if isinstance(value, bool):
        return value
    return _FLAG.get(str(value).strip().lower()) if isinstance(value, str | int) else None
