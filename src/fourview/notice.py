# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A notice: a fact about a run that the caller should know; the run goes on.

Steps return notices with their results; `cli` prints them, `service` answers with them as `warnings`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """One warning: a stable `code`, a sentence with the numbers, and the parameter or view that it is about."""

    code: str
    message: str
    field: str | None = None
