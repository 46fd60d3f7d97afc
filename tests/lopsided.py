# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""For the tests of the training: an object whose four sides all differ, and what a solid's shadow is."""

import numpy as np
import torch
from torch import Tensor
from training.objects import Objects
from training.primitives import Part
from training.render import objectify

CPU = torch.device("cpu")
GREY = np.full(3, 0.3)


def parts() -> list[Part]:
    """A block with a nose toward +Z, an arm toward +X and a hat: no two sides look alike."""
    return [
        Part("box", np.array([0, 0.4, 0]), np.array([0.2, 0.4, 0.15]), GREY),
        Part("box", np.array([0, 0.5, 0.3]), np.array([0.06, 0.06, 0.2]), np.array([0.6, 0.1, 0.1])),
        Part("box", np.array([0.35, 0.2, 0]), np.array([0.2, 0.07, 0.07]), np.array([0.1, 0.6, 0.1])),
        Part("ellipsoid", np.array([-0.1, 0.9, -0.1]), np.array([0.1, 0.15, 0.06]), np.array([0.1, 0.1, 0.6])),
    ]


def odd_one() -> Objects:
    """The object of `parts`, a batch of one."""
    return objectify(parts(), 0, CPU)


def shadow(solid: Tensor, view: int) -> Tensor:
    """The outline of `solid (r, r, r) bool`, [x, y, z], in view 0 to 3: `(r, r)`, row 0 on top."""
    flat = solid.any(0).T if view % 2 else solid.any(2)  # [z, y] or [x, y]
    if view in (1, 2):  # these cameras have -z and -x on their right hand
        flat = flat.flip(0)
    return flat.T.flip(0)


def overlap(a: Tensor, b: Tensor) -> float:
    """Intersection over union."""
    return float((a & b).sum() / (a | b).sum())
