# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The validator of the Khronos Group finds nothing to say about our files."""

import json
import subprocess

import pytest
from formats.marked import marked, painted
from require import TESTS, require

from fourview.formats.write import encode
from fourview.recipe import ExportRecipe

SCRIPT = """
require("gltf-validator").validateBytes(new Uint8Array(require("fs").readFileSync(0)))
  .then(report => console.log(JSON.stringify(report.issues)))
"""


def issues(glb):
    node = require("node")
    environment = {"NODE_PATH": str(TESTS / "node_modules")}
    done = subprocess.run([node, "-e", SCRIPT], input=glb, capture_output=True, check=True, env=environment)
    return json.loads(done.stdout)


@pytest.mark.parametrize("recipe", [
    ExportRecipe(),
    ExportRecipe(texture_format="webp"),
    ExportRecipe(height_m=12.5, origin="bottom", up="z"),
])  # fmt: skip
@pytest.mark.parametrize("texture", [painted(), None], ids=["painted", "plain"])
def test_a_glb_has_no_errors_and_no_warnings(recipe, texture):
    found = issues(encode(marked(), texture, recipe, {"engine": "hull", "seed": 2**63 - 1}))

    assert (found["numErrors"], found["numWarnings"]) == (0, 0), found["messages"]


def test_a_glb_with_long_indices_has_no_errors_and_no_warnings():
    found = issues(encode(marked(cuts=150), None, ExportRecipe()))

    assert (found["numErrors"], found["numWarnings"]) == (0, 0), found["messages"]


def test_the_validator_would_have_told():
    good = encode(marked(), painted(), ExportRecipe())

    found = issues(good.replace(b'"metallicFactor":0.0', b'"metallicFactor":2.0'))

    assert found["numErrors"] == 1
