# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures and meshes sent ahead."""

from fastapi import APIRouter

router = APIRouter(prefix="/api/v1")
