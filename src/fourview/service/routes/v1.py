# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The compatible surface, v1: one blocking call, and the credits of a key."""

from fastapi import APIRouter

router = APIRouter()
