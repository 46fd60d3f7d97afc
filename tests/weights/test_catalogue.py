# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from fourview.errors import CheckpointError
from fourview.weights import catalogue
from fourview.weights.catalogue import ENTRIES

# Parameters that decoding needs: transformer, decoder, picture encoder. Every tensor is stored as F16.
PARAMETERS = {
    "hunyuan2mv": 1_113_274_432 + 214_212_865 + 1_136_480_768,
    "hunyuan2mv-fast": 1_114_587_200 + 214_212_865 + 1_136_480_768,
    "hunyuan2mv-turbo": 1_114_587_200 + 214_212_865 + 1_136_480_768,
    "hunyuan2-vae-turbo": 203_690_497,
}


@pytest.mark.parametrize("name", ENTRIES)
def test_the_download_is_two_bytes_a_parameter_and_a_header(name):
    header = ENTRIES[name].download_size - 2 * PARAMETERS[name]

    assert 20_000 < header < 250_000


def test_published_sizes_and_hashes_stand_in_the_catalogue():
    config, model = ENTRIES["hunyuan2mv"].files

    assert (config.name, config.size) == ("config.yaml", 1608)
    assert config.sha256 == "315fd5bf601d1d103130b9fda202f1bd28eda495e68ed1621bc823d5519c5e5b"
    assert (model.name, model.size) == ("model.fp16.safetensors", 4_928_151_562)
    assert model.sha256 == "d36f5881bcdc56726b73e517cd444c13c60732431622da7268145355c8d38e9c"


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entry_says_where_its_licence_does_not_apply(name):
    licence = ENTRIES[name].licence

    assert "European Union, the United Kingdom and South Korea" in licence.territory
    assert licence.url.startswith(f"https://huggingface.co/{ENTRIES[name].repository}/")


def put(root, entry):
    folder = root / entry.repository / entry.subfolder
    folder.mkdir(parents=True)
    for file in entry.files:
        (folder / file.name).touch()
    return folder


def test_our_folder_comes_before_the_official_one(tmp_path, monkeypatch):
    monkeypatch.setenv("FOURVIEW_WEIGHTS", str(tmp_path / "ours"))
    monkeypatch.setenv("HY3DGEN_MODELS", str(tmp_path / "official"))
    entry = ENTRIES["hunyuan2mv"]

    official = put(tmp_path / "official", entry)
    before = catalogue.path(entry)
    ours = put(tmp_path / "ours", entry)

    assert before == official
    assert catalogue.path(entry) == ours


def test_a_folder_with_half_of_the_files_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setenv("FOURVIEW_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HY3DGEN_MODELS", str(tmp_path))
    entry = ENTRIES["hunyuan2mv"]
    (put(tmp_path, entry) / "config.yaml").unlink()

    with pytest.raises(CheckpointError, match="fourview weights pull hunyuan2mv --accept-licence"):
        catalogue.path(entry)


def test_without_variables_weights_go_to_the_users_cache(tmp_path, monkeypatch):
    for name in ("FOURVIEW_WEIGHTS", "HY3DGEN_MODELS", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert catalogue.root() == tmp_path / ".cache/fourview/weights"
    assert catalogue.official_root() == tmp_path / ".cache/hy3dgen"


def test_a_name_that_is_not_in_the_catalogue_is_an_error_with_those_that_are():
    with pytest.raises(CheckpointError, match=r"no weights '../../etc'.*hunyuan2mv-turbo"):
        catalogue.find("../../etc")
