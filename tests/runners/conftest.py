# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Runners that are gone after the test, and a file that keeps one busy."""

import numpy as np
import pytest

from fourview.formats.write import encode
from fourview.mesh.mesh import Mesh
from fourview.recipe import ExportRecipe
from fourview.runners.local import LocalRunner
from fourview.texture.texture import Texture

NOISE = 2560  # texels a side: compressing them takes a process of its own about a second


@pytest.fixture
def make_runner():
    """`LocalRunner`, of which none outlives the test."""
    made = []

    def make(*args, **more):
        made.append(LocalRunner(*args, **more))
        return made[-1]

    yield make
    for runner in made:
        runner.kill()


@pytest.fixture(scope="session")
def noisy_glb(tmp_path_factory):
    """A model whose picture is so large that writing it again takes a process of its own."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    face = Mesh(corners, np.array([[0, 1, 2]], np.int32), corners[:, :2])
    noise = np.random.default_rng(0).random((NOISE, NOISE, 3), np.float32)
    path = tmp_path_factory.mktemp("noisy") / "model.glb"
    path.write_bytes(encode(face, Texture(noise, np.ones((NOISE, NOISE), bool)), ExportRecipe()))
    return path
