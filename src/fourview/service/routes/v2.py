# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The compatible surface, v2: submit and poll."""

from fastapi import APIRouter

router = APIRouter()
