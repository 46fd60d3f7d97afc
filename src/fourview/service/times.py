# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Times as answers show them. Everywhere else a time is unix seconds."""

from datetime import UTC, datetime


def moment(seconds: float) -> str:
    """Unix seconds as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def maybe_moment(seconds: float | None) -> str | None:
    """The same; None stays None."""
    return None if seconds is None else moment(seconds)
