# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The messages between the service and a runner.

Owns      the messages: `Work`, `Step`, `Outcome`, `Ability`. All of them are plain data and hold no open file.
Not here  who hands work out (`service.background.dispatcher`, `service.quick_lane`), who does it (`runners`), jobs and
          credits.

Files travel as paths: the runner reads `Work.inputs` and writes everything into `Work.folder`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Work:
    """One piece of work of a kind in `kinds.KINDS`.

    `inputs`: a side or `mesh` -> its file; a mesh's file type is its suffix. `parameters`: those that were set, by flat
    name. Files of a job: `model.FILE_TYPE`, `model.glb`, `preview.png`. Of a preview: `SIDE_matte.png`,
    `SIDE_cutout.png`. Of a format: `model.FILE_TYPE`.
    """

    kind: str
    inputs: dict[str, Path]
    parameters: dict[str, Any]
    folder: Path


@dataclass(frozen=True)
class Step:
    """How far the work is: `done` 0..1 never falls; `step` of `steps` where the stage has equal steps."""

    stage: str
    done: float
    step: int = 0
    steps: int = 0
    note: str = ""


@dataclass(frozen=True)
class MadeFile:
    """A file in the folder of the work."""

    name: str
    format: str  # glb, obj, ply, stl, zip, png
    path: Path


@dataclass(frozen=True)
class Failure:
    """Why the work failed: `error` is the name of a class in `fourview.errors`, or `InternalError` for our own fault.

    The message is for the operator: it may hold paths. The service decides what a client sees.
    """

    error: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """The end of one piece of work.

    `result`: `Report.to_json`. `is_poisoned`: the runner's process must not get more work.
    """

    status: Literal["done", "failed", "canceled"]
    files: tuple[MadeFile, ...] = ()
    result: dict[str, Any] = field(default_factory=dict)
    seed_used: int | None = None
    failure: Failure | None = None
    is_poisoned: bool = False


@dataclass(frozen=True)
class Ability:
    """What a runner can do: the kinds of work that need no engine, and `engines`.

    `about` is plain JSON that discovery shows: device, host, pid, version, and of each engine whether it is installed,
    its version, its licence and what it lacks.
    """

    engines: tuple[str, ...]
    about: dict[str, Any] = field(default_factory=dict)
