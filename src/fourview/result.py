# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What `generate` and every operation return.

Owns      `Result`, and `write`, which saves its file.
Not here  the report (`report`), the file formats (`formats`).
"""

from dataclasses import dataclass
from os import PathLike

from fourview.errors import OutputError
from fourview.formats.write import save
from fourview.mesh.mesh import Mesh
from fourview.report import Report
from fourview.texture.texture import Texture
from fourview.views.view import View


@dataclass(frozen=True)
class Result:
    """Finished work.

    `file`: the model, encoded as `recipe.export.file_type`. `mesh` and `texture`: the same model in box units.
    `views`: the cut-out pictures that were used, framed together. A preview has views alone: `mesh` is None, `file`
    empty.
    """

    mesh: Mesh | None
    texture: Texture | None
    file: bytes
    report: Report
    views: tuple[View, ...] = ()


def write(result: Result, path: str | PathLike[str]) -> None:
    """Save the model's file at `path`, whole or not at all; raises `OutputError`."""
    if result.mesh is None:
        raise OutputError("this result has no model: a preview has views; save them with fourview.save_mattes")
    save(path, result.file)
