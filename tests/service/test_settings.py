# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Settings: where they come from, which do not go together, and that nobody sees a secret."""

import os
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from fourview.errors import SettingsError
from fourview.service.load_settings import load
from fourview.service.prices import PRICES
from fourview.service.settings import Settings, describe

DOCS = (Path(__file__).parents[2] / "docs/reference/settings.md").read_text()
HOME = "~/.local/share/fourview"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch):
    for name in [name for name in os.environ if name.startswith("FOURVIEW_")]:
        monkeypatch.delenv(name)


def written(tmp_path, text):
    path = tmp_path / "fourview.toml"
    path.write_text(text)
    return path


# Where they come from


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(tmp_path, monkeypatch):
    file = written(tmp_path, "queue_max = 1\nconcurrency = 1\nwebhook_attempts = 1\n")
    monkeypatch.setenv("FOURVIEW_QUEUE_MAX", "2")
    monkeypatch.setenv("FOURVIEW_CONCURRENCY", "2")

    settings = load(file, {"queue_max": 3})

    assert (settings.queue_max, settings.concurrency, settings.webhook_attempts, settings.workers_per_device) == (
        3, 2, 1, 1,
    )  # fmt: skip


def test_lists_are_separated_by_commas_and_tables_are_json_in_the_environment(monkeypatch):
    monkeypatch.setenv("FOURVIEW_ALLOWED_HOSTS", "models.example.com, other.example.com")
    monkeypatch.setenv("FOURVIEW_OUTBOUND_PORTS", "443,8443")
    monkeypatch.setenv("FOURVIEW_RECIPE_DEFAULTS", '{"engine": "hunyuan2mv"}')

    settings = load()

    assert settings.allowed_hosts == ("models.example.com", "other.example.com")
    assert settings.outbound_ports == {443, 8443}
    assert settings.recipe_defaults == {"engine": "hunyuan2mv"}


def test_an_empty_variable_and_what_is_not_ours_change_nothing(monkeypatch):
    monkeypatch.setenv("FOURVIEW_PUBLIC_URL", "")
    monkeypatch.setenv("FOURVIEW_PORT", "tcp://10.0.0.1:8000")  # what Kubernetes sets beside a service of our name
    monkeypatch.setenv("FOURVIEW_WEIGHTS", "/weights")

    assert load() == Settings()


def test_the_file_may_hold_the_table_of_prices(tmp_path):
    rows = "".join(
        f"[prices.{engine}]\nbase = 7\nstep = 1\nresolution = 1\nfaces = 1\ntexture = 1\n" for engine in PRICES
    )

    assert load(written(tmp_path, rows)).prices["hull"].base == 7


def test_settings_cannot_be_changed_later():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().queue_max = 1


def test_addresses_follow_from_the_bind_where_no_public_url_is_set():
    assert Settings(bind_host="::1", bind_port=9000).base_url == "http://[::1]:9000"
    assert Settings(public_url="https://models.example.com/").base_url == "https://models.example.com"


def test_the_host_header_may_name_the_service_and_the_loopback_and_nothing_else():
    settings = Settings(bind_host="0.0.0.0", public_url="https://Models.example.com:444", allowed_hosts=("inner",))

    assert settings.hosts == {"models.example.com", "inner", "localhost", "127.0.0.1", "::1"}


def test_state_lies_in_one_folder_unless_said_otherwise(tmp_path):
    settings = Settings(state_dir=tmp_path)

    assert settings.database == f"sqlite:///{tmp_path}/state.db"
    assert settings.files == f"file://{tmp_path}/files"
    assert settings.scratch == tmp_path / "scratch"


# What is refused


PUBLIC = {"bind_host": "0.0.0.0", "public_url": "https://models.example.com"}


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"no_auth": True, **PUBLIC}, "no_auth lets anyone in who reaches https://models.example.com"),
        ({"no_auth": True, "bind_host": "192.168.1.5"}, "no_auth lets anyone in who reaches 192.168.1.5"),
        ({"no_auth": True, "public_url": "https://models.example.com"}, "no_auth lets anyone in"),
        ({"outbound_test_hosts": "127.0.0.1:1234", **PUBLIC}, "outbound_test_hosts opens this machine's loopback"),
        ({"outbound_test_hosts": "127.0.0.1:1234", "no_auth": True, "no_auth_anywhere": True, **PUBLIC}, "loopback"),
        ({"outbound_test_hosts": "127.0.0.1"}, "takes name:port"),
        ({"trusted_proxies": "10.0.0.0/24"}, "trusted_proxies is set and public_url is not"),
        ({"trusted_proxies": "::/0", **PUBLIC}, "holds the whole internet"),
        ({"bind_host": "0.0.0.0"}, "public_url is not set: name the URL that clients use"),
        ({"public_url": "models.example.com"}, "https://NAME without user, query and fragment is needed"),
        ({"public_url": "https://user:word@models.example.com"}, "without user"),
        ({"allowed_hosts": "*", **PUBLIC}, "DNS rebinding"),
        ({"allowed_origins": "*", **PUBLIC}, "no path and no *"),
        ({"signing_secrets": "short"}, "fewer than 32 characters"),
        ({"database_url": "mysql://host/name"}, "sqlite:///FILE or postgresql"),
        ({"database_url": "sqlite:///:memory:"}, "sqlite:///FILE or postgresql"),
        ({"files_url": "ftp://host/folder"}, "file:///FOLDER or s3://"),
        ({"lease_s": 10, "heartbeat_s": 5}, "three beats"),
        ({"body_max_mib": 42}, "picture_max_mib 32 needs more"),
        ({"webhook_first_delay_s": 60, "webhook_max_delay_s": 30}, "webhook_first_delay_s is longer"),
        ({"recipe_defaults": {"steps": 1000}}, "steps is 1000; it takes a whole number in 1 .. 100"),
        ({"recipe_defaults": {"stepps": 10}}, "there is no parameter 'stepps'"),
        ({"prices": {"hull": PRICES["hull"]}}, "no row for mini, hunyuan2mv, retexture, simplify, convert"),
        ({"prices": {**PRICES, "mesh": PRICES["convert"]}}, "a row for mesh: it takes rows for mini, hull"),
        ({"prices": {"hull": {"base": 1.5}}}, "prices.hull.base '1.5' cannot be used"),
        ({"bind_port": 70000}, "bind_port '70000' cannot be used: Input should be less than or equal to 65535"),
        ({"picture_max_megapixels": 201}, "picture_max_megapixels '201' cannot be used"),
        ({"trusted_proxies": "10.0.0.0/99", **PUBLIC}, "trusted_proxies.0 '10.0.0.0/99' cannot be used"),
        ({"colour": "red"}, "there is no setting 'colour'"),
    ],
)
def test_what_is_unsafe_or_wrong_does_not_start_and_says_why(flags, reason):
    with pytest.raises(SettingsError) as refused:
        load(flags=flags)

    assert reason in str(refused.value)


def test_all_reasons_are_told_at_once():
    with pytest.raises(SettingsError) as refused:
        load(flags={"no_auth": True, "bind_host": "0.0.0.0", "signing_secrets": "short"})

    assert len(str(refused.value).splitlines()) == 3


@pytest.mark.parametrize(
    "flags",
    [
        {"no_auth": True},
        {"no_auth": True, "bind_host": "::1"},
        {"no_auth": True, "no_auth_anywhere": True, **PUBLIC},
        {"trusted_proxies": "10.0.0.0/24,fd00::/8", **PUBLIC},
        {"outbound_test_hosts": "127.0.0.1:1234,localhost:1234"},
        {"database_url": "postgresql://user:word@host/name", "files_url": "s3://bucket/prefix"},
        {"database_url": "postgresql://user:word@one:5432,two:5433/name?target_session_attrs=read-write"},
    ],
)
def test_what_is_safe_starts(flags):
    assert load(flags=flags).queue_max == Settings().queue_max


@pytest.mark.parametrize(
    ("text", "reason"),
    [("queue_max = ", "no TOML"), ("queue = 5", "there is no setting 'queue'"), ("queue_max = 'many'", "queue_max")],
)
def test_a_file_that_cannot_be_used_says_what_is_wrong(tmp_path, text, reason):
    with pytest.raises(SettingsError, match=reason):
        load(written(tmp_path, text))


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.toml cannot be read: No such file"):
        load(tmp_path / "none.toml")


def test_a_table_that_is_no_json_is_an_error(monkeypatch):
    monkeypatch.setenv("FOURVIEW_PRICES", "{base")

    with pytest.raises(SettingsError, match=r'"prices".*tables are JSON'):
        load()


# Secrets


@given(st.text(st.characters(categories=("L", "N", "P", "S")), min_size=6, max_size=40).map(lambda word: f"Zq{word}Qz"))
def test_no_secret_is_shown_anywhere(word):
    settings = Settings(
        database_url=SecretStr(f"postgresql://user:{word}@host/name"),
        files_url=SecretStr(f"s3://id:{word}@bucket/prefix"),
        signing_secrets=(SecretStr(word * 4),),
    )

    shown = describe(settings)

    assert word not in "".join(shown.values()) + str(settings) + repr(settings)
    assert shown["database_url"].startswith("postgresql://user:***@")
    assert shown["signing_secrets"] == "1 set"


@pytest.mark.parametrize(
    "flags",
    [
        {"database_url": "mysql://user:Hidden-word@host/name"},
        {"database_url": "postgres://host/name?password=Hidden-word"},
        {"database_url": ["Hidden-word"]},
        {"signing_secrets": "Hidden-word"},
        {"signing_secrets": {"Hidden-word": 1}},
        {"public_url": "https://user:Hidden-word@models.example.com"},
    ],
)
def test_no_secret_is_in_an_error(flags):
    with pytest.raises(SettingsError) as refused:
        load(flags=flags)

    assert "Hidden" not in str(refused.value)


# The page about them


def words(hint):
    return get_args(hint) if get_origin(hint) is Literal else ()


def test_the_docs_hold_the_row_of_every_setting_in_order():
    rows = [line for line in DOCS.splitlines() if line.startswith("| `")]
    shown = describe(Settings())

    wanted = []
    for name, field in Settings.model_fields.items():
        bounds = {
            kind: getattr(limit, kind) for limit in field.metadata for kind in ("ge", "le") if hasattr(limit, kind)
        }
        span = f"{bounds['ge']:.10g} .. {bounds['le']:.10g}" if bounds else ", ".join(words(field.annotation))
        default = {"state_dir": HOME, "prices": "below"}.get(name, shown[name])
        wanted.append(f"| `{name}` | {span} | {default} | {field.description} |")
    assert rows[: len(wanted)] == wanted


def test_the_docs_hold_the_table_of_prices():
    for engine, row in PRICES.items():
        assert f"| {engine} | {row.base} | {row.step} | {row.resolution} | {row.faces} | {row.texture} |" in DOCS
