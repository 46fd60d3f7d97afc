# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A request of the jobs API becomes an order.

Owns      the fields `tags`, `webhook_url` and `keep_h`, the headers `Cancel-After` and `Prefer: wait`.
Not here  files and parameters (`jobs_api.fields`), making the job (`jobs.submit`).
"""

import re

from starlette.requests import Request

from fourview.kinds import KINDS
from fourview.service.inputs import body
from fourview.service.inputs.body import Body
from fourview.service.jobs.submit import JobRequest
from fourview.service.jobs.wait_for_job import preferences
from fourview.service.jobs_api.fields import (
    Wrong,
    check_needed,
    parameters_of,
    read_recipe,
    read_sources,
    refuse,
    refuse_unknown,
)
from fourview.service.problems import Refused
from fourview.service.settings import Settings

OPTIONS = ("tags", "webhook_url", "keep_h")
TAGS_MAX, TAG_LENGTH_MAX = 20, 64
TAG = rf"[^\x00-\x1f\x7f,]{{1,{TAG_LENGTH_MAX}}}"
CANCEL_AFTER_MAX_S = 7 * 24 * 3600

_SPAN = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s?)?", re.ASCII)
_WAIT = re.compile(r"[0-9]{1,6}", re.ASCII)
_HOURS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?", re.ASCII)


async def read(settings: Settings, request: Request, kind: str) -> JobRequest:
    """What a request asks for; raises `Refused` that names each field that cannot be used."""
    names = KINDS[kind].accepts
    found = await body.read(request, names)
    wrong: Wrong = []
    sources, wrong_files = read_sources(found, names)
    recipe = read_recipe(settings.recipe_defaults, found, parameters_of(kind), wrong)
    tags, keep_h = _tags(found, wrong), _keep_h(found, settings.job_keep_h, wrong)
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


def wait_s(request: Request, longest: float) -> int | None:
    """How long the request prefers to wait, no longer than it may; None where it names no time."""
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
