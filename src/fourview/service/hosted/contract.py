# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The words of the hosted service: its thirteen fields become a recipe, a job becomes its states and metrics.

Owns      the fields of the compatible surface and their schema, what stands for "absent" there, states, metrics.
Not here  the calls (`routes.v1`, `routes.v2`), reading a body (`body`), the native job object (`present`).

Its clients write the same wish in many ways: a form sends `"true"`, `"30"` and `""`, JavaScript sends `"null"` for
null, published samples send `"1"` for a picture that is not there. All of that is understood, in forms and in JSON.
"""

from collections.abc import Mapping
from typing import Any, Literal, NotRequired

from starlette.requests import Request
from typing_extensions import TypedDict  # pydantic reads that of the standard library from 3.12 on

from fourview.errors import PictureError
from fourview.notice import Notice
from fourview.recipe import Recipe
from fourview.service.context import AppContext, context_of
from fourview.service.http.recipe_schema import JSON, in_form, recipe_properties
from fourview.service.inputs import body
from fourview.service.inputs.sources import Source, tell
from fourview.service.jobs.job_view import Seen
from fourview.service.jobs.submit import Asked
from fourview.service.links import FILE
from fourview.service.store.jobs import Job
from fourview.service.store.ledger import CREDIT
from fourview.service.store.outputs import Output

SLUG = "hunyuan3d-2mv"
PICTURES = {"front_image": "front", "back_image": "back", "left_image": "left", "right_image": "right"}  # -> side
PARAMETERS = ("seed", "steps", "guidance_scale", "octree_resolution", "num_chunks", "target_face_num", "file_type")
FLAGS = ("randomize_seed", "remove_background")
FIELDS = (*PICTURES, *FLAGS, *PARAMETERS)
State = Literal["QUEUED", "PROCESSING", "COMPLETED", "FAILED"]
ABSENT = ("", b"", "null", "undefined", "None")

# What answers hold, for the OpenAPI document.


class Warned(TypedDict):
    code: str
    message: str
    field: str | None


class Metrics(TypedDict):
    """Seconds, and credits; null where nothing costs anything."""

    inference_time: float
    queue_time: float
    total_time: float
    cost: float
    remaining_credits: float | None
    retry_count: int


class Enqueued(TypedDict):
    request_id: str
    status: State
    poll_url: str
    status_url: str
    response_url: str
    cancel_url: str
    events_url: str
    warnings: list[Warned]


class Status(TypedDict):
    """How far a job is; `code` and `error` where it has failed."""

    request_id: str
    status: State
    poll_url: str
    status_url: str
    response_url: str
    progress: float
    stage: str | None
    queue_position: int | None
    metrics: Metrics
    code: NotRequired[str]
    error: NotRequired[str]


class Result(Status):
    """The same, with the URL of the model's file once there is one."""

    output: str | None
    seed: NotRequired[int]
    warnings: list[Warned]


class Credits(TypedDict):
    credits: float | None


class Location(TypedDict):
    url: str
    file_type: Literal["glb", "obj", "ply", "stl"]


class Made(TypedDict):
    """A model whose file is elsewhere."""

    output: Location
    seed: int
    metrics: Metrics
    request_id: str
    warnings: list[Warned]


_CUT = "true cuts the object out where that is not done yet, false takes the picture's alpha, or all of an opaque one"
_FLAG = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_STATES = {"queued": "QUEUED", "running": "PROCESSING", "succeeded": "COMPLETED"}
_ENDED = {"canceled": "the job was canceled", "expired": "the job's deadline passed before it was done"}


async def read(request: Request, surface: Literal["v1", "v2"]) -> Asked:
    """What a request asks for; raises `Refused` that names each field that cannot be used."""
    found = await body.read(request, PICTURES)
    fields = {name: value for name, value in found.fields.items() if not _is_absent(value)}
    sources, wrong_pictures = _sources(fields)
    values, wrong = _values(fields)
    wrong += body.wrong_parameters(values)
    if "front" not in sources and "front_image" not in dict(wrong_pictures):
        wrong.append(("front_image", "front_image is missing; send a URL, base64, a data URI, an upload id or a file"))
    if wrong or wrong_pictures:
        body.refuse([*wrong, *wrong_pictures], "invalid_field" if wrong else "invalid_picture")

    unknown = [body.shorten(name) for name in found.fields if name not in FIELDS]
    notices = [Notice("field_unknown", f"there is no field '{name}'; it was ignored", name) for name in unknown]
    parameters = {**context_of(request).settings.recipe_defaults, **values}
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
    return Asked(
        surface, "generate", recipe, sources, {side: name for name, side in PICTURES.items()},
        warnings=tuple(notices), word=found.word, fingerprint=found.fingerprint,
    )  # fmt: skip


def urls(context: AppContext, job_id: str) -> dict[str, str]:
    """Where a job can be asked for."""
    base_url = context.settings.base_url
    return {
        "poll_url": f"{base_url}/v1/requests/{job_id}",
        "status_url": f"{base_url}/v2/requests/{job_id}/status",
        "response_url": f"{base_url}/v2/requests/{job_id}",
    }


def state(job: Job) -> str:
    """QUEUED, PROCESSING, COMPLETED or FAILED."""
    return _STATES.get(job.status, "FAILED")


def error_of(job: Job) -> tuple[str, str]:
    """Why a job that has ended has no result: a word of `problems.PROBLEMS` and a sentence."""
    if job.error is not None:
        return job.error["code"], job.error["message"]
    return job.status, _ENDED[job.status]


def file_type(job: Job) -> str:
    """The format that was asked for."""
    wanted: str = job.recipe.get("file_type", "glb")
    return wanted


def output_of(seen: Seen) -> Output:
    """The model in the format that was asked for; an OBJ with a texture is a zip of three files."""
    names = (f"model.{file_type(seen.job)}", "model.zip")
    return next(output for name in names for output in seen.outputs if output.name == name)


def model_url(context: AppContext, seen: Seen, now: float) -> str:
    """Where the same bytes are to be had without a key that v1 answers with."""
    output, job_id = output_of(seen), seen.job.id
    if output.format == "zip":
        return context.links.signed(f"/v1/requests/{job_id}/model.obj", FILE, now)
    return context.links.file(job_id, output.name, now)


def metrics(seen: Seen, balance: int | None, now: float) -> Metrics:
    """Seconds and credits of a job, as far as it has come; no balance is null."""
    job = seen.job
    end = job.finished_at or now
    began = job.started_at or end
    return {
        "inference_time": _seconds(end - began),
        "queue_time": _seconds(began - job.created_at),
        "total_time": _seconds(end - job.created_at),
        "cost": seen.cost / CREDIT,
        "remaining_credits": None if balance is None else balance / CREDIT,
        "retry_count": max(0, job.attempts - 1),
    }


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

    The form comes first, as in `native.request_body`.
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


def _seconds(span: float) -> float:
    """Never less than none: the clocks of two machines may differ."""
    return round(max(0.0, span), 3)


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
