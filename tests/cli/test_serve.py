# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview serve` and `fourview work` up to the moment when they would run: settings, and reasons not to start."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fourview.cli.app import run_app
from fourview.install import install_line
from fourview.service.settings import Settings

ROOT = Path(__file__).parents[2]
SECRET = "s3cret-and-long-enough-to-sign-with"


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Runs a command whose user's data folder is `tmp_path`, without the second that a process takes."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["fourview", *map(str, words)])
        code = run_app()
        return subprocess.CompletedProcess(words, code, *capsys.readouterr())

    return run


def shown(process):
    return dict(line.split(" = ", 1) for line in process.stdout.splitlines())


def assert_is_error(process, *said):
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("error: ")
    assert process.stderr.count("\n") == 1
    for words in said:
        assert words in process.stderr


def test_every_setting_is_shown_and_no_secret(cli, monkeypatch):
    monkeypatch.setenv("FOURVIEW_SIGNING_SECRETS", SECRET)
    database = f"postgresql://me:{SECRET}@db.example.com/fourview"

    process = cli("serve", "--show-settings", "--database", database, "--files", f"s3://bucket/?secret={SECRET}")

    assert process.returncode == 0
    assert list(shown(process)) == list(Settings.model_fields)
    assert shown(process)["database_url"] == "postgresql://me:***@db.example.com/fourview"
    assert SECRET not in process.stdout + process.stderr


def test_a_flag_beats_set_which_beats_the_environment_which_beats_the_file(cli, tmp_path, monkeypatch):
    file = tmp_path / "fourview.toml"
    file.write_text("bind_port = 1001\nqueue_max = 1002\nconcurrency = 1003\nrate_per_min = 1004\n")
    for name, value in {"BIND_PORT": 2001, "QUEUE_MAX": 2002, "CONCURRENCY": 2003}.items():
        monkeypatch.setenv(f"FOURVIEW_{name}", str(value))
    words = ["--set", "bind_port=3001", "--set", "queue_max=3002"]

    settings = shown(cli("serve", "--show-settings", "--settings", file, *words, "--port", 4001))

    names = ("bind_port", "queue_max", "concurrency", "rate_per_min")
    assert [settings[name] for name in names] == ["4001", "3002", "2003", "1004"]


def test_lists_and_tables_can_be_set_on_the_command_line(cli):
    defaults = {"engine": "hull", "octree_resolution": 64}
    words = ["--set", "allowed_hosts=a.example, b.example", "--set", f"recipe_defaults={json.dumps(defaults)}"]

    settings = shown(cli("serve", "--show-settings", *words, "--device", "cpu", "--device", "cuda:0"))

    assert settings["allowed_hosts"] == "a.example, b.example"
    assert json.loads(settings["recipe_defaults"]) == defaults
    assert settings["devices"] == "cpu, cuda:0"


@pytest.mark.parametrize("command", ["serve", "work"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "bind_host=0.0.0.0"], ["public_url is not set"]),
        (["--set", "no_auth=true", "--set", "public_url=https://x.example"], ["no_auth lets anyone in"]),
        (["--set", "lease_s=3", "--set", "allowed_hosts=*"], ["a lease must hold three beats", "; ", "DNS rebinding"]),
        (["--set", "queue_max=many"], ["queue_max 'many' cannot be used"]),
        (["--set", "colour=blue"], ["there is no setting 'colour'"]),
        (["--set", "colour"], ["--set takes NAME=VALUE, not 'colour'"]),
        (["--set", "prices={hull"], ["prices is no JSON"]),
        (["--settings", "/dev/null/none.toml"], ["cannot be read"]),
        (["--database", "mysql://me:pass-word@host/db"], ["sqlite:///FILE or postgresql://... is needed"]),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) and value[0].startswith("--") else "",
)
def test_what_does_not_go_together_does_not_start_and_says_why(cli, command, words, said):
    process = cli(command, *words)

    assert_is_error(process, *said)
    assert "pass-word" not in process.stderr


def test_a_port_that_somebody_else_has_is_one_line(cli, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        process = cli("serve", "--port", other.getsockname()[1], "--state", tmp_path / "state")

    assert_is_error(process, "Address already in use", "name another with --port")
    assert not (tmp_path / "state").exists()


def test_an_address_of_another_machine_is_one_line(cli):
    assert_is_error(cli("serve", "--host", "192.0.2.1", "--set", "public_url=http://192.0.2.1"), "--host")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--state", "/dev/null/state"], "the database '/dev/null/state/state.db' cannot be written"),
        (["--files", "file:///dev/null/files"], "files_url"),
        (["--set", "scratch_dir=/dev/null/scratch"], "scratch_dir"),
    ],
)
@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["work"]], ids=["serve", "work"])
def test_a_folder_that_cannot_be_made_is_one_line(cli, tmp_path, command, words, said):
    where = [] if "--state" in words else ["--state", tmp_path]

    assert_is_error(cli(*command, *where, *words), said, "Not a directory")


@pytest.mark.parametrize(
    ("command", "package"),
    [("serve", "fastapi"), ("serve", "uvicorn"), ("serve", "pydantic_settings"), ("work", "sqlalchemy"),
     ("work", "structlog")],
)  # fmt: skip
def test_without_the_extra_the_install_line_is_told(tmp_path, command, package):
    start = f"import sys; sys.modules[{package!r}] = None; from fourview.cli import main; main()"
    state = ["--state", str(tmp_path), *(["--port", "0"] if command == "serve" else [])]

    process = subprocess.run(
        [sys.executable, "-c", start, command, *state], capture_output=True, text=True, check=False, timeout=60
    )

    assert_is_error(process, install_line("serve"))


def test_the_settings_file_in_the_docs_starts(cli, tmp_path):
    text = (ROOT / "docs" / "guides" / "operate.md").read_text()
    (tmp_path / "fourview.toml").write_text(re.search(r"```toml\n(.*?)```", text, re.S)[1])

    settings = shown(cli("serve", "--show-settings", "--settings", tmp_path / "fourview.toml"))

    assert settings["trusted_proxies"] == "127.0.0.1/32"
    assert settings["public_url"] == "https://models.example.com"
