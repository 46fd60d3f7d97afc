# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Mesh in, mesh out: retexture, simplify, convert."""

from fastapi import APIRouter

router = APIRouter(prefix="/api/v1")
