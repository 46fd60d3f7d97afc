# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A one-time link becomes a key for a browser."""

from fastapi import APIRouter

router = APIRouter(prefix="/api/v1")
