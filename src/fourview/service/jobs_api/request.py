# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Requests of the jobs API: fields and files become the request for a job.

Owns      the fields, `Cancel-After`, the errors that name each wrong field.
Not here  reading a body (`inputs.body`), the schema (`jobs_api.request_schema`), making the job (`jobs.submit`).

Pictures and the mesh are fields. Parameters stand in the field `recipe` or beside it, as the fields of a form do.
Unknown fields are refused, so that nothing in a request is ignored silently.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from fourview.errors import MeshError, PictureError
from fourview.kinds import KINDS, MESH
from fourview.recipe import Recipe
from fourview.service.context import AppContext
from fourview.service.inputs import body, meshes, pictures
from fourview.service.inputs.body import Body
from fourview.service.inputs.pictures import Source
from fourview.service.jobs.submit import JobRequest
from fourview.service.jobs_api.request_schema import TAG, TAG_LENGTH_MAX, TAGS_MAX, parameters_of
from fourview.service.problems import Refused

OPTIONS = ("tags", "webhook_url", "keep_h")
CANCEL_AFTER_MAX_S = 7 * 24 * 3600

_SPAN = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s?)?", re.ASCII)
_HOURS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?", re.ASCII)

Wrong = list[tuple[str, str]]  # JSON pointer and message


async def read(context: AppContext, request: Request, kind: str) -> JobRequest:
    """The job that a request asks for; raises `Refused`, which names each field that cannot be used."""
    names = KINDS[kind].accepts
    found = await body.read(request, names)
    wrong: Wrong = []
    sources, wrong_files = read_sources(found, names)
    recipe = read_recipe(context, found, parameters_of(kind), wrong)
    tags, keep_h = _tags(found, wrong), _keep_h(found, context.settings.job_keep_h, wrong)
    webhook_url = found.fields.get("webhook_url")
    if not isinstance(webhook_url, str | None):
        wrong.append(("/webhook_url", "webhook_url is no text; it takes an address, https://..."))
    refuse_unknown(found, (*names, "recipe", *OPTIONS), parameters_of(kind), wrong)
    check_needed(KINDS[kind].needs, sources, wrong_files, wrong)
    refuse(wrong, wrong_files)
    return JobRequest(
        "native", kind, recipe, sources, {name: name for name in names},
        tags=tags,
        webhook_url=webhook_url or None,
        cancel_after_s=_cancel_after_s(request.headers.get("cancel-after")),
        keep_s=None if keep_h is None else keep_h * 3600,
        word=found.word,
        fingerprint=found.fingerprint,
    )  # fmt: skip


def read_sources(found: Body, names: tuple[str, ...]) -> tuple[dict[str, Source], Wrong]:
    """The sources in the fields of pictures and meshes, and what is wrong with other fields."""
    sources: dict[str, Source] = {}
    wrong: Wrong = []
    for name in names:
        tell = meshes.tell if name == MESH else pictures.tell
        try:
            source = tell(name, found.fields.get(name))
        except (PictureError, MeshError) as error:
            wrong.append((f"/{name}", str(error)))
        else:
            if source is not None:
                sources[name] = source
    return sources, wrong


def read_recipe(context: AppContext, found: Body, allowed: tuple[str, ...], wrong: Wrong) -> Recipe:
    """The recipe of the parameters in `recipe` or beside it; wrong ones are added to `wrong`."""
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
    defaults = {name: value for name, value in context.settings.recipe_defaults.items() if name in allowed}
    return Recipe.of(**{**defaults, **values})


def refuse_unknown(found: Body, fields: tuple[str, ...], allowed: tuple[str, ...], wrong: Wrong) -> None:
    """Add every unknown field to `wrong`."""
    for name in found.fields.keys() - {*fields, *allowed}:
        wrong.append((f"/{_escaped(name)}", _unknown(name, (*fields, *allowed))))


def check_needed(needed: tuple[str, ...], sources: Mapping[str, Source], wrong_files: Wrong, wrong: Wrong) -> None:
    """Add every needed file that is absent to `wrong`."""
    for name in needed:
        if name not in sources and f"/{name}" not in dict(wrong_files):
            wrong.append((f"/{name}", f"'{name}' is missing; send a URL, base64, a data URI, an upload id or a file"))


def refuse(wrong: Wrong, wrong_files: Wrong) -> None:
    """Raises `Refused` where anything is wrong."""
    if found := sorted([*wrong, *wrong_files]):
        code = "invalid_field" if wrong else "invalid_mesh" if f"/{MESH}" in dict(wrong_files) else "invalid_picture"
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
    return body.shorten(value) if isinstance(value, str) and not is_text else body.as_parameter(name, value)


def _unknown(name: str, known: tuple[str, ...]) -> str:
    return f"there is no field '{body.shorten(name)}' here; there is {', '.join(known)}"


def _escaped(name: str) -> str:
    return body.shorten(name).replace("~", "~0").replace("/", "~1")


def _tags(found: Body, wrong: Wrong) -> tuple[str, ...]:
    value = found.fields.get("tags")
    if found.is_form and isinstance(value, str):
        value = [tag.strip() for tag in value.split(",") if tag.strip()]
    if value is None:
        return ()
    are_tags = isinstance(value, list) and all(isinstance(tag, str) and re.fullmatch(TAG, tag) for tag in value)
    if not are_tags or len(value) > TAGS_MAX:
        length = f"1 to {TAG_LENGTH_MAX} characters each, no comma and no control character"
        wrong.append(("/tags", f"tags cannot be used; it takes up to {TAGS_MAX} texts of {length}"))
        return ()
    return tuple(dict.fromkeys(value))


def _keep_h(found: Body, longest: float, wrong: Wrong) -> float | None:
    value = found.fields.get("keep_h")
    if found.is_form and isinstance(value, str) and _HOURS.fullmatch(value.strip()):
        value = float(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.01 <= value <= longest:
        wrong.append(("/keep_h", f"keep_h cannot be used; it takes hours, 0.01 .. {longest:g}"))
        return None
    return float(value)


def _cancel_after_s(text: str | None) -> float | None:
    if text is None:
        return None
    found = _SPAN.fullmatch(text.strip().lower())
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    total_s = hours * 3600 + minutes * 60 + seconds
    if not 1 <= total_s <= CANCEL_AFTER_MAX_S:
        raise Refused("invalid_field", f"Cancel-After is {text[:40]!r}; it takes 1s .. 7 days, as in 90s, 5m, 1h30m")
    return total_s
