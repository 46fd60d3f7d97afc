# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The files of a job: signed or with a key, whole or in ranges, other formats on demand."""

from fastapi import APIRouter

router = APIRouter(prefix="/api/v1")
