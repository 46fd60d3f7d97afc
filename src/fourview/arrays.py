# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Names of array types in signatures.

The shape of an array is written beside it, in a comment or a docstring; the letters are those of CONVENTIONS.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]
Int = NDArray[np.integer[Any]]
Bool = NDArray[np.bool_]
Byte = NDArray[np.uint8]

__all__ = ["Bool", "Byte", "Float", "Int"]
