# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview weights`, run as a user runs it. Pulling is in `weights/test_pull.py`: it needs a hub."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fourview.weights.catalogue import ENTRIES
from fourview.weights.load import open_checkpoint

ENTRY = ENTRIES["hunyuan2-vae-turbo"]


@pytest.fixture
def weights(tmp_path):
    """Runs the command with both folders for weights below `tmp_path`."""
    here = {"FOURVIEW_WEIGHTS": str(tmp_path / "ours"), "HY3DGEN_MODELS": str(tmp_path / "official")}

    def run(*words):
        command = [sys.executable, "-m", "fourview", "weights", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **here})

    return run


def put(root):
    folder = root / ENTRY.repository / ENTRY.subfolder
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("target: a.decoder\n")
    save_file({"a": np.zeros(6, np.float16)}, folder / "model.fp16.safetensors")
    return folder


def assert_is_error(process, said):
    assert process.returncode == 2
    assert process.stdout == ""
    assert process.stderr.startswith("error: ")
    assert process.stderr.count("\n") == 1
    assert said in process.stderr


def test_list_names_variant_size_licence_and_place_of_each(weights, tmp_path):
    folder = put(tmp_path / "ours")

    lines = weights("list").stdout.splitlines()

    assert [line.split()[0] for line in lines[::3]] == list(ENTRIES)
    assert "4.9 GB" in lines[0]
    assert {line.strip() for line in lines[1::3]} == {"Tencent Hunyuan 3D 2.0 Community License"}
    assert [line.strip() for line in lines[2::3]] == ["not here", "not here", "not here", str(folder)]


def test_path_prints_the_folder_alone(weights, tmp_path):
    folder = put(tmp_path / "official")

    assert weights("path", ENTRY.name).stdout == f"{folder}\n"


def test_path_of_what_is_not_here_tells_the_line_that_brings_it(weights):
    assert_is_error(weights("path", "hunyuan2mv"), "`fourview weights pull hunyuan2mv --accept-licence` (4.9 GB)")


def test_verify_prints_a_line_for_each_file_or_the_first_fault(weights, tmp_path):
    folder = put(tmp_path / "ours")

    good = weights("verify", ENTRY.name)
    with (folder / "model.fp16.safetensors").open("ab") as file:
        file.write(b"x")

    assert [line.split()[:2] for line in good.stdout.splitlines()] == [
        ["ok", str(folder / "config.yaml")],
        ["ok", str(folder / "model.fp16.safetensors")],
    ]
    assert_is_error(weights("verify", ENTRY.name), "its header needs")


def test_remove_deletes_the_folder_of_that_name_and_no_other(weights, tmp_path):
    ours, official = put(tmp_path / "ours"), put(tmp_path / "official")
    neighbour = ours.parent / "mine.txt"
    neighbour.touch()
    for written in ("fourview.json", ".lock", "model.fp16.safetensors.0a1b.part"):
        (ours / written).touch()

    process = weights("remove", ENTRY.name)

    assert process.stdout == f"removed {ours}\n"
    assert not ours.exists()
    assert neighbour.exists()
    assert sorted(p.name for p in official.iterdir()) == ["config.yaml", "model.fp16.safetensors"]


@pytest.mark.parametrize("is_pulled", [False, True])
def test_remove_leaves_a_folder_with_something_that_pull_did_not_put_there(weights, tmp_path, is_pulled):
    ours = put(tmp_path / "ours")
    if is_pulled:
        (ours / "fourview.json").touch()
        (ours / "notes.txt").touch()

    assert_is_error(weights("remove", ENTRY.name), "did not put there: delete it by hand")
    assert (ours / "model.fp16.safetensors").exists()


def test_remove_leaves_what_it_did_not_bring(weights, tmp_path):
    official = put(tmp_path / "official")

    assert_is_error(weights("remove", ENTRY.name), "only what `fourview weights pull` put there is removed")
    assert official.exists()


@pytest.mark.parametrize("link", [Path(ENTRY.repository).parent, Path(ENTRY.repository) / ENTRY.subfolder])
def test_remove_does_not_follow_links_out_of_our_folder(weights, tmp_path, link):
    put(tmp_path / "elsewhere")
    (tmp_path / "ours" / link).parent.mkdir(parents=True)
    (tmp_path / "ours" / link).symlink_to(tmp_path / "elsewhere" / link)

    assert_is_error(weights("remove", ENTRY.name), "leads out of")
    assert (tmp_path / "elsewhere" / ENTRY.repository / ENTRY.subfolder / "config.yaml").exists()


@pytest.mark.parametrize("command", ["pull", "verify", "path", "remove"])
@pytest.mark.parametrize("name", ["../../ours", "/etc", "hunyuan2mv/../hunyuan2mv"])
def test_only_names_of_the_catalogue_are_taken(weights, tmp_path, command, name):
    put(tmp_path / "ours")

    assert_is_error(weights(command, name), f"there are no weights '{name}' in the catalogue; name one of hunyuan2mv,")


def test_fabricate_writes_a_checkpoint_that_opens(weights, tmp_path):
    process = weights("fabricate", "--tiny", tmp_path / "tiny", "--variant", "turbo")

    assert process.stdout == f"{tmp_path / 'tiny'}\n", process.stderr
    config = open_checkpoint(tmp_path / "tiny").config
    assert config["model"]["params"]["guidance_embed"]
