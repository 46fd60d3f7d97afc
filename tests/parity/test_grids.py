# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The official grids: the same points are asked, in the same calls and of the same keys."""

import pytest
import torch
from parity import oracle
from parity.golden import Recording, agree, recorded_vae, recordings
from skimage.measure import marching_cubes

from fourview.shape.hunyuan2mv import official

TOLERANCE = 1e-4
BOUNDS, LEVEL, CHUNK = 1.01, 0.0, 8000  # official defaults, where a recording does not say another


@pytest.mark.parametrize("path", recordings("grids"))
@torch.inference_mode()
def test_grids_and_the_calls_for_them_are_the_official_ones(path, monkeypatch):
    vae = recorded_vae(
        Recording(path.with_name("vae_turbo.safetensors" if "turbo" in path.stem else "vae.safetensors"))
    )
    with Recording(path) as recording:
        memory = vae.points.memory(recording["in.tokens"])
        for key in recording.named():
            kind, resolution, *rest = key.split(".")
            if rest == ["multi_level_official_bug"]:
                _ = recording[key]  # what official code does where ours is mended
            elif kind not in ("in", "mesh"):
                check_grid(recording, key, kind, int(resolution), vae.points, memory, monkeypatch)
        for key in recording.named("mesh.", ".vertices"):
            check_mesh(recording, key)


def check_grid(recording, key, kind, resolution, decoder, memory, monkeypatch):
    said = {"bounds": BOUNDS, "mc_level": LEVEL, "num_chunks": CHUNK, "min_resolution": official.COARSEST}
    said |= recording.said(key)
    asked, sorted_cells = [], []
    hook = decoder.query_proj.register_forward_hook(lambda _, args, out: asked.append([*args[0].shape[:2]]))
    monkeypatch.setattr(official, "cells_of", lambda points: sorted_cells.append(cells_of(points)) or sorted_cells[-1])

    grid = decoded(kind, decoder, memory, resolution, said)

    hook.remove()
    recording.agree(key, grid[None], TOLERANCE)
    stage = f"{recording.path.name} {key}"
    assert asked == said.get("calls", asked), f"{stage}: calls (batch, points) are {asked}, recorded {said['calls']}"
    assert [1, *grid.shape] == said.get("grid", [1, *grid.shape]), f"{stage}: the grid is {grid.shape}"
    if "groups_per_call" in said:
        groups = [call for call in said["groups_per_call"] if call is not True]  # true: a call of whole blocks
        found = [call for cells in sorted_cells for call in grouped(cells, said["num_chunks"])]
        assert found == groups, f"{stage}: other groups of points than recorded"


cells_of = official.cells_of


def decoded(kind, decoder, memory, resolution, said):
    """The grid of a decoder by its recorded name: vanilla, hierarchical, flash_mean, flash_merge."""
    common = decoder, memory, resolution, said["bounds"], said["num_chunks"]
    if kind == "vanilla":
        return official.vanilla(*common)
    if kind == "hierarchical":
        return oracle.hierarchical(*common, said["mc_level"], said["min_resolution"])
    assert kind in ("flash_mean", "flash_merge"), f"a recording of the unknown decoder {kind}"
    selection = kind.removeprefix("flash_")
    return oracle.flash(*common, said["mc_level"], said["min_resolution"], selection=selection)


def grouped(cells, num_chunks):
    """Which cells each call holds, and how many points of each, as the recordings list them."""
    cells, counts = (x.tolist() for x in cells.unique(return_counts=True))
    calls, start = [], 0
    for sizes in official.calls(counts, num_chunks):
        calls.append([cells[start : start + len(sizes)], sizes])
        start += len(sizes)
    return calls


def check_mesh(recording, key):
    """Marching cubes of the recorded grid, mapped the official way: the grid's own test is above."""
    start = key.removesuffix("vertices")
    name = start.removeprefix("mesh.").rstrip(".")
    beside = recording.path.with_stem(f"{recording.path.stem}_flash")
    holders = [recording, *([Recording(beside)] if beside.exists() else [])]
    grid = next(
        holder[k] for holder in holders for k in (name, f"{name}.multi_level", f"{name}.single_level") if k in holder
    )
    said = recording.said(start.rstrip("."))

    vertices, faces, _, _ = marching_cubes(grid[0].numpy(), said.get("mc_level", LEVEL))
    mapped = oracle.mapped(vertices, int(name.split(".")[1]), said.get("bounds", BOUNDS))

    agree(faces, recording[f"{start}faces"], 0, f"{recording.path.name} {start}faces")
    recording.agree(key, mapped, TOLERANCE)
