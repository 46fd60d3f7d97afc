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
    """A field, notices for the caller, and facts about the run for the report.

    `is_framed`: whether the field is in the frame of the views' cameras, or in that of a network's training.
    """

    field: Field
    notices: tuple[Notice, ...]
    facts: Mapping[str, str]
    is_framed: bool
