# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What an exception means, and what goes over the pipe."""

import resource
from pathlib import Path

import numpy as np
import pytest
from runners.orders import order

from fourview.errors import CanceledError, ChildError, MemoryShortError
from fourview.progress import CancelToken
from fourview.runners import memory, wire
from fourview.runners.process import do
from fourview.work import Ability, Failure, MadeFile, Outcome, Step


def ending(tmp_path, error):
    """The outcome of work that raises `error`."""

    def execute(work, watch, cancel):
        raise error

    return do(order(tmp_path), execute, lambda event: None, CancelToken())


@pytest.mark.parametrize("error", [MemoryShortError("12 GB are needed"), ChildError("it died")])
def test_errors_of_the_house_poison_nothing(tmp_path, error):
    outcome = ending(tmp_path, error)

    assert outcome.failure == Failure(type(error).__name__, str(error))
    assert not outcome.is_poisoned


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA error: an illegal memory access"), KeyError("x")])
def test_all_others_do(tmp_path, error, capfd):
    outcome = ending(tmp_path, error)

    assert outcome.failure.error == "InternalError"
    assert outcome.failure.message.startswith(f"{type(error).__name__} in generate")
    assert outcome.is_poisoned


def test_a_mesh_that_takes_all_memory_is_refused_and_the_bound_is_gone_afterwards(tmp_path, capfd):
    before, bounds = resource.getrlimit(resource.RLIMIT_AS), []

    def execute(work, watch, cancel):
        bounds.append(resource.getrlimit(resource.RLIMIT_AS)[0])
        raise MemoryError

    mesh = do(order(tmp_path, "convert", {"mesh": tmp_path / "a.glb"}), execute, lambda event: None, CancelToken())
    pictures = do(order(tmp_path), execute, lambda event: None, CancelToken())

    assert (mesh.status, mesh.failure.error, mesh.is_poisoned) == ("failed", "MeshError", True)
    assert "simplify it" in mesh.failure.message
    assert pictures.failure.error == "InternalError"
    assert memory.MESH_BYTES < bounds[0] < 2 * memory.MESH_BYTES
    assert bounds[1] == before[0]
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_memory_beyond_the_bound_is_not_to_be_had_within_it():
    with memory.bounded(1 << 28):
        np.empty(1 << 27, np.uint8)
        with pytest.raises(MemoryError):
            np.empty(1 << 29, np.uint8)  # addresses: no page of it is used

    np.empty(1 << 29, np.uint8)


def test_a_cancel_is_no_failure(tmp_path):
    assert ending(tmp_path, CanceledError("canceled during 'matte'")) == Outcome("canceled")


@pytest.mark.parametrize(
    "message",
    [
        order(Path("/tmp"), "simplify", {"mesh": Path("/tmp/mesh.glb")}, target_face_num=5),
        wire.Cancel(),
        Ability(("hull",), {"pid": 1}),
        Step("denoise", 0.5, 3, 30, "Grüße\n\ud800"),
        Outcome("done", (MadeFile("model.glb", "glb", Path("/tmp/model.glb")),), {"mesh": {"faces": 1}}, 2**63 - 1),
        Outcome("failed", failure=Failure("InternalError", "why"), is_poisoned=True),
    ],
)
def test_a_message_is_one_line_and_comes_out_as_it_went_in(message):
    line = wire.encode(message)

    assert line.count(b"\n") == 1
    assert wire.decode(line) == message


def test_what_is_no_plain_json_is_not_sent():
    with pytest.raises(TypeError):
        wire.encode(Outcome("done", result={"faces": object()}))
