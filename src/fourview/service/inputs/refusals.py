# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Refusals that name fields of a request.

Owns      the JSON pointer of a field, how much of a value a message repeats. Not here: the answer (`problems`).
"""

from collections.abc import Iterable
from typing import Any, NoReturn

from fourview.service.problems import Refused

SHOWN = 40  # characters of a value that an error repeats


def refuse(wrong: Iterable[tuple[str, str]], code: str = "invalid_field") -> NoReturn:
    """Raises `Refused` with the name of a field and a sentence for each."""
    found = tuple(wrong)
    pointers = [("/" + name.replace("~", "~0").replace("/", "~1"), sentence) for name, sentence in found]
    raise Refused(code, "; ".join(sentence for _, sentence in found), errors=pointers)


def shorten(text: str) -> str:
    """`text` as an error repeats it."""
    return text if len(text) <= SHOWN else text[:SHOWN] + ".."


def refuse_field(name: str, why: str) -> NoReturn:
    """Raises `Refused` for a body that cannot be read because of one field."""
    refuse([(name, f"the field '{shorten(name)}' {why}")], "malformed_body")


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The fields by name, each of which is there once."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise Refused("malformed_body", f"the field '{shorten(name)}' is there twice; send it once")
        fields[name] = value
    return fields
