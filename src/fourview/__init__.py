# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Four pictures of a thing go in, one clean, textured 3D model comes out.

    import fourview
    result = fourview.generate({"front": "front.png", "left": "left.png"}, fourview.Recipe.of(target_face_num=5000))
    fourview.write(result, "model.glb")

Public names load when they are first used: importing the package does nothing else.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {  # name -> its module
    "CancelToken": "fourview.progress",
    "FourviewError": "fourview.errors",
    "Machine": "fourview.compute",
    "Mesh": "fourview.mesh.mesh",
    "Recipe": "fourview.recipe",
    "Report": "fourview.report",
    "Result": "fourview.result",
    "convert": "fourview.operations.convert",
    "generate": "fourview.pipeline",
    "preview": "fourview.operations.preview",
    "read_pictures": "fourview.views.load",
    "retexture": "fourview.operations.retexture",
    "save_mattes": "fourview.views.load",
    "simplify": "fourview.operations.simplify",
    "write": "fourview.result",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'fourview' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
