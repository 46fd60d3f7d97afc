# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Times as answers write them: RFC 3339 in UTC."""

from datetime import UTC, datetime


def moment(seconds: float) -> str:
    """Unix seconds as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def optional_moment(seconds: float | None) -> str | None:
    """The same, and None for None."""
    return None if seconds is None else moment(seconds)
