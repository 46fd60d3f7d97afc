# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The embedded engine: views -> hull -> the field that the network makes of it.

Owns      the order of the steps, the two halves of the network that are kept between runs.
Not here  the hull (`shape.hull`), the steps (`encoder`, `field`), the training (`training/`).
"""

import threading
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from fourview import compute
from fourview.compute import Machine
from fourview.engines import ENGINES
from fourview.progress import RunProgress, part
from fourview.recipe import Recipe
from fourview.shape.engine import Engine
from fourview.shape.hull import hull
from fourview.shape.mini.encoder import encode
from fourview.shape.mini.field import corrected
from fourview.shape.mini.frame import fill_of
from fourview.shape.shape import Shape
from fourview.views.view import View

# onnxruntime divides the cells of a small volume among its threads, and sums in another order where few are left for
# each: at five threads the last bits differ. One thread takes 0.2 s.
ENCODE_THREADS = 1


def engine(machine: Machine) -> Engine:
    """The engine with the weights of the package; it runs on the processor of any machine."""
    return Engine("mini", "2", ENGINES["mini"].licence, Mini().shape)


class Mini:
    """The network and the steps around it. It is loaded at the first run and kept; `weights`: a folder with weights
    other than those of the package.
    """

    def __init__(self, weights: Path | None = None) -> None:
        self._weights = weights or resources.files("fourview.shape.mini")
        self._sessions: dict[str, Any] = {}
        self._lock = threading.Lock()

    def shape(self, views: Sequence[View], recipe: Recipe, run: RunProgress) -> Shape:
        """The shape of `views`; see `shape.engine`."""
        names = [view.name for view in views]
        fill = fill_of(names)
        with run.stage("encode") as tick:
            base = hull(views, part(tick, 0, 0.3))
            rows = encode(self._session("encode", ENCODE_THREADS), views, base, fill)
            is_deep_known = "left" in names or "right" in names
            correct = self._session("correct", compute.threads())
            field = corrected(correct, rows, base, fill, is_deep_known, part(tick, 0.5, 1))
        return Shape(field, (), {}, is_framed=True)

    def _session(self, name: str, threads: int) -> Any:
        with self._lock:
            if name not in self._sessions:
                import onnxruntime  # takes 0.1 s

                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = threads
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")
                graph = self._weights.joinpath(f"{name}.onnx").read_bytes()
                self._sessions[name] = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            return self._sessions[name]
