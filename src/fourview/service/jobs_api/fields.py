# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What the native routes that make a job share: a request is read, and answered with its job or with its plan.

Owns      the fields of native requests and their schema, which parameters each kind of job takes, `Cancel-After`, dry
          runs.
Not here  reading a body (`body`), making the job (`submit`), what it looks like (`present`), waiting (`waiting`).

Pictures and the mesh are fields; parameters stand in the field `recipe`, or beside it, as the fields of a form do.
What is unknown is refused: nothing that was asked for is passed over in silence.
"""

import json
import re
import time
from collections.abc import Mapping
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from fourview.engines import stages_of
from fourview.errors import MeshError, PictureError
from fourview.kinds import KINDS
from fourview.recipe import Recipe, flat, parameters
from fourview.service.context import AppContext, context_of
from fourview.service.http.auth import Caller
from fourview.service.http.recipe_schema import JSON, in_form, recipe_properties
from fourview.service.inputs import body
from fourview.service.inputs.body import Body
from fourview.service.inputs.sources import Source, tell
from fourview.service.jobs import job_view
from fourview.service.jobs.submit import Asked, check_addresses, price_of_request, submit
from fourview.service.jobs.wait_for_job import preferences, wait_for_end
from fourview.service.nouns import noun_of
from fourview.service.problems import Refused
from fourview.service.store import ledger

OPTIONS = ("tags", "webhook_url", "keep_h")
TAGS_MAX, TAG_LENGTH_MAX = 20, 64
TAG = rf"[^\x00-\x1f\x7f,]{{1,{TAG_LENGTH_MAX}}}"
CANCEL_AFTER_MAX_S = 7 * 24 * 3600

_SPAN = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s?)?", re.ASCII)
_WAIT = re.compile(r"[0-9]{1,6}", re.ASCII)
_HOURS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?", re.ASCII)

Wrong = list[tuple[str, str]]  # JSON pointer and sentence


class Share(TypedDict):
    name: str
    share: float


class Plan(TypedDict):
    """What a dry run tells: the price in credits, the recipe that would run, and its stages."""

    object: Literal["plan"]
    kind: job_view.KindName
    engine: str | None
    cost: float
    recipe: dict[str, Any]
    stages: list[Share]
    warnings: list[job_view.WarningObject]


async def answer(request: Request, caller: Caller, kind: str, is_dry: bool) -> Response:
    """201 with the job of this request; of a dry run 200 with its price and its plan."""
    context = context_of(request)
    asked = await read(request, kind)
    if is_dry:
        check_addresses(context, asked)
        return JSONResponse(plan(context, caller, asked))
    submitted = await submit(context, caller, asked)
    job, wait_s = submitted.job, _wait_s(request, context.settings.wait_max_s)
    headers = {"Location": context.links.job(job.id)}
    if submitted.is_replay:
        headers["Idempotency-Replayed"] = "true"
    if wait_s is not None:
        cancels = "cancel-on-disconnect" in preferences(request)
        headers["Preference-Applied"] = f"wait={wait_s}" + ", cancel-on-disconnect" * cancels
        await wait_for_end(request, job.id, wait_s)
    return await show(context, job.id, caller, 201, headers)


async def show(
    context: AppContext, job_id: str, caller: Caller, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """The job as it is now."""
    seen = await context.look(lambda tx: job_view.find(tx, context.queue_places, job_id, caller.account_id))
    return JSONResponse(job_view.job_object(context.links, seen, time.time()), status, headers)


async def read(request: Request, kind: str) -> Asked:
    """What a request asks for; raises `Refused` that names each field that cannot be used."""
    context, names = context_of(request), KINDS[kind].accepts
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
    return Asked(
        "native", kind, recipe, sources, {name: name for name in names},
        tags=tags,
        webhook_url=webhook_url or None,
        cancel_after_s=_cancel_after_s(request.headers.get("cancel-after")),
        keep_s=None if keep_h is None else keep_h * 3600,
        word=found.word,
        fingerprint=found.fingerprint,
    )  # fmt: skip


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


def read_recipe(context: AppContext, found: Body, allowed: tuple[str, ...], wrong: Wrong) -> Recipe:
    """The recipe of the parameters that stand in `recipe` or beside it; what cannot be is added to `wrong`."""
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


def plan(context: AppContext, caller: Caller, asked: Asked) -> Plan:
    """What would be done and what it would cost; nothing was fetched, so pictures may still turn out to be none."""
    shares = dict(KINDS[asked.kind].stages or stages_of(asked.engine))
    if asked.recipe.texture.texture == "off":
        shares.pop("texture", None)
    total = sum(shares.values())
    return {
        "object": "plan",
        "kind": asked.kind,
        "engine": asked.engine or None,
        "cost": price_of_request(context, caller, asked) / ledger.CREDIT,
        "recipe": flat(asked.recipe),
        "stages": [{"name": name, "share": round(share / total, 3)} for name, share in shares.items() if share],
        "warnings": [{"code": n.code, "message": n.message, "field": n.field} for n in asked.warnings],
    }


def route_of(kind: str) -> dict[str, Any]:
    """What the OpenAPI document says of a route that makes such a job."""
    return {
        "status_code": 201,
        "responses": {200: {"model": Plan}, 201: {"model": job_view.JobObject}},
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
        "webhook_url": {"type": ["string", "null"], "description": "is told of every change of state"},
        "keep_h": {"type": ["number", "null"], "description": "how long the job is kept after its end, hours"},
    }
    return request_body(KINDS[kind].accepts, parameters_of(kind), options, KINDS[kind].needs)


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


def _wait_s(request: Request, longest: float) -> int | None:
    """How long the request prefers to wait, no longer than it may; None where it does not, or nobody can tell."""
    wait = preferences(request).get("wait", "")
    return min(int(wait), int(longest)) if _WAIT.fullmatch(wait) else None


def _cancel_after_s(text: str | None) -> float | None:
    if text is None:
        return None
    found = _SPAN.fullmatch(text.strip().lower())
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    total_s = hours * 3600 + minutes * 60 + seconds
    if not 1 <= total_s <= CANCEL_AFTER_MAX_S:
        raise Refused("invalid_field", f"Cancel-After is {text[:40]!r}; it takes 1s .. 7 days, as in 90s, 5m, 1h30m")
    return total_s
