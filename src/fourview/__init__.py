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

_HOME = {
    "Recipe": "fourview.recipe",
    "Machine": "fourview.compute",
    "generate": "fourview.pipeline",
    "write": "fourview.pipeline",
    "Result": "fourview.pipeline",
    "read_pictures": "fourview.views.load",
    "Mesh": "fourview.mesh.mesh",
    "CancelToken": "fourview.progress",
    "FourviewError": "fourview.errors",
}

__all__ = [
    "CancelToken",
    "FourviewError",
    "Machine",
    "Mesh",
    "Recipe",
    "Result",
    "__version__",
    "generate",
    "read_pictures",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fourview' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
