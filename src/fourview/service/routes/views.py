# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Mattes and warnings of views before a job is made of them."""

from fastapi import APIRouter

router = APIRouter(prefix="/api/v1")
