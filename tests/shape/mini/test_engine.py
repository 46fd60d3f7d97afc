# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The engine with the weights that ship, on the example pictures."""

from dataclasses import replace
from importlib import resources

import numpy as np
import pytest

from fourview import compute
from fourview.arrays import Float
from fourview.progress import RunProgress
from fourview.recipe import Recipe
from fourview.shape.hull import hull
from fourview.shape.mini.engine import Mini
from fourview.views.framing import frame
from fourview.views.load import read_pictures
from fourview.views.view import View

ROBOT = resources.files("fourview") / "examples" / "robot"
MINI = Mini()


@pytest.fixture(scope="module")
def views() -> list[View]:
    pictures = read_pictures({side: ROBOT / f"{side}.png" for side in ("front", "left", "back", "right")})
    return frame(pictures, [picture.alpha for picture in pictures])[0]


def values(views: list[View], points: Float) -> Float:
    found: Float = MINI.shape(views, Recipe(), RunProgress({})).field(points)
    return found


def random_points(count: int) -> Float:
    return np.random.default_rng(0).uniform(-0.8, 0.8, (count, 3)).astype(np.float32)


def test_it_corrects_the_hull_near_its_surface_and_leaves_what_is_far(views: list[View]) -> None:
    points = random_points(20_000)
    base = hull(views)(points)

    found = values(views, points)

    assert np.mean(np.abs(found - base)[np.abs(base) < 0.05] > 1e-3) > 0.5
    assert np.array_equal(found > 0, base > 0) is False
    assert ((found > 0) == (base > 0))[base < -0.3].all()
    assert np.mean((found > 0) == (base > 0)) > 0.95


def test_it_looks_at_the_shading_inside_the_outlines(views: list[View]) -> None:
    points = random_points(5_000)
    flat = [replace(view, image=np.full_like(view.image, 128)) for view in views]

    assert np.abs(values(views, points) - values(flat, points)).max() > 0.01


@pytest.mark.bits
@pytest.mark.parametrize("portion", [1, 3, 16, 301])
def test_a_value_does_not_depend_on_what_else_is_asked(views: list[View], portion: int) -> None:
    field, points = MINI.shape(views, Recipe(), RunProgress({})).field, random_points(500)

    parts = [field(points[start : start + portion]) for start in range(0, len(points), portion)]

    assert np.array_equal(np.concatenate(parts), field(points))


@pytest.mark.parametrize("count", [2, 5, 64])
def test_the_number_of_threads_changes_no_bit(views: list[View], count: int) -> None:
    fields = []
    for threads in (1, count):
        compute.set_threads(threads)
        fields.append(Mini().shape(views, Recipe(), RunProgress({})).field(random_points(20_000)))
    compute.set_threads(None)

    assert np.array_equal(*fields)


def test_the_weights_are_small_and_name_nobodys_files() -> None:
    folder = resources.files("fourview.shape.mini")
    files = [(folder / f"{name}.onnx").read_bytes() for name in ("encode", "correct")]

    assert sum(map(len, files)) <= 12_000_000
    assert not any(b".py" in file for file in files)
