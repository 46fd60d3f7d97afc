# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Mesh in, mesh out: retexture, simplify, convert. Each makes a job like any other."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fourview.service.http.auth import Admitted
from fourview.service.jobs_api import fields

router = APIRouter(prefix="/api/v1/meshes", tags=["meshes"])


@router.post("/retexture", **fields.route_of("retexture"))
async def retexture(request: Request, caller: Admitted, dry_run: bool = False) -> Response:
    """Paint one to four pictures on a mesh; its shape stays as it is."""
    return await fields.answer(request, caller, "retexture", dry_run)


@router.post("/simplify", **fields.route_of("simplify"))
async def simplify(request: Request, caller: Admitted, dry_run: bool = False) -> Response:
    """Give a mesh fewer faces."""
    return await fields.answer(request, caller, "simplify", dry_run)


@router.post("/convert", **fields.route_of("convert"))
async def convert(request: Request, caller: Admitted, dry_run: bool = False) -> Response:
    """Write a mesh as another type of file."""
    return await fields.answer(request, caller, "convert", dry_run)
