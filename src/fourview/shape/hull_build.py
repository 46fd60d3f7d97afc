# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How an object seems to be built: grown, made of boxes, or turned on a lathe.

Owns      the cues in outlines and light, and the two numbers of the hull that follow from them.
Not here  the hull itself (`hull`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fourview.arrays import Bool, Float
from fourview.views.view import View


@dataclass(frozen=True)
class Build:
    """How an object seems to be built: `power` is k in the head of `hull`, `tie` scales d2h/dy2, which couples a row to
    its neighbours (0: each row is inflated alone, to a full ellipse).

    Outlines that run level or upright mean a made object. Most made objects are boxes. But one that is as wide as deep
    in every row may be turned about its upright axis (cans, cups, bowls): then it is darker toward the ends of its
    rows, and a box is not. Prints hide that; so only an object that is evenly lit in all views counts as a box. Grown
    objects follow the ellipsoid.
    """

    power: float
    tie: float


GROWN = Build(power=1.0, tie=1.0)
BOX = Build(power=0.25, tie=1.0)
TURNED = Build(power=1.0, tie=0.05)
# Values of a cue between which its answer goes from 0 to 1; chosen on the training pack (docs/how/hull.md).
MADE = (0.3, 0.6)  # share of the outline that runs level or upright
ALIKE = (0.7, 0.85)  # overlap of widths and depths, summed over the rows
SHADED = (0.05, 0.12)  # how much light changes from the middle of a row to its ends, natural logarithm
STRAIGHT = 0.08  # sine of the angle up to which an edge counts as level or upright


def judge(front: Float, side: Float, views: Sequence[View], pixel: float) -> Build:
    """How the object with these outlines (signed distances, rows shared) seems to be built."""
    widths, depths = (front > 0).sum(axis=1), (side > 0).sum(axis=1)  # (rows,)
    made = _ramp((_straightness(front, pixel) + _straightness(side, pixel)) / 2, MADE)
    alike = _ramp(np.minimum(widths, depths).sum() / np.maximum(widths, depths).sum(), ALIKE)
    shaded = _ramp(float(np.mean([abs(_shade(view)) for view in views])), SHADED)
    turned = alike * shaded
    return Build(
        power=GROWN.power + (BOX.power - GROWN.power) * made * (1 - turned),
        tie=GROWN.tie + (TURNED.tie - GROWN.tie) * made * turned,
    )


def _ramp(x: float, ends: tuple[float, float]) -> float:
    """0 up to the first end, 1 from the second on."""
    return min(max((x - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0)


_LIGHT = (np.arange(256, dtype=np.float32) / 255) ** 2.2  # sRGB to linear light, nearly


def _shade(view: View) -> float:
    """How light changes from the middle of a row to its ends: the median of the rows, natural logarithm."""
    step = max(1, min(view.matte.shape) // 256)  # a coarse picture is enough
    light = _LIGHT[view.image[::step, ::step]].mean(axis=2)
    rim, half_px = _runs(view.matte[::step, ::step] > 0.9)
    middle, ends = ((rim >= low) & (rim < high) & (half_px > 8) for low, high in ((0, 0.35), (0.7, 0.93)))
    counted = (middle.sum(axis=1) > 3) & (ends.sum(axis=1) > 3)
    if not counted.any():
        return 0.0
    lights = [(light * part).sum(axis=1)[counted] / part.sum(axis=1)[counted] for part in (ends, middle)]
    return float(np.median(np.diff(np.log(np.maximum(lights, 1e-3)), axis=0)))


def _runs(solid: Bool) -> tuple[Float, Float]:
    """Where each pixel lies in its row's run, 0 in the middle, 1 at the ends, and half the run's length, pixels.

    Pixels outside have 1 and 0.
    """
    columns = np.arange(solid.shape[1])
    last_gap = np.maximum.accumulate(np.where(solid, -1, columns), axis=1)
    next_gap = np.minimum.accumulate(np.where(solid, solid.shape[1], columns)[:, ::-1], axis=1)[:, ::-1]
    half_px = np.where(solid, (next_gap - last_gap - 1) / 2, 0)
    rim = np.where(solid, np.abs(columns - (next_gap + last_gap) / 2) / np.maximum(half_px, 0.5), 1)
    return rim, half_px


def _straightness(inside: Float, pixel: float) -> float:
    """Share of the outline that runs level or upright."""
    smooth = inside
    for axis in (0, 1):
        for _ in range(4):  # binomial: steps of single pixels must not count
            smooth = (np.roll(smooth, 1, axis) + 2 * smooth + np.roll(smooth, -1, axis)) / 4
    edge = (inside > 0) & (inside < 1.5 * pixel)
    up, across = (np.abs(slope)[edge] for slope in np.gradient(smooth))
    return float(np.mean(np.minimum(up, across) < STRAIGHT * np.hypot(up, across)))
