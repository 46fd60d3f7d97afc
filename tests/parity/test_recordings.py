# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""No recording is left out: every file is of a kind, and every kind has tests."""

import re
from pathlib import Path

import pytest
import torch
from parity.golden import KINDS, Recording, agree, files, folder, kind_of, recordings
from safetensors.torch import save_file

TESTED_BY_LOADING = {"weights of a whole", "sizes of a whole", "words"}


@pytest.mark.parametrize("readme", recordings("words"))
def test_every_file_is_covered(readme):
    unknown = [str(path) for path in files(folder()) if kind_of(path.relative_to(folder())) is None]

    assert not unknown, f"no test covers {unknown}: give them a kind in golden.py"


def test_every_kind_has_a_test():
    written = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))

    assert {*re.findall(r'recordings\("(.+?)"\)', written)} >= KINDS.keys() - TESTED_BY_LOADING


def test_a_file_of_an_unknown_name_has_no_kind():
    assert kind_of(Path("dit_wide.safetensors")) == "transformer"
    assert kind_of(Path("tiny/golden.safetensors")) == "whole"
    assert kind_of(Path("texture.safetensors")) is None
    assert kind_of(Path("deep/dit.safetensors")) is None


def test_a_result_that_nobody_compares_is_a_failure(tmp_path):
    save_file({"out.v": torch.zeros(2), "out.w": torch.zeros(2), "model.a": torch.zeros(1)}, tmp_path / "a.safetensors")

    with (
        pytest.raises(AssertionError, match=r"holds what no test covers: \['out.w'\]"),
        Recording(tmp_path / "a.safetensors") as recording,
    ):
        recording.agree("out.v", torch.zeros(2), 0)


@pytest.mark.parametrize(
    ("got", "why"),
    [
        ([0.0, 1.0], "shape"),
        ([0.0, 1.0, 2.0], "NaN on one side only"),
        ([0.0, 1.1, float("nan")], "off by 0.05, 0.01 is allowed; 50.00% are"),
    ],
)
def test_a_disagreement_names_the_stage_and_says_how_large_it_is(got, why):
    want = torch.tensor([0.0, 1.0, torch.nan])

    with pytest.raises(AssertionError, match=rf"^the stage: .*{why}"):
        agree(got, want, 0.01, "the stage")
