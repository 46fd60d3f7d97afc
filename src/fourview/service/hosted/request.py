# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The thirteen fields of the hosted service become an order.

Owns      the fields of the hosted API and their schema, which values mean that a field is absent.
Not here  the routes (`routes.hosted_v1`, `routes.hosted_v2`), reading a body (`inputs.body`), answers
          (`hosted.answers`).

Clients of the hosted service write one value in many ways: a form sends `"true"`, `"30"` and `""`, JavaScript sends
`"null"` for null, published samples send `"1"` for an absent picture. All of them are read, in forms and in JSON.
"""

from collections.abc import Mapping
from typing import Any, Literal

from starlette.requests import Request

from fourview.errors import PictureError
from fourview.notice import Notice
from fourview.recipe import Recipe
from fourview.service.http.recipe_schema import JSON, in_form, recipe_properties
from fourview.service.inputs import body
from fourview.service.inputs.refusals import refuse, shorten
from fourview.service.inputs.sources import Source, tell
from fourview.service.jobs.submit import JobRequest
from fourview.sides import FRONT, SIDES

SLUG = "hunyuan3d-2mv"
_ORDER = ("front", "back", "left", "right")  # of the hosted service's page; sides that it lacks follow
PICTURES = {f"{side}_image": side for side in (*_ORDER, *(side for side in SIDES if side not in _ORDER))}
PARAMETERS = ("seed", "steps", "guidance_scale", "octree_resolution", "num_chunks", "target_face_num", "file_type")
FLAGS = ("randomize_seed", "remove_background")
FIELDS = (*PICTURES, *FLAGS, *PARAMETERS)
ABSENT = ("", b"", "null", "undefined", "None")

_CUT = "true cuts the object out where that is not done yet, false takes the picture's alpha, or all of an opaque one"
_FLAG = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


async def read(request: Request, surface: Literal["v1", "v2"], defaults: Mapping[str, Any]) -> JobRequest:
    """What a request asks for; raises `Refused` that names each field that cannot be used.

    `defaults`: the parameters with another default in the settings, by flat name.
    """
    found = await body.read(request, PICTURES)
    fields = {name: value for name, value in found.fields.items() if not _is_absent(value)}
    sources, wrong_pictures = _sources(fields)
    values, wrong = _values(fields)
    wrong += body.wrong_parameters(values)
    if FRONT not in sources and "front_image" not in dict(wrong_pictures):
        wrong.append(("front_image", "front_image is missing; send a URL, base64, a data URI, an upload id or a file"))
    if wrong or wrong_pictures:
        refuse([*wrong, *wrong_pictures], "invalid_field" if wrong else "invalid_picture")

    unknown = [shorten(name) for name in found.fields if name not in FIELDS]
    notices = [Notice("field_unknown", f"there is no field '{name}'; it was ignored", name) for name in unknown]
    parameters = {**defaults, **values}
    if _is_random(fields) and parameters.get("seed", -1) != -1:
        if "seed" in values:
            seed = parameters["seed"]
            ignored = f"randomize_seed is true, so a fresh seed is drawn and {seed} is not used; send it as false"
            notices.append(Notice("seed_not_used", ignored, "seed"))
        parameters["seed"] = -1
    recipe = Recipe.of(**parameters)
    if recipe.export.file_type == "obj" and recipe.texture.texture != "off":
        alone = "an OBJ is one file here, without its texture; ask for glb, which holds it"
        notices.append(Notice("obj_without_texture", alone, "file_type"))
    return JobRequest(
        surface, "generate", recipe, sources, {side: name for name, side in PICTURES.items()},
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
        "randomize_seed": flag | {"description": "true draws a fresh seed, whatever seed says"},
        **{name: parameters[name] for name in PARAMETERS if name != "seed"},
        "remove_background": flag | {"description": _CUT},
    }


def request_body() -> dict[str, Any]:
    """The request for the OpenAPI document; other fields are ignored with a warning.

    The form comes first, as in `jobs_api.schema.request_body`.
    """
    schema = {"type": "object", "properties": properties(), "required": ["front_image"]}
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
    """What the field of each side holds, and what is wrong with others."""
    sources, wrong = {}, []
    for name, side in PICTURES.items():
        try:
            source = tell(name, fields.get(name))
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
