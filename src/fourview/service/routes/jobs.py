# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The native surface: jobs, their events, cancel and removal."""

from fastapi import APIRouter

router = APIRouter(prefix="/api/v1")
