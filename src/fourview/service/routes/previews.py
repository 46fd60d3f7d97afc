# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Mattes and warnings of views before a job is made of them: free, and never behind the queue."""

import base64
from dataclasses import asdict
from pathlib import Path
from typing import cast

from anyio import to_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from fourview.kinds import KINDS
from fourview.report import Report
from fourview.service.context import context_of
from fourview.service.http.auth import Admitted
from fourview.service.inputs import body, load
from fourview.service.jobs.job_view import WarningObject
from fourview.service.jobs.submit import set_parameters
from fourview.service.jobs_api import fields, schema
from fourview.work import Outcome, Work

PREVIEW = KINDS["preview"]
PARAMETERS = fields.parameters_of(PREVIEW.name)

router = APIRouter(prefix="/api/v1/views", tags=["views"])


class ViewObject(TypedDict):
    """Two PNG as data URIs: how much of each pixel is the subject, and the subject alone."""

    matte: str
    cutout: str


class Preview(TypedDict):
    views: dict[str, ViewObject]
    warnings: list[WarningObject]


@router.post(
    "/preview",
    responses={200: {"model": Preview}},
    openapi_extra={"requestBody": schema.request_body(PREVIEW.accepts, PARAMETERS, {}, PREVIEW.needs)},
)
async def preview(request: Request, caller: Admitted) -> Response:
    """What is cut out of each picture, and what the pictures disagree on."""
    context, found = context_of(request), await body.read(request, PREVIEW.accepts)
    wrong: fields.Wrong = []
    sources, wrong_files = fields.read_sources(found, PREVIEW.accepts)
    recipe = fields.read_recipe(context.settings.recipe_defaults, found, PARAMETERS, wrong)
    fields.refuse_unknown(found, (*PREVIEW.accepts, "recipe"), PARAMETERS, wrong)
    fields.check_needed(PREVIEW.needs, sources, wrong_files, wrong)
    fields.refuse(wrong, wrong_files)
    pictures = await load.gather(context, caller.account_id, sources, {side: side for side in PREVIEW.accepts})

    def order(folder: Path) -> Work:
        paths = {side: folder / f"{side}.{picture.kind}" for side, picture in pictures.items()}
        for side, path in paths.items():
            path.write_bytes(pictures[side].data)
        return Work(PREVIEW.name, paths, set_parameters(recipe), folder)

    async with context.quick_lane.run(order) as outcome:
        shown = await to_thread.run_sync(_shown, outcome, list(pictures))
    return JSONResponse(shown)


def _shown(outcome: Outcome, sides: list[str]) -> Preview:
    made = {file.name: file.path for file in outcome.files}

    def uri(name: str) -> str:
        return "data:image/png;base64," + base64.b64encode(made[name].read_bytes()).decode()

    warnings = Report.from_json(outcome.result).warnings
    views: dict[str, ViewObject] = {
        side: {"matte": uri(f"{side}_matte.png"), "cutout": uri(f"{side}_cutout.png")} for side in sides
    }
    return {"views": views, "warnings": [cast(WarningObject, asdict(notice)) for notice in warnings]}
