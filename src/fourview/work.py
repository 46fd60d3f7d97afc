# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What is handed to a runner, and what comes back: the words that the service and the runners share.

Owns      the orders, the news and the end of one piece of work; all of it pickles and holds no open file.
Not here  who hands it out (`service.background.dispatcher`, `service.quick_lane`), who does it (`runners`), jobs and
          credits.

Files travel as paths: `Work.inputs` are read, and everything that is made is put into `Work.folder`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["generate", "retexture", "simplify", "convert", "preview", "format"]


@dataclass(frozen=True)
class Work:
    """One order.

    generate   pictures by side (front, left, back, right) -> model.FILE_TYPE, model.glb, preview.png
    retexture  mesh and pictures -> the same, the mesh's shape as it was
    simplify   mesh -> the same with `target_face_num` faces
    convert    mesh -> the same as another `file_type`
    preview    pictures -> SIDE_matte.png and SIDE_cutout.png of each, and what the views disagree on
    format     mesh (a model.glb of ours) -> model.FILE_TYPE alone

    `inputs` name a side or `mesh`; a mesh's file type is its suffix. `parameters` are those that were set, by flat
    name.
    """

    kind: Kind
    inputs: dict[str, Path]
    parameters: dict[str, Any]
    folder: Path


@dataclass(frozen=True)
class Step:
    """How far the work is: `done` 0..1 never falls; a stage of equal steps says which of how many."""

    stage: str
    done: float
    step: int = 0
    steps: int = 0
    note: str = ""


@dataclass(frozen=True)
class MadeFile:
    """A file in the work's folder."""

    name: str
    format: str  # glb, obj, ply, stl, zip, png
    path: Path


@dataclass(frozen=True)
class Failure:
    """Why the work failed: `error` is the name of a class in `fourview.errors`, or `InternalError` for our own fault.

    The message is for whoever owns the machine: it may hold paths. What a stranger is told is the service's decision.
    """

    error: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """The end of one piece of work.

    `result` is plain JSON: for models that of `pipeline.Report.as_dict`, for a preview `{"warnings": [..]}`.
    After an outcome that `is_poisoned` the runner's process is not to be trusted with more work.
    """

    status: Literal["done", "failed", "canceled"]
    files: tuple[MadeFile, ...] = ()
    result: dict[str, Any] = field(default_factory=dict)
    seed_used: int | None = None
    failure: Failure | None = None
    is_poisoned: bool = False


@dataclass(frozen=True)
class Ability:
    """What a runner can do. `engines` also holds `mesh`, the mesh operations, where it does them.

    `about` is plain JSON that discovery shows: device, host, pid, version, and of each engine whether it is
    installed, its version, its licence and what it lacks.
    """

    engines: tuple[str, ...]
    about: dict[str, Any] = field(default_factory=dict)
