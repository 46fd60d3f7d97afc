# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The jobs API for meshes: one route for each kind of job that needs a mesh, such as /api/v1/meshes/simplify."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fourview.kinds import KINDS, MESH, Kind
from fourview.service.context import context_of
from fourview.service.http.auth import Admitted
from fourview.service.jobs_api import answers

router = APIRouter(prefix="/api/v1/meshes", tags=["meshes"])


def _add_route(kind: Kind) -> None:
    async def make(request: Request, caller: Admitted, dry_run: bool = False) -> Response:
        return await answers.answer(context_of(request), request, caller, kind.name, dry_run)

    router.add_api_route(
        f"/{kind.name}",
        make,
        methods=["POST"],
        name=kind.name,
        description=f"Make a job in which {kind.summary}. `dry_run` answers with price and plan instead.",
        **answers.route_of(kind.name),
    )


for _kind in KINDS.values():
    if _kind.is_job and MESH in _kind.needs:
        _add_route(_kind)
