# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview keys` and `fourview credits`, on SQLite in a temporary folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fourview.cli.app import run_app
from fourview.install import install_line
from fourview.service.store.database import open_store
from fourview.service.store.keys import check_key

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Runs a command whose user's data folder is `tmp_path`, without the second that a process takes."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("FOURVIEW_DATABASE_URL", raising=False)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["fourview", *map(str, words)])
        code = run_app()
        return subprocess.CompletedProcess(words, code, *capsys.readouterr())

    return run


def assert_is_error(process, said):
    assert process.returncode == 2
    assert process.stdout == ""
    assert process.stderr.startswith("error: ")
    assert process.stderr.count("\n") == 1
    assert said in process.stderr


def test_create_prints_a_key_that_works_and_alone_on_stdout(cli, tmp_path):
    text = cli("keys", "create", "--name", "laptop").stdout

    assert re.fullmatch(r"fv_[A-Za-z0-9_-]{32}\n", text)
    store = open_store(f"sqlite:///{tmp_path / 'fourview' / 'state.db'}")
    with store.read() as tx:
        assert check_key(tx, text.strip(), 0.0).name == "laptop"
    store.close()


def test_the_database_is_the_one_that_the_service_is_set_to(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("FOURVIEW_STATE_DIR", str(tmp_path / "state"))
    cli("keys", "create", "--name", "of the folder")
    monkeypatch.setenv("FOURVIEW_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")

    assert cli("keys", "list").stdout == ""
    assert "of the folder" in cli("keys", "list", "--database", f"sqlite:///{tmp_path / 'state' / 'state.db'}").stdout


def test_list_and_show_tell_everything_but_the_key(cli):
    text = cli("keys", "create", "--name", "laptop", "--days", 30, "--rate", 60, "--account", "ada").stdout.strip()
    cli("keys", "create", "--name", "other")

    listed, of_ada, shown = cli("keys", "list"), cli("keys", "list", "--account", "ada"), cli("keys", "show", text[:11])

    assert [line.split()[1:] for line in listed.stdout.splitlines()] == [
        ["valid", "ada", "laptop"],
        ["valid", "default", "other"],
    ]
    assert of_ada.stdout == listed.stdout.splitlines(keepends=True)[0]
    assert re.search(r"^rate +60 a minute$", shown.stdout, re.M)
    assert re.search(r"^expires +\d{4}-\d\d-\d\d ", shown.stdout, re.M)
    assert text[11:] not in listed.stdout + shown.stdout


def test_a_revoked_key_stays_revoked(cli):
    text = cli("keys", "create").stdout.strip()

    first, second = cli("keys", "revoke", text), cli("keys", "revoke", text[:11])

    assert first.stdout == f"revoked {text[:11]}\n"
    assert_is_error(second, "was revoked before")
    assert cli("keys", "list").stdout.split()[1] == "revoked"


def test_a_key_that_is_not_there_is_one_line_that_does_not_repeat_it(cli):
    process = cli("keys", "revoke", "fv_abcdefghijklmnop")

    assert_is_error(process, "there is no key 'fv_abcdefgh'; `fourview keys list`")


def test_credits_are_granted_shown_and_taken_back_to_the_thousandth(cli):
    cli("keys", "create")

    answers = [cli("credits", "grant", amount, "--note", "why").stdout for amount in ("12.5", "0.001", "-2")]
    rows = [line.split()[2:] for line in cli("credits", "ledger").stdout.splitlines()]

    assert answers == ["12.5\n", "12.501\n", "10.501\n"]
    assert cli("credits", "show").stdout == "10.501\n"
    assert rows == [
        ["grant", "-2", "10.501", "why"],
        ["grant", "0.001", "12.501", "why"],
        ["grant", "12.5", "12.5", "why"],
    ]
    assert_is_error(cli("credits", "grant", "-10.502"), "the balance is 10.501 credits and 10.502 are needed")


@pytest.mark.parametrize("amount", ["much", "0", "1.0001", "NaN", "inf", "1e30"])
def test_what_is_no_amount_is_refused(cli, amount):
    assert_is_error(cli("credits", "grant", amount), f"{amount!r} is no number of credits; write one like 100")


def test_an_account_that_is_not_there_is_named_with_those_that_are(cli):
    cli("keys", "create", "--account", "ada")

    assert_is_error(cli("credits", "show"), "there is no account 'default', only ada; `fourview keys create")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://me:secret@host/db", "it takes sqlite:///FILE or postgresql://"),
        ("postgresql://me:secret@127.0.0.1:1/db", "cannot be opened"),
        ("sqlite:////dev/null/state.db", "cannot be written"),
        ("nonsense", "write sqlite:///FILE or postgresql://"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line_without_its_password(cli, url, said):
    process = cli("keys", "list", "--database", url)

    assert_is_error(process, said)
    assert "secret" not in process.stderr


@pytest.mark.parametrize(("package", "words"), [("sqlalchemy", "keys list"), ("alembic", "credits show")])
def test_without_the_extra_the_install_line_is_told(package, words):
    start = f"import sys; sys.modules[{package!r}] = None; from fourview.cli import main; main()"
    command = [sys.executable, "-c", start, *words.split()]

    process = subprocess.run(command, capture_output=True, text=True, check=False)

    assert_is_error(process, install_line("serve"))
