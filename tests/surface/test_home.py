# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""numpy and torch, the host and a GPU where there is one, give one mesh."""

import numpy as np
import pytest
import torch
from surface.truths import BOX, cuboid, faults, occupancy, sphere, torus, union
from torch.overrides import TorchFunctionMode

from fourview.errors import CanceledError, SurfaceError
from fourview.surface.extract import extract
from fourview.surface.field import Field
from fourview.surface.octree import sample, sample_dense

GPUS = {"cuda": torch.cuda, "mps": torch.backends.mps}
DEVICES = ["cpu", *(name for name, gpu in GPUS.items() if gpu.is_available())]
STEP = {"cpu": 0, "cuda": 0, "mps": 2**-23}  # how far a coordinate may be off: there is no float64 on Apple's GPUs


def on_torch(field, device, tile=1):
    """The very values of `field`, as a network on `device` would give them."""

    def value(points):
        assert (points.dtype, points.device.type) == (torch.float32, device)
        return torch.asarray(np.asarray(field(points.cpu().numpy()), np.float32), device=device)

    return Field(value, field.bounds, tile, torch, torch.device(device))


def linked(points):
    x, y, z = points.T
    one = np.hypot(np.hypot(x + np.float32(0.3), y) - np.float32(0.5), z)
    other = np.hypot(np.hypot(x - np.float32(0.3), z) - np.float32(0.5), y)
    return np.float32(0.13) - np.minimum(one, other)


def gyroid(points):
    x, y, z = 8 * points.T
    wave = np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
    return np.minimum(np.float32(0.4) - np.abs(wave), np.float32(0.95) - np.linalg.norm(points, axis=1))


def sheet_and_rod(points):
    x, y, z = np.abs(points - np.float32([0.01, 0.02, 0.03])).T
    sheet = np.minimum(np.float32(0.012) - z, np.float32(0.8) - np.maximum(x, y))
    return np.maximum(sheet, np.minimum(np.float32(0.02) - np.hypot(x, y), np.float32(0.9) - z))


FIELDS = {
    "ball": sphere(0.9),
    "ring": torus(0.6, 0.3),
    "two linked rings": Field(linked, BOX),
    "gyroid": Field(gyroid, BOX),
    "thin sheet and rod": Field(sheet_and_rod, BOX),
    "zeros on samples": cuboid((0.5, 0.75, 0.25)),
    "signs alone, beyond the box": occupancy(sphere(1.2)),
    "infinite": Field(lambda p: (0.51 - np.abs(p).max(axis=1)) * np.float32(np.inf), BOX),
    "seen at no coarse node": occupancy(sphere(0.04, (0.55, 0.56, 0.54))),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("find", [sample, sample_dense])
def test_torch_finds_the_cells_and_the_mesh_that_numpy_finds(name, find, device):
    plain, there = find(FIELDS[name], 48), find(on_torch(FIELDS[name], device), 48)
    mesh, mesh_there = extract(plain), extract(there)

    assert np.array_equal(plain.cells, there.backend.host(there.cells))
    assert np.array_equal(plain.cases, there.backend.host(there.cases))
    assert (plain.asked, plain.share) == (there.asked, there.share)
    assert np.array_equal(mesh.faces, mesh_there.faces)
    assert np.abs(mesh.vertices - mesh_there.vertices).max() <= STEP[device]
    assert [type(a) for a in (mesh_there.vertices, mesh_there.faces)] == [np.ndarray] * 2
    assert (mesh_there.vertices.dtype, mesh_there.faces.dtype) == (np.float32, np.int32)


@pytest.mark.parametrize("device", DEVICES)
def test_a_layered_field_at_256_cells_is_the_same_on_torch(device):
    field = union(Field(linked, BOX), Field(sheet_and_rod, BOX))
    mesh, mesh_there = extract(sample(field, 256)), extract(sample(on_torch(field, device, tile=8192), 256))

    assert np.array_equal(mesh.faces, mesh_there.faces)
    assert np.abs(mesh.vertices - mesh_there.vertices).max() <= STEP[device]


class NoNumpy(TorchFunctionMode):
    """Refuses on the host what a GPU refuses: numpy's arrays among torch's, and torch's read as numpy's."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function not in (torch.asarray, torch.frombuffer, torch.Tensor.numpy):
            assert not any(isinstance(a, np.ndarray) for a in [*args, *(kwargs or {}).values()]), function
            assert function is not torch.Tensor.__array__
        return function(*args, **(kwargs or {}))


def test_no_array_of_numpy_meets_one_of_torch():
    def value(points):
        return 0.7 - torch.linalg.vector_norm(points, dim=1)

    with NoNumpy():
        mesh = extract(sample(Field(value, BOX, 100, torch), 32))
        dense = extract(sample_dense(Field(value, BOX, 1, torch), 32))

    assert faults(mesh) == []
    assert np.array_equal(mesh.faces, dense.faces)


@pytest.mark.parametrize("device", DEVICES)
def test_errors_and_cancel_are_those_of_numpy(device):
    def value(points):
        return np.where(np.linalg.norm(points - np.float32([0.5, 0, 0]), axis=1) < 0.2, np.nan, sphere(0.5)(points))

    def cancel(done):
        raise CanceledError("stop")

    for field in (Field(value, BOX), Field(lambda p: np.full(len(p), -1.0), BOX)):
        messages = []
        for home in (field, on_torch(field, device)):
            with pytest.raises(SurfaceError) as caught:
                sample(home, 64)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
    ball = on_torch(sphere(0.5), device)
    with pytest.raises(CanceledError):
        sample(ball, 32, tick=cancel)
    with pytest.raises(CanceledError):
        extract(sample(ball, 32), cancel)


def test_half_and_double_values_are_taken():
    single = sphere(0.7)
    half = Field(lambda p: torch.from_numpy(single(p.numpy())).half(), BOX, xp=torch)
    double = Field(lambda p: torch.from_numpy(single(p.numpy())).double() * 1e300, BOX, xp=torch)

    assert faults(extract(sample(half, 32))) == []
    assert faults(extract(sample(double, 32))) == []
