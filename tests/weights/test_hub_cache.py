# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from fourview.weights import catalogue


@pytest.mark.parametrize("name", ["hunyuan2mv", "hunyuan2mv-turbo"])  # a pinned commit, and a branch
def test_weights_in_the_hub_cache_are_found(tmp_path, monkeypatch, name):
    for variable in ("FOURVIEW_WEIGHTS", "HY3DGEN_MODELS", "HF_HUB_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    entry = catalogue.find(name)
    assert catalogue.found(entry) is None

    repository = tmp_path / "HF_HUB_CACHE" / f"models--{entry.repository.replace('/', '--')}"
    commit = entry.revision
    if commit == "main":
        commit = "a" * 40
        (repository / "refs").mkdir(parents=True)
        (repository / "refs/main").write_text(commit)
    place = repository / "snapshots" / commit / entry.subfolder
    place.mkdir(parents=True)
    (place / "config.yaml").touch()
    assert catalogue.found(entry) is None  # one file is missing

    for file in entry.files:
        (place / file.name).touch()
    assert catalogue.found(entry) == place
