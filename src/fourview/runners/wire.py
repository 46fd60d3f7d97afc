# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The messages between a runner and its process: one message, one line of JSON.

Owns      encoding and decoding. Not here: the pipes (`local`, `process`), what the messages mean (`work`).

JSON and not pickle: the process reads untrusted files, and its messages must not be able to run code here.
"""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fourview.work import Ability, Failure, MadeFile, Outcome, Step, Work


@dataclass(frozen=True)
class Cancel:
    """Stop the work that is under way, if there is any."""


Message = Work | Cancel | Ability | Step | Outcome


def encode(message: Message) -> bytes:
    """The line, with its end."""
    body = dataclasses.asdict(message)
    return json.dumps([type(message).__name__, body], default=os.fspath, allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of a line; raises `ValueError` for anything else."""
    name, body = json.loads(line)
    message: Message = _MAKE[name](body)
    return message


def _work(body: dict[str, Any]) -> Work:
    inputs = {name: Path(path) for name, path in body["inputs"].items()}
    return Work(body["kind"], inputs, body["parameters"], Path(body["folder"]))


def _outcome(body: dict[str, Any]) -> Outcome:
    files = tuple(MadeFile(made["name"], made["format"], Path(made["path"])) for made in body.pop("files"))
    failure = body.pop("failure")
    return Outcome(**body, files=files, failure=failure and Failure(**failure))


_MAKE: dict[str, Any] = {
    "Work": _work,
    "Cancel": lambda body: Cancel(),
    "Ability": lambda body: Ability(tuple(body["engines"]), body["about"]),
    "Step": lambda body: Step(**body),
    "Outcome": _outcome,
}
