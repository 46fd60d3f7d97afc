# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What is installed, what the limits are, what a key has used; errors explained; llms.txt."""

from fastapi import APIRouter

router = APIRouter()
