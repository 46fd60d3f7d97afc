# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Masks secrets in URLs that are shown or logged."""

import re


def masked(url: str) -> str:
    """`url` without its password and without the values of its query."""
    return re.sub(r"=[^&#]*", "=***", re.sub(r"(?<=://)([^:@/]*):.*@", r"\1:***@", url, flags=re.DOTALL))
