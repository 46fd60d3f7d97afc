# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Weights over the wire: the real command and the hub's real client against a hub on the loopback."""

import hashlib
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
from weights.hub import COMMIT, Hub, git_id, running

from fourview.errors import MissingExtraError
from fourview.weights import catalogue
from fourview.weights.pull import pull

VAE = catalogue.ENTRIES["hunyuan2-vae-turbo"]  # no hash of it is published: it may be anything here
CONFIG, MODEL = (f"{VAE.subfolder}/{file.name}" for file in VAE.files)
MODEL_BYTES = np.random.default_rng(7).bytes(30_000_000)
CHUNK = 10 * 2**20  # the client writes so much at once: what a cut may cost
FILES = {CONFIG: b"target: a.decoder\n", MODEL: MODEL_BYTES}
ACCEPTED = ("pull", VAE.name, "--accept-licence")


@pytest.fixture
def hub():
    with running(Hub(VAE.repository, dict(FILES))) as hub:
        yield hub


def environment(hub, folder, **more):
    return {
        **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        "FOURVIEW_WEIGHTS": str(folder / "ours"),
        "HY3DGEN_MODELS": str(folder / "official"),
        "HF_HOME": str(folder / "client"),
        "HF_ENDPOINT": hub.url,
        **more,
    }


def weights(hub, folder, *words, **more):
    command = [sys.executable, "-m", "fourview", "weights", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment(hub, folder, **more))


def home(folder):
    return folder / "ours" / VAE.repository / VAE.subfolder


def files_in(folder):
    return sorted(p.name for p in home(folder).iterdir() if p.name != ".lock") if home(folder).exists() else []


def error_of(process):
    assert process.returncode == 2, process.stderr
    *licence, error = process.stderr.splitlines()
    assert len(licence) in (0, 3)
    assert error.startswith("error: "), process.stderr
    return error


def test_a_pull_brings_both_files_once_and_records_where_they_are_from(hub, tmp_path):
    process = weights(hub, tmp_path, *ACCEPTED)

    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == str(home(tmp_path))
    assert files_in(tmp_path) == ["config.yaml", "fourview.json", "model.fp16.safetensors"]
    assert (home(tmp_path) / "model.fp16.safetensors").read_bytes() == MODEL_BYTES
    assert hub.sent == {CONFIG: len(FILES[CONFIG]), MODEL: len(MODEL_BYTES)}
    record = json.loads((home(tmp_path) / "fourview.json").read_text())
    assert (record["repository"], record["commit"]) == (VAE.repository, COMMIT)
    sha256 = hashlib.sha256(MODEL_BYTES).hexdigest()
    assert record["files"]["model.fp16.safetensors"] == {"size": len(MODEL_BYTES), "sha256": sha256}


def test_a_second_pull_asks_nobody(hub, tmp_path):
    weights(hub, tmp_path, *ACCEPTED)
    asked = len(hub.asked)

    again = weights(hub, tmp_path, "pull", VAE.name)

    assert again.stdout.strip() == str(home(tmp_path))
    assert len(hub.asked) == asked


def test_a_file_that_was_deleted_is_fetched_again_and_the_other_is_not(hub, tmp_path):
    weights(hub, tmp_path, *ACCEPTED)
    (home(tmp_path) / "config.yaml").unlink()

    process = weights(hub, tmp_path, *ACCEPTED)

    assert process.returncode == 0, process.stderr
    assert files_in(tmp_path) == ["config.yaml", "fourview.json", "model.fp16.safetensors"]
    assert hub.sent == {CONFIG: 2 * len(FILES[CONFIG]), MODEL: len(MODEL_BYTES)}


def test_plain_http_is_enough_although_the_hub_offers_its_chunk_store(hub, tmp_path):
    process = weights(hub, tmp_path, *ACCEPTED)

    assert process.returncode == 0
    assert not [line for line in hub.asked if "xet" in line]


def test_after_a_cut_the_same_run_fetches_the_rest(hub, tmp_path):
    hub.faults = [("close", 20_000_000)]

    process = weights(hub, tmp_path, *ACCEPTED)

    assert process.returncode == 0, process.stderr
    assert (home(tmp_path) / "model.fp16.safetensors").read_bytes() == MODEL_BYTES
    assert hub.sent[MODEL] < len(MODEL_BYTES) + CHUNK


def test_after_a_broken_connection_the_next_run_fetches_the_rest(hub, tmp_path):
    hub.faults = [("reset", 20_000_000)]

    first = weights(hub, tmp_path, *ACCEPTED)
    kept = sum(p.stat().st_size for p in home(tmp_path).glob("model*.part"))
    names = files_in(tmp_path)
    second = weights(hub, tmp_path, *ACCEPTED)

    assert f"{kept} bytes are kept" in error_of(first)
    assert "model.fp16.safetensors" not in names
    assert second.returncode == 0, second.stderr
    assert (home(tmp_path) / "model.fp16.safetensors").read_bytes() == MODEL_BYTES
    assert hub.sent[MODEL] == 20_000_000 + len(MODEL_BYTES) - kept


@contextmanager
def killed(hub, folder, after):
    """The command, killed when it has been sent `after` bytes of the model."""
    hub.faults = [("stall", after)]
    command = [sys.executable, "-m", "fourview", "weights", *ACCEPTED]
    process = subprocess.Popen(command, env=environment(hub, folder), stderr=subprocess.DEVNULL)
    try:
        assert hub.stalled.wait(60)
        yield
    finally:
        process.kill()
        process.wait()
        hub.go_on.set()


def test_after_a_killed_process_the_next_run_fetches_the_rest(hub, tmp_path):
    with killed(hub, tmp_path, after=25_000_000):
        (part,) = wait_for(lambda: [p for p in home(tmp_path).glob("model*.part") if p.stat().st_size >= 20_000_000])
    kept = part.stat().st_size

    process = weights(hub, tmp_path, *ACCEPTED)

    assert process.returncode == 0, process.stderr
    assert (home(tmp_path) / "model.fp16.safetensors").read_bytes() == MODEL_BYTES
    assert hub.sent[MODEL] == 25_000_000 + len(MODEL_BYTES) - kept


def wait_for(look):
    for _ in range(600):
        if seen := look():
            return seen
        time.sleep(0.1)
    raise AssertionError("it did not come")


def test_two_pulls_do_not_write_to_one_file(hub, tmp_path):
    with killed(hub, tmp_path, after=15_000_000):
        second = weights(hub, tmp_path, *ACCEPTED)

    assert "another pull is writing" in error_of(second)


@pytest.mark.parametrize("name", [CONFIG, MODEL])
def test_a_file_with_another_hash_than_announced_is_refused_and_deleted(hub, tmp_path, name):
    wrong = bytes(len(FILES[name]))
    announced = git_id(wrong) if name == CONFIG else hashlib.sha256(wrong).hexdigest()
    hub.announced[name] = announced, len(wrong)

    process = weights(hub, tmp_path, *ACCEPTED)

    assert f"{announced} is expected" in error_of(process)
    assert not {"config.yaml", "model.fp16.safetensors", "fourview.json"} & set(files_in(tmp_path))
    assert not list(home(tmp_path).glob(f"{name.split('/')[1]}*.part"))


MV = catalogue.ENTRIES["hunyuan2mv"]
MV_MODEL = MV.files[1]


@pytest.mark.parametrize("announced", [("ab" * 32, MV_MODEL.size), (MV_MODEL.sha256, 20_000)])
def test_a_hub_that_has_another_file_than_the_catalogue_is_refused_before_a_byte(tmp_path, announced):
    files = {f"{MV.subfolder}/config.yaml": bytes(1608), f"{MV.subfolder}/{MV_MODEL.name}": bytes(20_000)}
    with running(Hub(MV.repository, files, revisions=[MV.revision])) as hub:
        hub.announced[f"{MV.subfolder}/{MV_MODEL.name}"] = announced
        process = weights(hub, tmp_path, "pull", MV.name, "--accept-licence")

    assert f"the catalogue says {MV_MODEL.size} and {MV_MODEL.sha256}" in error_of(process)
    assert not hub.sent


def test_a_revision_that_the_hub_does_not_have_is_named(tmp_path):
    with running(Hub(MV.repository, {f"{MV.subfolder}/config.yaml": b""})) as hub:
        process = weights(hub, tmp_path, "pull", MV.name, "--accept-licence")

    assert f"{MV.repository} has no revision {MV.revision}" in error_of(process)


def test_a_repository_that_the_hub_does_not_have_is_named(tmp_path):
    with running(Hub("someone/else", {})) as hub:
        process = weights(hub, tmp_path, *ACCEPTED)

    assert f"{VAE.repository} with {CONFIG} is not at {hub.url}" in error_of(process)


@pytest.mark.parametrize(("words", "more"), [(("--offline",), {}), ((), {"HF_HUB_OFFLINE": "1"})])
def test_offline_asks_nobody_and_tells_where_to_copy_the_folder(hub, tmp_path, words, more):
    process = weights(hub, tmp_path, *ACCEPTED, *words, **more)

    assert str(home(tmp_path)) in error_of(process)
    assert not hub.asked


def test_offline_uses_what_the_official_program_has_fetched(hub, tmp_path):
    official = tmp_path / "official" / VAE.repository / VAE.subfolder
    official.mkdir(parents=True)
    for file in VAE.files:
        (official / file.name).touch()

    process = weights(hub, tmp_path, "pull", VAE.name, "--offline")

    assert process.stdout.strip() == str(official), process.stderr
    assert not hub.asked


def test_without_the_licence_accepted_it_is_shown_and_nothing_is_asked(hub, tmp_path):
    process = weights(hub, tmp_path, "pull", VAE.name)

    assert "--accept-licence" in error_of(process)
    for words in (
        VAE.licence.name,
        VAE.licence.url,
        "European Union, the United Kingdom and South Korea",
        "one million",
    ):
        assert words in process.stderr
    assert not hub.asked


def test_a_disk_without_room_is_told_before_a_byte(hub, tmp_path):
    hub.announced[MODEL] = "ab" * 32, 10**16

    process = weights(hub, tmp_path, *ACCEPTED)

    assert "needs 10000000.0 GB more" in error_of(process)
    assert not hub.sent


def test_a_hub_that_cannot_be_reached_is_named(tmp_path):
    with running(Hub(VAE.repository, FILES)) as hub:
        pass

    process = weights(hub, tmp_path, *ACCEPTED)

    assert hub.url in error_of(process)


def test_without_the_extra_the_install_line_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("FOURVIEW_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HY3DGEN_MODELS", str(tmp_path))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)

    with pytest.raises(MissingExtraError, match=r"pip install .*\[hunyuan\]"):
        pull(VAE, accept_licence=True)


def test_an_answer_that_is_no_hubs_is_refused(hub, tmp_path):
    hub.announced[CONFIG] = "../../escape", len(FILES[CONFIG])

    process = weights(hub, tmp_path, *ACCEPTED)

    assert "is HF_ENDPOINT a hub?" in error_of(process)
    assert files_in(tmp_path) == []
