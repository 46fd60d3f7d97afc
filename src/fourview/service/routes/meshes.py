# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Mesh in, mesh out: retexture, simplify, convert. Each makes a job like any other."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fourview.service import native
from fourview.service.auth import Admitted
from fourview.service.present import JobObject

router = APIRouter(prefix="/api/v1/meshes", tags=["meshes"])


@router.post(
    "/retexture",
    status_code=201,
    responses={200: {"model": native.Plan}, 201: {"model": JobObject}},
    openapi_extra={"requestBody": native.body_of_job("retexture")},
)
async def retexture(request: Request, caller: Admitted, dry_run: bool = False) -> Response:
    """Paint one to four pictures on a mesh; its shape stays as it is."""
    return await native.answer(request, caller, "retexture", dry_run)


@router.post(
    "/simplify",
    status_code=201,
    responses={200: {"model": native.Plan}, 201: {"model": JobObject}},
    openapi_extra={"requestBody": native.body_of_job("simplify")},
)
async def simplify(request: Request, caller: Admitted, dry_run: bool = False) -> Response:
    """Give a mesh fewer faces."""
    return await native.answer(request, caller, "simplify", dry_run)


@router.post(
    "/convert",
    status_code=201,
    responses={200: {"model": native.Plan}, 201: {"model": JobObject}},
    openapi_extra={"requestBody": native.body_of_job("convert")},
)
async def convert(request: Request, caller: Admitted, dry_run: bool = False) -> Response:
    """Write a mesh as another type of file."""
    return await native.answer(request, caller, "convert", dry_run)
