# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What an engine returns.

Owns      the type. Not here: which engines there are (`engine`), what a field promises (`surface.field`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fourview.notice import Notice
from fourview.surface.field import Field


@dataclass(frozen=True)
class Shape:
    """What an engine made: a field, what the caller should know, and what it says of itself in the report.

    `is_framed`: the field lies where the views' cameras look; a network's lies where its training put it.
    """

    field: Field
    notices: tuple[Notice, ...]
    facts: Mapping[str, str]
    is_framed: bool
