# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Where the arrays of a field are: in numpy's memory, or on a device of torch.

Owns      the few calls that differ between numpy and torch. All else in `surface/` uses calls that both have, as
          `backend.xp.concatenate`, so that one algorithm serves both, and torch need not be installed.
Not here  what is computed with them (`octree`, `extract`).
"""

import math
import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any  # numpy's or torch's; shape and type stand beside it, as everywhere


@dataclass(frozen=True)
class ArrayBackend:
    """`xp`: the module, numpy or torch. `device`: which one of torch's, by object or by name; None is the host."""

    xp: Any = np
    device: Any = None

    @property
    def double(self) -> Any:
        """The widest floating type there; Apple's GPUs have no 64 bits."""
        return self.xp.float32 if str(self.device).startswith("mps") else self.xp.float64

    def array(self, values: Any) -> Array:
        """numpy's `values` as an array of this backend."""
        return values if self.xp is np else self.xp.asarray(values, device=self.device or "cpu")

    def host(self, values: Array) -> Any:
        """An array of this backend as numpy's."""
        return values if self.xp is np else values.cpu().numpy()

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Array:
        """Zeros. On the host they take memory only where they are written; numpy's own zeros would use huge pages."""
        if self.device is None or str(self.device).startswith("cpu"):
            pages = mmap.mmap(-1, math.prod(shape) * np.dtype(dtype).itemsize)
            return self.xp.frombuffer(pages, dtype=getattr(self.xp, dtype)).reshape(shape)
        return self.xp.zeros(shape, dtype=getattr(self.xp, dtype), device=self.device)
