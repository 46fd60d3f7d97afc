# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What was told to whom about a job, and telling it again."""

from fastapi import APIRouter

router = APIRouter()
