# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A notice: something the caller should know although the work went on.

Steps return notices beside their result; nothing prints them but a door.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """One warning: a stable word, a sentence with the numbers, and the parameter or view it speaks of."""

    code: str
    message: str
    field: str | None = None
