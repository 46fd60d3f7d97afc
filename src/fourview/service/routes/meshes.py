# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Work on a mesh: one route for each kind of job in `kinds` that needs a mesh. Each makes a job like any other."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fourview.kinds import KINDS, MESH
from fourview.service.context import context_of
from fourview.service.http.auth import Admitted
from fourview.service.jobs_api import answers, schema

router = APIRouter(prefix="/api/v1/meshes", tags=["meshes"])


def _endpoint(kind: str) -> Callable[..., Awaitable[Response]]:
    async def make_job(request: Request, caller: Admitted, dry_run: bool = False) -> Response:
        return await answers.answer(context_of(request), request, caller, kind, dry_run)

    return make_job


for _kind in KINDS.values():
    if _kind.is_job and MESH in _kind.needs:
        router.add_api_route(
            f"/{_kind.name}",
            _endpoint(_kind.name),
            methods=["POST"],
            name=_kind.name,
            description=f"{_kind.summary[0].upper()}{_kind.summary[1:]}.",
            **schema.route_of(_kind.name),
        )
